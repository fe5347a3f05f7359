// modelkit user add NAME | user list | user rm NAME...
#include "base/format.h"
#include "cli/connection.h"
#include "cli/table.h"
#include "cli/verbs.h"

namespace mk::cli {
namespace {

Result<int> add(const Arguments& arguments, const Connection& connection, const kinds::Kind& kind) {
  const std::string& name = arguments.words()[1];
  Json object = Json::object({{"apiVersion", kind.api_version()},
                              {"kind", kind.kind},
                              {"metadata", Json::object({{"name", name}})},
                              {"spec", Json::object()}});
  for (const std::string& group : arguments.all("--group")) object["spec"]["groups"].push_back(group);
  MK_OK(connection.json(net::Method::kPost, object_path(kind, "", ""), &object));
  fmt::print("user {} added\n", name);
  fmt::print(stderr,
             "it may do nothing yet: give it a role, e.g.\n"
             "  kubectl create rolebinding {0} --clusterrole=edit --user={0} -n default\n"
             "  modelkit token create {0}\n",
             name);
  return kOk;
}

Result<int> list(const Connection& connection, const kinds::Kind& kind) {
  MK_TRY(const Json users, connection.json(net::Method::kGet, object_path(kind, "", "")));
  std::vector<std::vector<std::string>> rows = {{"NAME", "GROUPS"}};
  for (const Json& user : users["items"].items()) {
    std::string groups;
    for (const Json& group : user.at({"spec", "groups"}).items())
      groups += fmt::format("{}{}", groups.empty() ? "" : ",", group.text());
    rows.push_back({std::string(user.at({"metadata", "name"}).text()), groups});
  }
  fmt::print("{}", align(rows));
  return kOk;
}

Result<int> run(const Arguments& arguments) {
  const auto& words = arguments.words();
  MK_TRY(const Connection connection, Connection::open(arguments));
  MK_TRY(const kinds::Kind* kind, find_kind("users.modelkit.dev"));
  if (words.size() == 2 && words[0] == "add") return add(arguments, connection, *kind);
  if (words.size() == 1 && (words[0] == "list" || words[0] == "ls")) return list(connection, *kind);
  if (words.size() >= 2 && words[0] == "rm") {
    for (size_t i = 1; i < words.size(); ++i) {
      MK_OK(connection.json(net::Method::kDelete, object_path(*kind, "", words[i])));
      fmt::print("user {} removed; its tokens and certificates are void\n", words[i]);
    }
    return kOk;
  }
  return fail(Error{Code::kInvalidArgument, "usage", "user takes add NAME, list, or rm NAME"}.with_hint(
      "e.g. modelkit user add ada --group data-science"));
}

}  // namespace

Verb user_verb() {
  return {.name = "user",
          .usage = "user add NAME [--group GROUP]... | user list | user rm NAME...",
          .what = "say who may call beside you",
          .options = with_connection({{.name = "--group", .value = "GROUP", .what = "a group the user is in", .repeats = true}}),
          .run = run};
}

}  // namespace mk::cli

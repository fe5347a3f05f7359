// modelkit delete KIND NAME...  |  modelkit delete -f FILE
#include "base/format.h"
#include "cli/connection.h"
#include "cli/manifest.h"
#include "cli/verbs.h"

namespace mk::cli {
namespace {

Result<void> delete_one(const Connection& connection, const kinds::Kind& kind, const std::string& space, const std::string& name) {
  MK_OK(connection.json(net::Method::kDelete, object_path(kind, space, name)));
  fmt::print("{}/{} deleted\n", kind.one(), name);
  return {};
}

Result<int> run(const Arguments& arguments) {
  const auto& words = arguments.words();
  if (arguments.has("--filename")) {
    MK_TRY(const std::vector<Manifest> manifests, read_manifests(arguments.all("--filename")));
    MK_TRY(const Connection connection, Connection::open(arguments));
    for (auto it = manifests.rbegin(); it != manifests.rend(); ++it) {
      const std::string space(it->object.at({"metadata", "namespace"}).text(connection.space()));
      MK_OK(delete_one(connection, *it->kind, space, std::string(it->object.at({"metadata", "name"}).text())));
    }
    return kOk;
  }
  if (words.size() < 2)
    return fail(Error{Code::kInvalidArgument, "usage", "delete takes a kind and at least one name"}.with_hint(
        "e.g. modelkit delete isvc wine, or modelkit delete -f FILE"));
  MK_TRY(const kinds::Kind* kind, find_kind(words[0]));
  MK_TRY(const Connection connection, Connection::open(arguments));
  for (size_t i = 1; i < words.size(); ++i) MK_OK(delete_one(connection, *kind, connection.space(), words[i]));
  return kOk;
}

}  // namespace

Verb delete_verb() {
  return {.name = "delete",
          .usage = "delete KIND NAME... | delete -f FILE",
          .what = "delete objects and what belongs to them",
          .options = with_connection({{"--filename", "FILE", "YAML or JSON; - is standard input", "", 'f', true}}),
          .run = run};
}

}  // namespace mk::cli

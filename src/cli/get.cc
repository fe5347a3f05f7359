// modelkit get KIND [NAME] [-o table|wide|json|yaml|name] [-A]
#include <algorithm>

#include "base/format.h"
#include "base/yaml.h"
#include "cli/connection.h"
#include "cli/table.h"
#include "cli/verbs.h"

namespace mk::cli {
namespace {

constexpr const char* kTableType = "application/json;as=Table;v=v1;g=meta.k8s.io";

Result<int> print_as_table(const Connection& connection, const std::string& path, bool wide, bool everywhere, std::string_view what) {
  MK_TRY(const net::Response response, connection.call(net::Method::kGet, path, "", {{"Accept", kTableType}}));
  MK_TRY(const Json table, Json::parse(response.body, {.bytes_max = 256u << 20, .nodes_max = 20'000'000}));
  if (table["rows"].empty())
    fmt::print(stderr, "no {} {}\n", what, everywhere ? "anywhere" : "in namespace " + connection.space());
  else
    fmt::print("{}", print_table(table, wide, everywhere));
  return kOk;
}

void print_object(const Json& object, std::string_view format, const kinds::Kind& kind) {
  if (format == "yaml")
    fmt::print("{}", dump_yaml(object));
  else if (format == "json")
    fmt::print("{}", object.dump_pretty());
  else if (object.contains("items"))
    for (const Json& item : object["items"].items()) fmt::print("{}/{}\n", kind.one(), item.at({"metadata", "name"}).text());
  else
    fmt::print("{}/{}\n", kind.one(), object.at({"metadata", "name"}).text());
}

Result<int> run(const Arguments& arguments) {
  if (arguments.words().empty() || arguments.words().size() > 2)
    return fail(Error{Code::kInvalidArgument, "usage", "get takes a kind and perhaps a name"}.with_hint("e.g. modelkit get isvc"));
  const std::string format = arguments.text("--output");
  const std::vector<std::string> formats = {"table", "wide", "json", "yaml", "name"};
  if (std::find(formats.begin(), formats.end(), format) == formats.end())
    return fail(Code::kInvalidArgument, "usage", fmt::format("-o takes table, wide, json, yaml or name, not \"{}\"", format));
  MK_TRY(const kinds::Kind* kind, find_kind(arguments.words()[0]));
  MK_TRY(const Connection connection, Connection::open(arguments));
  const bool everywhere = arguments.has("--all-namespaces");
  const std::string name = arguments.words().size() > 1 ? arguments.words()[1] : "";
  std::string path = object_path(*kind, everywhere ? "" : connection.space(), name);
  // Of everything there is, what the caller may see.
  if (name.empty() && (everywhere || !kind->namespaced)) path += "?visible=true";
  if (format == "table" || format == "wide")
    return print_as_table(connection, path, format == "wide", everywhere && kind->namespaced, kind->plural);
  MK_TRY(const Json object, connection.json(net::Method::kGet, path));
  print_object(object, format, *kind);
  return kOk;
}

}  // namespace

Verb get_verb() {
  return {.name = "get",
          .usage = "get KIND [NAME]",
          .what = "show objects",
          .options = with_connection({{"--output", "FORMAT", "table, wide, json, yaml or name", "table", 'o'},
                                      {"--all-namespaces", "", "of every namespace", "", 'A'}}),
          .run = run};
}

}  // namespace mk::cli

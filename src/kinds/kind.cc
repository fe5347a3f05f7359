#include "kinds/kind.h"

#include <algorithm>
#include <cctype>
#include <tuple>

#include "embedded/kinds_json.h"
#include "kinds/registry.h"

namespace mk::kinds {
namespace {

std::vector<std::string> texts(const Json& list) {
  std::vector<std::string> out;
  for (const Json& item : list.items()) out.emplace_back(item.text());
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

Column column(const Json& row) {
  return {.name = std::string(row["name"].text()),
          .type = std::string(row["type"].text("string")),
          .format = std::string(row["format"].text()),
          .json_path = std::string(row["path"].text()),
          .computed = std::string(row["computed"].text()),
          .if_missing = std::string(row["if_missing"].text()),
          .description = std::string(row["description"].text()),
          .priority = row["priority"].integer()};
}

std::vector<Column> columns(const Json& rows) {
  std::vector<Column> out;
  for (const Json& row : rows.items()) out.push_back(column(row));
  const auto has = [&](std::string_view name) {
    return std::ranges::any_of(out, [&](const Column& c) { return c.name == name; });
  };
  if (!has("Name"))
    out.insert(out.begin(), {.name = "Name",
                             .type = "string",
                             .format = "name",
                             .json_path = ".metadata.name",
                             .description = "Unique within its namespace."});
  if (!has("Age") && !has("Last Seen") && !has("Created At"))
    out.push_back({.name = "Age",
                   .type = "date",
                   .json_path = ".metadata.creationTimestamp",
                   .description = "Time since the object was made."});
  return out;
}

// {"x-inline": ["PodSpec"], properties: ...}: the definition's properties become this schema's own; what a
// component adds to a PodSpec stands beside the PodSpec's fields, as KServe writes it. Neither `required` nor
// the defaults of these properties are inherited.
void inline_definitions(Json& schema, const Json& definitions) {
  if (schema.is_array()) {
    for (Json& item : schema.items()) inline_definitions(item, definitions);
    return;
  }
  if (!schema.is_object()) return;
  if (const Json* names = schema.find("x-inline"); names && names->is_array()) {
    const Json list = *names;
    schema.erase("x-inline");
    for (const Json& name : list.items())
      for (const auto& [field, part] : definitions[name.text()]["properties"].members())
        if (!schema["properties"].contains(field)) {
          schema["properties"][field] = part;
          schema["properties"][field].erase("default");
        }
  }
  for (auto& [key, part] : schema.members())
    if (key != "default" && key != "enum") inline_definitions(part, definitions);
}

struct Table {
  std::shared_ptr<Kinds::List> kinds = std::make_shared<Kinds::List>();
  Json definitions;
};

Kind kind_of(const Json& row, const Json& definitions) {
  Kind kind;
  kind.group = row["group"].text();
  kind.versions = texts(row["versions"]);
  kind.kind = row["kind"].text();
  kind.plural = row["plural"].text();
  kind.singular = lower(kind.kind);
  kind.short_names = texts(row["short_names"]);
  kind.categories = texts(row["categories"]);
  kind.namespaced = row["scope"].text("Namespaced") == "Namespaced";
  kind.status_subresource = kind.scale_subresource = false;
  for (const Json& name : row["subresources"].items()) {
    if (name.text() == "status") kind.status_subresource = true;
    if (name.text() == "scale") kind.scale_subresource = true;
  }
  kind.deletes_collection = row["delete_collection"].boolean(true);
  kind.counts_changes = row["generation"].boolean(row["schema"]["properties"].contains("spec"));
  kind.stored_as = row["stored_as"].text();
  kind.fills_defaults = row["fills_defaults"].boolean(true);
  kind.selectable_fields = texts(row["selectable_fields"]);
  kind.schema = row["schema"];
  kind.schema["type"] = "object";
  Json& properties = kind.schema["properties"];
  properties["apiVersion"] =
      Json::object({{"type", "string"}, {"description", "Group and version of the kind."}});
  properties["kind"] = Json::object({{"type", "string"}, {"description", "What the object is."}});
  properties["metadata"] = Json::object({{"$ref", "ObjectMeta"}});
  inline_definitions(kind.schema, definitions);
  kind.columns = columns(row["columns"]);
  return kind;
}

Table load() {
  auto parsed = Json::parse(embedded::kinds_json());
  MK_CHECK(parsed);
  Table table;
  table.definitions = (*parsed)["definitions"];
  const Json plain = table.definitions;
  inline_definitions(table.definitions, plain);
  for (const Json& row : (*parsed)["kinds"].items())
    table.kinds->push_back(std::make_shared<const Kind>(kind_of(row, table.definitions)));
  std::ranges::sort(*table.kinds, {}, [](const KindRef& k) { return std::tie(k->group, k->plural); });
  return table;
}

const Table& table() {
  static const Table kTable = load();
  return kTable;
}

}  // namespace

const Kinds& built_in() {
  static const Kinds kKinds{table().kinds};
  return kKinds;
}

const Json& schema_definitions() {
  return table().definitions;
}

const Json& resolve(const Json& schema) {
  const Json* name = schema.find("$ref");
  return name ? table().definitions[name->text()] : schema;
}

const Kind::Version* Kind::find_own(std::string_view version) const {
  const auto own = std::ranges::find(own_schemas, version, &Version::name);
  return own == own_schemas.end() ? nullptr : &*own;
}

const Json& Kind::schema_of(std::string_view version) const {
  const Version* own = find_own(version);
  return own ? own->schema : schema;
}

const std::vector<Column>& Kind::columns_of(std::string_view version) const {
  const Version* own = find_own(version);
  return own ? own->columns : columns;
}

}  // namespace mk::kinds

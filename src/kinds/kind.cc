#include "kinds/kind.h"

#include <algorithm>
#include <cctype>

#include "embedded/kinds_json.h"

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
  if (!has("Age") && !has("Last Seen"))
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
  std::vector<Kind> kinds;
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
  kind.fills_defaults = row["fills_defaults"].boolean(true);
  kind.selectable_fields = texts(row["selectable_fields"]);
  kind.schema = row["schema"];
  kind.schema["type"] = "object";
  Json& properties = kind.schema["properties"];
  properties["apiVersion"] = Json::object({{"type", "string"}, {"description", "Group and version of the kind."}});
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
  for (const Json& row : (*parsed)["kinds"].items()) table.kinds.push_back(kind_of(row, table.definitions));
  std::ranges::sort(table.kinds, {}, [](const Kind& k) { return std::pair(k.group, k.plural); });
  return table;
}

const Table& table() {
  static const Table kTable = load();
  return kTable;
}

template <typename Match>
const Kind* first(const Match& match) {
  for (const Kind& kind : table().kinds)
    if (match(kind)) return &kind;
  return nullptr;
}

std::pair<std::string_view, std::string_view> split_at(std::string_view text, char mark) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

}  // namespace

const std::vector<Kind>& all() {
  return table().kinds;
}
const Json& schema_definitions() {
  return table().definitions;
}

const Json& resolve(const Json& schema) {
  const Json* name = schema.find("$ref");
  return name ? table().definitions[name->text()] : schema;
}

const Kind* find_resource(std::string_view resource) {
  const auto [plural, group] = split_at(resource, '.');
  return find_plural(group, plural);
}

const Kind* find_plural(std::string_view group, std::string_view plural) {
  return first([&](const Kind& k) { return k.plural == plural && k.group == group; });
}

const Kind* find_kind(std::string_view group, std::string_view kind) {
  return first([&](const Kind& k) { return k.kind == kind && k.group == group; });
}

const Kind* find_kind_of(const Json& object) {
  const std::string_view api = object["apiVersion"].text();
  const size_t slash = api.find('/');
  const std::string_view group = slash == std::string_view::npos ? std::string_view() : api.substr(0, slash);
  const std::string_view version = slash == std::string_view::npos ? api : api.substr(slash + 1);
  const Kind* kind = find_kind(group, object["kind"].text());
  return kind && std::ranges::find(kind->versions, version) != kind->versions.end() ? kind : nullptr;
}

const Kind* find_typed(std::string_view word) {
  const std::string typed = lower(word);
  const auto [name, group] = split_at(typed, '.');
  const auto named = [&](const Kind& k) {
    return k.plural == name || k.singular == name ||
           std::ranges::find(k.short_names, name) != k.short_names.end();
  };
  if (group.empty()) return first(named);
  // "deployments.apps" and kubectl's long form "deployments.v1.apps".
  return first([&](const Kind& k) {
    if (!named(k)) return false;
    return k.group == group ||
           std::ranges::any_of(k.versions, [&](const auto& v) { return v + "." + k.group == group; });
  });
}

}  // namespace mk::kinds

#include "core/definitions/definition.h"

#include <algorithm>

#include "base/format.h"

namespace mk::core::definitions {
namespace {

std::vector<std::string> texts(const Json& list) {
  std::vector<std::string> out;
  for (const Json& item : list.items()) out.emplace_back(item.text());
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

// Says in our terms what structural schemas say by leaving it out.
void normalise(Json& schema) {
  if (!schema.is_object()) return;
  if (Json* rest = schema.find("additionalProperties"); rest && rest->is_bool()) {
    const bool any = rest->boolean();
    schema.erase("additionalProperties");
    if (any) schema["x-kubernetes-preserve-unknown-fields"] = true;
  }
  const bool closed = std::as_const(schema)["type"].text() == "object" && !schema.contains("properties") &&
                      !schema.contains("additionalProperties") &&
                      !std::as_const(schema)["x-kubernetes-preserve-unknown-fields"].boolean();
  if (closed) schema["properties"] = Json::object();
  if (Json* properties = schema.find("properties"))
    for (auto& [name, part] : properties->members()) normalise(part);
  for (const char* part : {"items", "additionalProperties"})
    if (Json* inside = schema.find(part)) normalise(*inside);
}

Json served_schema(const Json& version) {
  Json schema = version.at({"schema", "openAPIV3Schema"});
  if (!schema.is_object()) schema = Json::object({{"x-kubernetes-preserve-unknown-fields", true}});
  schema["type"] = "object";
  normalise(schema);
  Json& properties = schema["properties"];
  const auto description = [&](const char* field) -> Json {
    return std::as_const(properties)[field]["description"].text("Part of every object.");
  };
  properties["apiVersion"] = Json::object({{"type", "string"}, {"description", description("apiVersion")}});
  properties["kind"] = Json::object({{"type", "string"}, {"description", description("kind")}});
  properties["metadata"] = Json::object({{"$ref", "ObjectMeta"}});
  return schema;
}

std::vector<kinds::Column> columns_of(const Json& version) {
  std::vector<kinds::Column> out;
  out.push_back({.name = "Name",
                 .type = "string",
                 .format = "name",
                 .json_path = ".metadata.name",
                 .description = "Unique within its namespace."});
  for (const Json& row : version["additionalPrinterColumns"].items())
    out.push_back(
        {.name = std::string(row["name"].text()),
         .type = std::string(row["type"].text("string")),
         .format = std::string(row["format"].text()),
         .json_path = std::string(row["jsonPath"].text()),
         .description = row["description"].text().empty()
                            ? fmt::format("Custom resource definition column (in JSONPath format): {}",
                                          row["jsonPath"].text())
                            : std::string(row["description"].text()),
         .priority = row["priority"].integer()});
  if (out.size() == 1)
    out.push_back({.name = "Age",
                   .type = "date",
                   .json_path = ".metadata.creationTimestamp",
                   .description = "Time since the object was made."});
  return out;
}

std::string deprecation(const kinds::Kind& kind, const Json& version) {
  if (!version["deprecated"].boolean()) return {};
  const std::string_view own = version["deprecationWarning"].text();
  return own.empty() ? fmt::format("{}/{} {} is deprecated", kind.group, version["name"].text(), kind.kind)
                     : std::string(own);
}

void read_subresources(const Json& given, kinds::Kind& kind) {
  kind.status_subresource = given["status"].is_object();
  const Json& scale = given["scale"];
  kind.scale_subresource = scale.is_object();
  if (!kind.scale_subresource) return;
  kind.replicas_path = field_path(scale["specReplicasPath"].text());
  kind.current_replicas_path = field_path(scale["statusReplicasPath"].text());
  kind.selector_path = field_path(scale["labelSelectorPath"].text());
}

}  // namespace

std::vector<std::string> field_path(std::string_view text) {
  std::vector<std::string> out;
  while (text.starts_with('.')) {
    text.remove_prefix(1);
    const size_t end = text.find('.');
    const std::string_view field = text.substr(0, end);
    if (field.empty() || field.find_first_of("[]*?@'\"") != std::string_view::npos) return {};
    out.emplace_back(field);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end);
  }
  return text.empty() ? out : std::vector<std::string>();
}

kinds::Kind kind_of(const Json& definition) {
  const Json& spec = definition["spec"];
  const Json& names = spec["names"];
  kinds::Kind kind;
  kind.custom = true;
  kind.ending = definition.at({"metadata", "deletionTimestamp"}).is_string();
  kind.group = spec["group"].text();
  kind.kind = names["kind"].text();
  kind.plural = names["plural"].text();
  kind.singular = names["singular"].text().empty() ? lower(kind.kind) : std::string(names["singular"].text());
  kind.list_kind = names["listKind"].text();
  kind.short_names = texts(names["shortNames"]);
  kind.categories = texts(names["categories"]);
  kind.namespaced = spec["scope"].text() != "Cluster";
  // The version that is stored comes first; when nobody may ask for it, the first that is served stands in:
  // without conversion they differ in their name only.
  const Json* storage = nullptr;
  for (const Json& version : spec["versions"].items()) {
    if (!version["served"].boolean()) continue;
    const std::string name(version["name"].text());
    if (version["storage"].boolean() || kind.versions.empty()) storage = &version;
    if (version["storage"].boolean())
      kind.versions.insert(kind.versions.begin(), name);
    else
      kind.versions.push_back(name);
    kind.own_schemas.push_back(
        {name, served_schema(version), columns_of(version), deprecation(kind, version)});
  }
  if (!storage) return kind;  // nothing is served
  const std::string stored((*storage)["name"].text());
  kind.schema = kind.schema_of(stored);
  kind.columns = kind.columns_of(stored);
  read_subresources((*storage)["subresources"], kind);
  for (const Json& field : (*storage)["selectableFields"].items()) {
    const std::string_view path = field["jsonPath"].text();
    kind.selectable_fields.emplace_back(path.substr(path.starts_with('.') ? 1 : 0));
  }
  return kind;
}

// ---- admission
// ------------------------------------------------------------------------------------------------------

void complete(Json& definition, const Json*) {
  Json& spec = definition["spec"];
  if (!spec.is_object() || !std::as_const(spec)["names"].is_object()) return;
  Json& names = spec["names"];
  const std::string kind(std::as_const(names)["kind"].text());
  if (std::as_const(names)["singular"].text().empty() && !kind.empty()) names["singular"] = lower(kind);
  if (std::as_const(names)["listKind"].text().empty() && !kind.empty()) names["listKind"] = kind + "List";
  if (std::as_const(spec).at({"conversion", "strategy"}).text().empty())
    spec["conversion"] = Json::object({{"strategy", "None"}});
}

namespace {

void collect_rules(const Json& schema, const std::string& path, std::vector<std::string>& out) {
  if (!schema.is_object()) return;
  if (!schema["x-kubernetes-validations"].empty()) out.push_back(path.empty() ? "the object" : path);
  for (const auto& [name, part] : schema["properties"].members())
    collect_rules(part, path.empty() ? name : path + "." + name, out);
  collect_rules(schema["items"], path + "[*]", out);
  collect_rules(schema["additionalProperties"], path + "[*]", out);
}

}  // namespace

std::vector<std::string> unenforced_rules(const Json& definition) {
  std::vector<std::string> out;
  for (const Json& version : definition.at({"spec", "versions"}).items())
    collect_rules(version.at({"schema", "openAPIV3Schema"}), "", out);
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void warn(const Json& definition, std::vector<std::string>& warnings) {
  const auto rules = unenforced_rules(definition);
  if (rules.empty()) return;
  warnings.push_back(fmt::format(
      "the rules in x-kubernetes-validations of {} field{} are kept but not enforced by this server "
      "(first: {})",
      rules.size(), rules.size() == 1 ? "" : "s", rules.front()));
}

}  // namespace mk::core::definitions

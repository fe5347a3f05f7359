// What a CustomResourceDefinition must say. Worded as Kubernetes does where it has words for it.
#include <algorithm>
#include <set>

#include "base/format.h"
#include "base/json_path.h"
#include "base/pattern.h"
#include "core/definitions/definition.h"
#include "core/limits.h"
#include "core/names.h"
#include "core/refusal.h"
#include "core/schema.h"

namespace mk::core::definitions {
namespace {

using Causes = std::vector<Cause>;

constexpr std::string_view kTypes[] = {"object", "array", "string", "integer", "number", "boolean"};
// What a schema below allOf, anyOf, oneOf or not may not say: that belongs to the structure itself.
constexpr std::string_view kStructure[] = {"type",
                                           "description",
                                           "title",
                                           "default",
                                           "nullable",
                                           "additionalProperties",
                                           "x-kubernetes-preserve-unknown-fields",
                                           "x-kubernetes-embedded-resource"};
constexpr std::string_view kForbidden[] = {
    "$ref", "definitions", "dependencies", "patternProperties", "additionalItems", "id", "$schema"};

bool flag(const Json& schema, std::string_view name) {
  return schema[name].boolean();
}

void check_pattern(const Json& schema, const std::string& path, Causes& causes) {
  const Json* pattern = schema.find("pattern");
  if (!pattern) return;
  if (const std::string why = pattern_problem(pattern->text()); !why.empty())
    causes.push_back(cause_invalid(path + ".pattern", *pattern,
                                   fmt::format("must be a valid regular expression, but isn't: {}", why)));
}

// Conditions of a junctor: they may restrict what the structure has, not add to it.
void check_condition(const Json& schema, const std::string& path, bool int_or_string, Causes& causes) {
  if (causes.size() >= limits::kCausesMax || !schema.is_object()) return;
  for (const std::string_view word : kStructure) {
    const bool allowed = word == "type" && int_or_string;
    if (schema.contains(word) && !allowed)
      causes.push_back(cause_forbidden(fmt::format("{}.{}", path, word), "must be empty to be structural"));
  }
  check_pattern(schema, path, causes);
  for (const auto& [name, part] : schema["properties"].members())
    check_condition(part, fmt::format("{}.properties[{}]", path, name), false, causes);
  if (schema.contains("items")) check_condition(schema["items"], path + ".items", false, causes);
  for (const char* junctor : {"allOf", "anyOf", "oneOf"})
    for (size_t i = 0; i < schema[junctor].size(); ++i)
      check_condition(schema[junctor][i], fmt::format("{}.{}[{}]", path, junctor, i), int_or_string, causes);
  if (schema.contains("not")) check_condition(schema["not"], path + ".not", false, causes);
}

void check_junctors(const Json& schema, const std::string& path, Causes& causes) {
  const bool either = flag(schema, "x-kubernetes-int-or-string");
  for (const char* junctor : {"allOf", "anyOf", "oneOf"})
    for (size_t i = 0; i < schema[junctor].size(); ++i)
      check_condition(schema[junctor][i], fmt::format("{}.{}[{}]", path, junctor, i), either, causes);
  if (schema.contains("not")) check_condition(schema["not"], path + ".not", either, causes);
}

void check_type(const Json& schema, const std::string& path, Causes& causes) {
  const std::string_view type = schema["type"].text();
  const bool free =
      flag(schema, "x-kubernetes-int-or-string") || flag(schema, "x-kubernetes-preserve-unknown-fields");
  if (type.empty()) {
    if (!free)
      causes.push_back(cause_required(path + ".type", "must not be empty for specified object fields"));
  } else if (std::ranges::find(kTypes, type) == std::end(kTypes)) {
    causes.push_back(
        cause_unsupported(path + ".type", schema["type"], {std::begin(kTypes), std::end(kTypes)}));
  } else if (flag(schema, "x-kubernetes-int-or-string")) {
    causes.push_back(
        cause_forbidden(path + ".type", "must be empty when x-kubernetes-int-or-string is true"));
  }
}

void check_list(const Json& schema, const std::string& path, Causes& causes) {
  if (schema["type"].text() == "array" && !schema["items"].is_object())
    causes.push_back(cause_required(path + ".items", "must be specified"));
  const std::string_view kind = schema["x-kubernetes-list-type"].text();
  const Json& keys = schema["x-kubernetes-list-map-keys"];
  if (kind == "map" && keys.empty())
    causes.push_back(cause_required(path + ".x-kubernetes-list-map-keys",
                                    "must not be empty if x-kubernetes-list-type is map"));
  if (kind != "map" && !keys.empty())
    causes.push_back(cause_invalid(path + ".x-kubernetes-list-type", schema["x-kubernetes-list-type"],
                                   "must be map if x-kubernetes-list-map-keys is non-empty"));
  for (const Json& key : keys.items())
    if (!schema.at({"items", "properties"}).contains(key.text()))
      causes.push_back(cause_invalid(path + ".x-kubernetes-list-map-keys", key,
                                     "entries must all be names of item properties"));
}

void check_default(const Json& schema, const std::string& path, Causes& causes) {
  const Json* standard = schema.find("default");
  if (!standard) return;
  Causes inside;
  schema::validate(schema, *standard, path + ".default", inside, schema::Dialect::kCustom);
  causes.insert(causes.end(), inside.begin(), inside.end());
}

void check_versions(const Json& spec, Causes& causes) {
  const Json& versions = spec["versions"];
  std::set<std::string_view> names;
  int storage = 0, served = 0;
  for (size_t i = 0; i < versions.size(); ++i) {
    const Json& version = versions[i];
    const std::string path = fmt::format("spec.versions[{}]", i);
    const std::string_view name = version["name"].text();
    storage += version["storage"].boolean();
    served += version["served"].boolean();
    if (std::string why = names::dns_1035_label(name); !why.empty())
      causes.push_back(cause_invalid(path + ".name", version["name"], why));
    if (!names.insert(name).second) causes.push_back(cause_duplicate(path + ".name", version["name"]));
    const Json& schema = version.at({"schema", "openAPIV3Schema"});
    const std::string at = path + ".schema.openAPIV3Schema";
    if (!schema.is_object())
      causes.push_back(cause_required(at, "schemas are required"));
    else if (schema["type"].text() != "object")
      causes.push_back(cause_invalid(at + ".type", schema["type"], "must be object at the root"));
    check_schema(schema, at, causes);
    const Json& columns = version["additionalPrinterColumns"];
    for (size_t c = 0; c < columns.size(); ++c)
      if (!JsonPath::parse(columns[c]["jsonPath"].text()))
        causes.push_back(cause_invalid(
            fmt::format("{}.additionalPrinterColumns[{}].jsonPath", path, c), columns[c]["jsonPath"],
            "is not a path that this server reads; it reads .a.b, [0], [-1:], [*] and "
            "[?(@.x=='y')]"));
    const Json& scale = version.at({"subresources", "scale"});
    for (const auto& [field, start] :
         {std::pair{"specReplicasPath", "spec"}, {"statusReplicasPath", "status"}}) {
      if (!scale.is_object()) break;
      const auto parts = field_path(scale[field].text());
      if (parts.size() < 2 || parts.front() != start)
        causes.push_back(cause_invalid(fmt::format("{}.subresources.scale.{}", path, field), scale[field],
                                       fmt::format("should be a json path under .{}", start)));
    }
  }
  if (storage != 1)
    causes.push_back(cause_invalid("spec.versions", static_cast<int64_t>(storage),
                                   "must have exactly one version marked as storage version"));
  if (served == 0 && !versions.empty())
    causes.push_back(
        cause_invalid("spec.versions", static_cast<int64_t>(served), "one version at least must be served"));
}

void check_names(const Json& definition, Causes& causes) {
  const Json& spec = definition["spec"];
  const Json& names = spec["names"];
  const std::string_view group = spec["group"].text();
  if (std::string why = names::dns_1123_subdomain(group); !why.empty())
    causes.push_back(cause_invalid("spec.group", spec["group"], why));
  else if (group.find('.') == std::string_view::npos)
    causes.push_back(cause_invalid("spec.group", spec["group"], "should be a domain with at least one dot"));
  for (const char* field : {"plural", "singular"})
    if (std::string why = names::dns_1035_label(names[field].text()); !why.empty())
      causes.push_back(cause_invalid(fmt::format("spec.names.{}", field), names[field], why));
  for (size_t i = 0; i < names["shortNames"].size(); ++i)
    if (std::string why = names::dns_1035_label(names["shortNames"][i].text()); !why.empty())
      causes.push_back(
          cause_invalid(fmt::format("spec.names.shortNames[{}]", i), names["shortNames"][i], why));
  for (const char* field : {"kind", "listKind"})
    if (!pattern_matches("^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?$", names[field].text()))
      causes.push_back(cause_invalid(fmt::format("spec.names.{}", field), names[field],
                                     "must be letters, digits and '-', and begin with a letter"));
  if (names["kind"] == names["listKind"])
    causes.push_back(
        cause_invalid("spec.names.listKind", names["listKind"], "kind and listKind may not be the same"));
  const std::string wanted = fmt::format("{}.{}", names["plural"].text(), group);
  const Json& name = definition.at({"metadata", "name"});
  if (name.text() != wanted)
    causes.push_back(cause_invalid("metadata.name", name, "must be spec.names.plural+\".\"+spec.group"));
}

void check_change(const Json& definition, const Json& old, Causes& causes) {
  const auto same = [&](std::initializer_list<std::string_view> at, const char* field) {
    if (definition.at(at) != old.at(at))
      causes.push_back(cause_invalid(field, definition.at(at), "field is immutable"));
  };
  same({"spec", "group"}, "spec.group");
  same({"spec", "scope"}, "spec.scope");
  same({"spec", "names", "plural"}, "spec.names.plural");
  same({"spec", "names", "kind"}, "spec.names.kind");
  const Json& stored = old.at({"status", "storedVersions"});
  for (size_t i = 0; i < stored.size(); ++i) {
    const auto& versions = definition.at({"spec", "versions"}).items();
    if (std::ranges::none_of(versions, [&](const Json& v) { return v["name"] == stored[i]; }))
      causes.push_back(cause_invalid(fmt::format("status.storedVersions[{}]", i), stored[i],
                                     "must appear in spec.versions"));
  }
}

}  // namespace

void check_schema(const Json& schema, const std::string& path, Causes& causes) {
  if (causes.size() >= limits::kCausesMax || !schema.is_object()) return;
  for (const std::string_view word : kForbidden)
    if (schema.contains(word))
      causes.push_back(cause_forbidden(fmt::format("{}.{}", path, word), "is not supported"));
  check_type(schema, path, causes);
  check_pattern(schema, path, causes);
  check_list(schema, path, causes);
  check_junctors(schema, path, causes);
  check_default(schema, path, causes);
  const Json& rest = schema["additionalProperties"];
  if (schema.contains("properties") && rest.is_object())
    causes.push_back(cause_forbidden(path + ".additionalProperties",
                                     "additionalProperties and properties are mutual exclusive"));
  for (const auto& [name, part] : schema["properties"].members())
    check_schema(part, fmt::format("{}.properties[{}]", path, name), causes);
  if (schema["items"].is_array())
    causes.push_back(cause_forbidden(path + ".items", "items must be a schema object and not an array"));
  if (schema["items"].is_object()) check_schema(schema["items"], path + ".items", causes);
  if (rest.is_object()) check_schema(rest, path + ".additionalProperties", causes);
}

void check(const Json& definition, const Json* old, Causes& causes) {
  const Json& spec = definition["spec"];
  check_names(definition, causes);
  check_versions(spec, causes);
  if (flag(spec, "preserveUnknownFields"))
    causes.push_back(cause_invalid("spec.preserveUnknownFields", true,
                                   "must be false in order to use defaults in the schema"));
  if (const Json& strategy = spec.at({"conversion", "strategy"}); strategy.text() != "None")
    causes.push_back(cause_unsupported("spec.conversion.strategy", strategy, {"None"}));
  if (old) check_change(definition, *old, causes);
}

}  // namespace mk::core::definitions

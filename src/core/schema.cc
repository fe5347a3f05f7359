#include "core/schema.h"

#include <algorithm>
#include <cmath>

#include "base/format.h"
#include "base/pattern.h"
#include "core/formats.h"
#include "core/limits.h"
#include "core/refusal.h"
#include "kinds/kind.h"

namespace mk::core::schema {
namespace {

bool flag(const Json& schema, std::string_view name) {
  return schema[name].boolean();
}

std::string at_index(const std::string& path, size_t index) {
  return fmt::format("{}[{}]", path, index);
}
std::string at_key(const std::string& path, std::string_view key) {
  return fmt::format("{}[{}]", path, key);
}

void check_format(const Json& schema, const Json& value, const std::string& path,
                  std::vector<Cause>& causes) {
  const std::string_view name = schema["format"].text();
  if (name.empty()) return;
  formats::Problem problem = formats::check(name, value);
  if (problem.why.empty()) return;
  causes.push_back(cause_invalid(path, value, problem.why));
  if (!problem.unreadable) return;
  causes.back().unreadable = Cause::Unreadable::kFormat;
  // A number that is too large is one of a wrong type to a typed client.
  if (value.is_number()) causes.back().unreadable = Cause::Unreadable::kType;
  causes.back().found = value.is_number() ? "number " + value.dump() : std::move(problem.why);
}

// ---- types and bounds
// ----------------------------------------------------------------------------------------

bool has_type(const Json& schema, const Json& value) {
  if (flag(schema, "x-kubernetes-int-or-string"))
    return value.is_int() || value.is_string() ||
           (value.is_number() && schema["format"].text() == "quantity");
  const std::string_view type = schema["type"].text();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_bool();
  if (type == "number") return value.is_number();
  if (type == "integer")
    return value.is_int() || (value.is_number() && value.integer(INT64_MIN) != INT64_MIN);
  return true;
}

void check_string(const Json& schema, const Json& value, const std::string& path,
                  std::vector<Cause>& causes) {
  const std::string_view text = value.text();
  const auto length =  // in characters of UTF-8
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
  if (length < schema["minLength"].integer())
    causes.push_back(length == 0 ? cause_required(path)
                                 : cause_invalid(path, value,
                                                 fmt::format("must have at least {} characters",
                                                             schema["minLength"].integer())));
  if (const Json* most = schema.find("maxLength"); most && length > most->integer())
    causes.push_back(cause_too_long(path, static_cast<size_t>(most->integer())));
  const std::string_view pattern = schema["pattern"].text();
  if (!pattern.empty() && !pattern_matches(pattern, text))
    causes.push_back(cause_invalid(path, value, fmt::format("{} in body should match '{}'", path, pattern)));
}

void check_enum(const Json& schema, const Json& value, const std::string& path, std::vector<Cause>& causes) {
  const Json* words = schema.find("enum");
  if (!words || flag(schema, "x-modelkit-ruled") ||
      std::ranges::find(words->items(), value) != words->items().end())
    return;
  std::vector<std::string> supported;
  for (const Json& word : words->items())
    if (!word.is_string())
      supported.push_back(word.dump());
    else if (!word.text().empty())
      supported.emplace_back(word.text());
  causes.push_back(cause_unsupported(path, value, supported));
}

void check_number(const Json& schema, const Json& value, const std::string& path, std::vector<Cause>& causes,
                  Dialect dialect) {
  const Json* least = schema.find("minimum");
  const Json* most = schema.find("maximum");
  const double number = value.number();
  const bool low =
      least && (flag(schema, "exclusiveMinimum") ? number <= least->number() : number < least->number());
  const bool high =
      most && (flag(schema, "exclusiveMaximum") ? number >= most->number() : number > most->number());
  if (const double step = schema["multipleOf"].number(); step > 0 && std::fmod(number, step) != 0)
    causes.push_back(cause_invalid(path, value, fmt::format("should be a multiple of {}", step)));
  if (!low && !high) return;
  const bool strict = low ? flag(schema, "exclusiveMinimum") : flag(schema, "exclusiveMaximum");
  const Json& bound = low ? *least : *most;
  if (dialect == Dialect::kCustom)
    causes.push_back(
        cause_invalid(path, value,
                      fmt::format("{} in body should be {} than {}{}", path, low ? "greater" : "less",
                                  strict ? "" : "or equal to ", bound.dump())));
  else if (least && most && !strict)
    causes.push_back(cause_invalid(
        path, value, fmt::format("must be between {} and {}, inclusive", least->dump(), most->dump())));
  else if (low)
    causes.push_back(cause_invalid(
        path, value, fmt::format("must be greater than {}{}", strict ? "" : "or equal to ", least->dump())));
  else
    causes.push_back(cause_invalid(
        path, value, fmt::format("must be less than {}{}", strict ? "" : "or equal to ", most->dump())));
}

// No item twice. Sorted texts, so that long lists cost no square.
void check_unique(const Json& value, const std::string& path, std::vector<Cause>& causes) {
  std::vector<std::pair<std::string, size_t>> seen;
  for (size_t i = 0; i < value.size(); ++i) seen.emplace_back(value[i].dump(), i);
  std::ranges::sort(seen);
  for (size_t i = 1; i < seen.size(); ++i)
    if (seen[i].first == seen[i - 1].first)
      causes.push_back(cause_duplicate(at_index(path, seen[i].second), value[seen[i].second]));
}

void check_list(const Json& schema, const Json& value, const std::string& path, std::vector<Cause>& causes,
                Dialect dialect) {
  if (const auto least = static_cast<size_t>(schema["minItems"].integer()); value.size() < least)
    causes.push_back(
        dialect == Dialect::kBuiltIn
            ? cause_required(path)
            : cause_invalid(path, static_cast<int64_t>(value.size()),
                            fmt::format("{} in body should have at least {} items", path, least)));
  if (const Json* most = schema.find("maxItems"); most && value.size() > static_cast<size_t>(most->integer()))
    causes.push_back(
        {path, "FieldValueTooMany",
         fmt::format("Too many: {}: must have at most {} items", value.size(), most->integer())});
  for (size_t i = 0; i < value.size(); ++i)
    validate(schema["items"], value[i], at_index(path, i), causes, dialect);
  if (flag(schema, "uniqueItems") ||
      (dialect == Dialect::kCustom && schema["x-kubernetes-list-type"].text() == "set"))
    check_unique(value, path, causes);
  // A list that is a map: its keys are unique. An absent key counts as empty.
  const Json& keys = schema["x-kubernetes-list-map-keys"];
  if (keys.empty() || flag(schema, "x-modelkit-may-repeat")) return;
  std::vector<std::string> seen;
  for (size_t i = 0; i < value.size(); ++i) {
    std::string key;
    for (const Json& field : keys.items()) key += value[i][field.text()].dump() + "\n";
    if (std::ranges::find(seen, key) == seen.end()) {
      seen.push_back(std::move(key));
      continue;
    }
    const std::string_view first = keys[0].text();
    causes.push_back(cause_duplicate(join(at_index(path, i), first), value[i][first]));
  }
}

void check_object(const Json& schema, const Json& value, const std::string& path, std::vector<Cause>& causes,
                  Dialect dialect) {
  const bool built_in = dialect == Dialect::kBuiltIn;
  for (const Json& field : schema["required"].items()) {
    if (flag(schema["properties"][field.text()], "x-modelkit-ruled")) continue;
    const Json* given = value.find(field.text());
    if (!given || (given->is_null() && built_in) ||
        (built_in && given->is_string() && given->text().empty() && field.text() != "value"))
      causes.push_back(cause_required(join(path, field.text())));
  }
  if (const auto least = schema["minProperties"].integer(); static_cast<int64_t>(value.size()) < least)
    causes.push_back(
        cause_invalid(path, static_cast<int64_t>(value.size()),
                      fmt::format("{} in body should have at least {} properties", path, least)));
  if (const Json* most = schema.find("maxProperties");
      most && static_cast<int64_t>(value.size()) > most->integer())
    causes.push_back(
        {path, "FieldValueTooMany",
         fmt::format("Too many: {}: must have at most {} items", value.size(), most->integer())});
  if (flag(schema, "x-kubernetes-embedded-resource"))
    for (const char* field : {"apiVersion", "kind"})
      if (value[field].text().empty()) causes.push_back(cause_required(join(path, field)));
  const Json& properties = schema["properties"];
  const Json& rest = schema["additionalProperties"];
  for (const auto& [field, part] : value.members()) {
    if (const Json* known = properties.find(field)) {
      const bool said =
          built_in && part.is_string() && part.text().empty() &&
          std::ranges::find(schema["required"].items(), Json(field)) != schema["required"].items().end();
      if (!said) validate(*known, part, join(path, field), causes, dialect);
    } else if (rest.is_object()) {
      validate(rest, part, at_key(path, field), causes, dialect);
    }
  }
}

bool holds(const Json& schema, const Json& value, const std::string& path, Dialect dialect) {
  std::vector<Cause> causes;
  validate(schema, value, path, causes, dialect);
  return causes.empty();
}

// allOf, anyOf, oneOf, not.
void check_junctors(const Json& schema, const Json& value, const std::string& path,
                    std::vector<Cause>& causes, Dialect dialect) {
  for (const Json& part : schema["allOf"].items()) validate(part, value, path, causes, dialect);
  const auto holding = [&](const char* junctor) {
    return std::ranges::count_if(schema[junctor].items(),
                                 [&](const Json& part) { return holds(part, value, path, dialect); });
  };
  if (schema.contains("anyOf") && holding("anyOf") == 0)
    causes.push_back(cause_invalid(
        path, value, fmt::format("{} in body must validate at least one schema (anyOf)", path)));
  if (schema.contains("oneOf") && holding("oneOf") != 1)
    causes.push_back(cause_invalid(
        path, value, fmt::format("{} in body must validate one and only one schema (oneOf)", path)));
  if (schema.contains("not") && holds(schema["not"], value, path, dialect))
    causes.push_back(
        cause_invalid(path, value, fmt::format("{} in body must not validate the schema (not)", path)));
}

}  // namespace

std::string join(const std::string& path, std::string_view field) {
  return path.empty() ? std::string(field) : fmt::format("{}.{}", path, field);
}

namespace {
// A time without a value is one that was not given, nullable or not.
bool keeps_null(const Json& given) {
  const Json& schema = kinds::resolve(given);
  return flag(schema, "nullable") && schema["format"].text() != "date-time";
}

// Is this field empty, and one that Go's types do not write then? An object of declared fields is written.
bool is_left_out(const Json& parent, std::string_view field, const Json& given, const Json& value) {
  if (!(value.is_array() || value.is_object()) || !value.empty()) return false;
  const Json& schema = kinds::resolve(given);
  if (value.is_object() && !schema["additionalProperties"].is_object()) return false;
  const auto& required = parent["required"].items();
  return std::ranges::none_of(required, [&](const Json& name) { return name.text() == field; });
}
}  // namespace

void prune(const Json& given, Json& value, const std::string& path, std::vector<std::string>& unknown,
           Dialect dialect) {
  const Json& schema = kinds::resolve(given);
  if (value.is_array()) {
    if (!schema.contains("items")) return;
    for (size_t i = 0; i < value.size(); ++i)
      prune(schema["items"], value[i], at_index(path, i), unknown, dialect);
    return;
  }
  if (!value.is_object()) return;
  const Json* properties = schema.find("properties");
  const Json& rest = schema["additionalProperties"];
  const bool embedded = flag(schema, "x-kubernetes-embedded-resource");
  const bool keep =
      flag(schema, "x-kubernetes-preserve-unknown-fields") || (!properties && !rest.is_object() && !embedded);
  auto& members = value.members();
  for (auto it = members.begin(); it != members.end();) {
    const Json* known = properties ? properties->find(it->first) : nullptr;
    if (!known && rest.is_object()) known = &rest;
    const bool own =
        embedded && (it->first == "apiVersion" || it->first == "kind" || it->first == "metadata");
    if (!known && !keep && !own) {
      unknown.push_back(join(path, it->first));
      it = members.erase(it);
    } else if (known && it->second.is_null() && !keeps_null(*known)) {
      it = members.erase(it);
    } else {
      if (known)
        prune(*known, it->second,
              properties && properties->contains(it->first) ? join(path, it->first) : at_key(path, it->first),
              unknown, dialect);
      const bool written =
          dialect == Dialect::kCustom || !known || !is_left_out(schema, it->first, *known, it->second);
      it = written ? std::next(it) : members.erase(it);
    }
  }
}

void fill_defaults(const Json& given, Json& value) {
  const Json& schema = kinds::resolve(given);
  if (value.is_array()) {
    if (schema.contains("items"))
      for (Json& item : value.items()) fill_defaults(schema["items"], item);
    return;
  }
  if (value.is_number() && schema["format"].text() == "quantity" &&
      flag(schema, "x-kubernetes-int-or-string")) {
    value = Json(value.dump());
    return;
  }
  if (!value.is_object()) return;
  const Json& properties = schema["properties"];
  for (const auto& [field, part] : properties.members()) {
    if (value.contains(field)) continue;
    const Json* standard = part.find("default");  // beside a $ref it is this field's own
    if (!standard) standard = kinds::resolve(part).find("default");
    if (standard) value[field] = *standard;
  }
  const Json& rest = schema["additionalProperties"];
  for (auto& [field, part] : value.members()) {
    if (const Json* known = properties.find(field))
      fill_defaults(*known, part);
    else if (rest.is_object())
      fill_defaults(rest, part);
  }
}

void validate(const Json& given, const Json& value, const std::string& path, std::vector<Cause>& causes,
              Dialect dialect) {
  if (causes.size() >= limits::kCausesMax) return;
  const Json& schema = kinds::resolve(given);
  if (value.is_null() && flag(schema, "nullable")) return;
  if (!has_type(schema, value)) {
    const bool either = flag(schema, "x-kubernetes-int-or-string");
    causes.push_back(cause_wrong_type(path, value, either ? "integer or string" : schema["type"].text()));
    return;
  }
  const size_t before = causes.size();
  if (value.is_string()) check_string(schema, value, path, causes);
  if (value.is_number()) check_number(schema, value, path, causes, dialect);
  if (value.is_string() || dialect == Dialect::kCustom) check_enum(schema, value, path, causes);
  if (causes.size() == before && !value.is_object() && !value.is_array())
    check_format(schema, value, path, causes);
  if (value.is_array()) check_list(schema, value, path, causes, dialect);
  if (value.is_object()) check_object(schema, value, path, causes, dialect);
  if (dialect == Dialect::kCustom) check_junctors(schema, value, path, causes, dialect);
}

void check_immutable(const Json& given, const Json& old, const Json& value, const std::string& path,
                     std::vector<Cause>& causes) {
  const Json& schema = kinds::resolve(given);
  for (const auto& [field, part] : schema["properties"].members()) {
    const std::string here = join(path, field);
    if (flag(part, "x-modelkit-immutable")) {
      if (old.contains(field) && old[field] != value[field])
        causes.push_back(cause_invalid(here, value[field], "field is immutable"));
    } else if (old[field].is_object() && value[field].is_object()) {
      check_immutable(part, old[field], value[field], here, causes);
    }
  }
}

}  // namespace mk::core::schema

#include "core/refusal.h"

#include <algorithm>

#include "base/format.h"

namespace mk::core {

std::unexpected<Refusal> refuse(Error error) {
  return std::unexpected(Refusal{std::move(error), {}});
}
std::unexpected<Refusal> refuse(Code code, std::string reason, std::string message) {
  return refuse(Error{code, std::move(reason), std::move(message)});
}
std::unexpected<Refusal> refuse_not_found(const kinds::Kind& kind, std::string_view name) {
  return refuse(Code::kNotFound, "not_found", fmt::format("{} \"{}\" not found", kind.resource(), name));
}
std::unexpected<Refusal> refuse_no_namespace(std::string_view space) {
  Refusal refusal{{Code::kNotFound, "not_found", fmt::format("namespaces \"{}\" not found", space)}, {}};
  refusal.subject = {"", "namespaces", std::string(space)};
  return std::unexpected(std::move(refusal));
}
std::unexpected<Refusal> refuse_condition(const kinds::Kind& kind, std::string_view name,
                                          std::string_view why) {
  const std::string what = kind.group.empty() ? kind.kind : kind.kind + "." + kind.group;
  Refusal refusal{{Code::kConflict, "conflict",
                   fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", what, name, why)},
                  {}};
  refusal.subject = {kind.group, kind.kind, std::string(name)};
  return std::unexpected(std::move(refusal));
}
std::unexpected<Refusal> refuse_exists(const kinds::Kind& kind, std::string_view name) {
  return refuse(Code::kAlreadyExists, "already_exists",
                fmt::format("{} \"{}\" already exists", kind.resource(), name));
}
std::unexpected<Refusal> refuse_conflict(const kinds::Kind& kind, std::string_view name,
                                         std::string_view why) {
  if (why.empty())
    why = "the object has been modified; please apply your changes to the latest version and try again";
  return refuse(Code::kConflict, "conflict",
                fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", kind.resource(), name, why));
}
std::unexpected<Refusal> refuse_forbidden(const kinds::Kind& kind, std::string_view name,
                                          std::string_view why) {
  return refuse(Code::kPermissionDenied, "forbidden",
                fmt::format("{}{} is forbidden: {}", kind.resource(),
                            name.empty() ? std::string() : fmt::format(" \"{}\"", name), why));
}

std::unexpected<Refusal> refuse_invalid(const kinds::Kind& kind, std::string_view name,
                                        std::vector<Cause> causes) {
  // What is said twice counts twice, but is read once.
  std::vector<std::string> said;
  for (const Cause& cause : causes) {
    std::string one = fmt::format("{}: {}", cause.field, cause.message);
    if (std::ranges::find(said, one) == said.end()) said.push_back(std::move(one));
  }
  std::string list;
  for (const std::string& one : said) list += fmt::format("{}{}", list.empty() ? "" : ", ", one);
  if (said.size() > 1) list = "[" + list + "]";
  const std::string what = kind.group.empty() ? kind.kind : kind.kind + "." + kind.group;
  Error error{Code::kInvalidArgument, "invalid_object",
              fmt::format("{} \"{}\" is invalid: {}", what, name, list)};
  if (!causes.empty()) error.field = causes.front().field;
  return std::unexpected(Refusal{std::move(error), std::move(causes)});
}

std::string shown(const Json& value) {
  constexpr size_t kShownMax = 120;
  std::string text = value.dump();
  if (text.size() <= kShownMax) return text;
  size_t cut = kShownMax;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;  // not inside a character
  text.resize(cut);
  return text + "...";
}

Cause cause_invalid(std::string field, const Json& value, std::string_view why) {
  return {std::move(field), "FieldValueInvalid", fmt::format("Invalid value: {}: {}", shown(value), why)};
}
Cause cause_required(std::string field, std::string_view why) {
  return {std::move(field), "FieldValueRequired",
          why.empty() ? "Required value" : fmt::format("Required value: {}", why)};
}
Cause cause_unsupported(std::string field, const Json& value, const std::vector<std::string>& supported) {
  std::string list;
  for (const std::string& word : supported) list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", word);
  return {std::move(field), "FieldValueNotSupported",
          fmt::format("Unsupported value: {}: supported values: {}", shown(value), list)};
}
Cause cause_forbidden(std::string field, std::string_view why) {
  return {std::move(field), "FieldValueForbidden", fmt::format("Forbidden: {}", why)};
}
Cause cause_duplicate(std::string field, const Json& value) {
  return {std::move(field), "FieldValueDuplicate", fmt::format("Duplicate value: {}", shown(value))};
}
Cause cause_too_long(std::string field, size_t max_bytes) {
  return {std::move(field), "FieldValueTooLong",
          fmt::format("Too long: may not be more than {} bytes", max_bytes)};
}
namespace {
// What Go's decoder says that it found. It shows a number only where it wanted another one.
std::string found_type(const Json& value, std::string_view wanted) {
  if (value.is_bool()) return "bool";
  if (!value.is_number()) return std::string(value.type_name());
  return wanted == "integer" || wanted == "number" ? "number " + value.dump() : "number";
}
}  // namespace

Cause cause_wrong_type(std::string field, const Json& value, std::string_view wanted) {
  Cause cause{
      std::move(field), "FieldValueTypeInvalid", {}, Cause::Unreadable::kType, found_type(value, wanted)};
  cause.message = fmt::format("Invalid value: \"{}\": {} in body must be of type {}: \"{}\"",
                              value.type_name(), cause.field, wanted, value.type_name());
  return cause;
}

}  // namespace mk::core

#include "core/admission.h"

#include <algorithm>
#include <iterator>

#include "base/format.h"
#include "core/limits.h"
#include "core/names.h"
#include "core/refusal.h"
#include "core/rules.h"
#include "core/schema.h"

namespace mk::core {
namespace {

using Verb = Admission::Verb;
using Outcome = Admitted<void>;

std::string name_of(const Json& object) {
  const std::string_view name = object.at({"metadata", "name"}).text();
  return std::string(name.empty() ? object.at({"metadata", "generateName"}).text() : name);
}

const Json& schema_of(const Admission& a) {
  return a.options.version.empty() ? a.kind.schema : a.kind.schema_of(a.options.version);
}

Outcome shape(Admission& a) {
  if (!a.object.is_object() || !a.object["metadata"].is_object())
    return refuse(Code::kInvalidArgument, "bad_request", "the object has no metadata");
  // By name: a kind that users bring may be replaced while a write of it runs.
  const std::string_view api = a.object["apiVersion"].text();
  const bool fits =
      a.object["kind"].text() == a.kind.kind &&
      std::ranges::any_of(a.kind.versions, [&](const auto& v) { return api == a.kind.api_version(v); });
  if (!fits)
    return refuse(Code::kInvalidArgument, "bad_request",
                  fmt::format("the object is {} {}, but {} {} was expected",
                              a.object["apiVersion"].text("(no apiVersion)"),
                              a.object["kind"].text("(no kind)"), a.kind.api_version(), a.kind.kind));
  return {};
}

// Unknown fields are dropped: silently, with a warning, or as an error, as the caller wishes.
Outcome prune(Admission& a) {
  std::vector<std::string> unknown;
  a.object["metadata"].erase("managedFields");  // Objects knows what becomes of it
  schema::prune(schema_of(a), a.object, "", unknown,
                a.kind.is_typed() ? schema::Dialect::kBuiltIn : schema::Dialect::kCustom);
  // Empty labels, finalizers and the like are the same as none, and are kept as none.
  std::erase_if(a.object["metadata"].members(), [](const auto& m) {
    return m.second.empty() && (m.second.is_array() || m.second.is_object());
  });
  return judge_unknown(a.kind, unknown, a.options, a.warnings);
}

Outcome defaults(Admission& a) {
  if (a.kind.fills_defaults) schema::fill_defaults(schema_of(a), a.object);
  rules::complete(a.kind, a.object, a.old);
  return {};
}

Outcome metadata(Admission& a) {
  rules::check_metadata(a.kind, a.object, a.old, a.causes);
  return {};
}

// The field that the scale subresource reads must be a number of replicas, whatever the schema says of it.
void check_replicas(Admission& a) {
  const Json* here = &std::as_const(a.object);
  std::string path;
  for (const std::string& field : a.kind.replicas_path) {
    path += "." + field;
    here = here->find(field);
    if (!here) return;
  }
  if (!here->is_int()) {
    std::string shown = here->is_string() ? std::string(here->text()) : here->dump();
    if (shown.size() > limits::kShownBytesMax) shown.resize(limits::kShownBytesMax);
    a.causes.push_back(cause_invalid(path, 0,
                                     fmt::format("{} accessor error: {} is of the type {}, expected int64",
                                                 path, shown, here->type_name())));
  } else if (here->integer() < 0) {
    a.causes.push_back(cause_invalid(path, *here, "should be a non-negative integer"));
  }
}

Outcome validate(Admission& a) {
  schema::validate(schema_of(a), a.object, "", a.causes,
                   a.kind.custom ? schema::Dialect::kCustom : schema::Dialect::kBuiltIn);
  if (a.kind.custom && a.kind.scale_subresource) check_replicas(a);
  // Rules across fields make sense of fields that are of their types; what is wrong with one field is said
  // once.
  const bool readable = std::ranges::all_of(
      a.causes, [](const Cause& cause) { return cause.unreadable == Cause::Unreadable::kNo; });
  if (readable && a.verb != Verb::kUpdateStatus) {
    std::vector<Cause> more;
    rules::check(a.kind, a.object, a.old, more);
    const size_t known = a.causes.size();
    for (Cause& cause : more)
      if (std::ranges::find(a.causes.begin(), a.causes.begin() + static_cast<ptrdiff_t>(known), cause.field,
                            &Cause::field) == a.causes.begin() + static_cast<ptrdiff_t>(known))
        a.causes.push_back(std::move(cause));
  }
  if (a.old && a.verb == Verb::kUpdate)
    schema::check_immutable(a.kind.schema, *a.old, a.object, "", a.causes);
  return {};
}

Outcome verdict(Admission& a) {
  if (a.causes.size() > limits::kCausesMax) a.causes.resize(limits::kCausesMax);
  if (!a.causes.empty()) return refuse_invalid(a.kind, name_of(a.object), std::move(a.causes));
  if (a.verb != Verb::kUpdateStatus) rules::warn(a.kind, a.object, a.options.dry_run, a.warnings);
  return {};
}

struct Step {
  std::string_view name;
  Outcome (*run)(Admission&);
};

// The order is Kubernetes': whatever changes the object comes before whatever judges it. Authorisation comes
// before all of them, in Objects::authorise(). Mutating webhooks belong between "defaults" and "metadata"; validating
// webhooks and then quota, which must see only objects that will be stored, after "verdict".
constexpr Step kChain[] = {
    {"shape", shape},       {"prune unknown fields", prune}, {"defaults", defaults},
    {"metadata", metadata}, {"validate", validate},          {"verdict", verdict},
};

}  // namespace

Outcome judge_unknown(const kinds::Kind& kind, const std::vector<std::string>& unknown,
                      const WriteOptions& options, std::vector<std::string>& warnings) {
  if (options.field_validation == FieldValidation::kIgnore) return {};
  std::vector<std::string> said;
  for (const std::string& field : options.duplicate_fields)
    said.push_back(fmt::format("duplicate field \"{}\"", field));
  for (const std::string& field : unknown) said.push_back(fmt::format("unknown field \"{}\"", field));
  if (said.empty()) return {};
  if (said.size() > limits::kCausesMax) said.resize(limits::kCausesMax);
  if (options.field_validation == FieldValidation::kWarn) {
    warnings.insert(warnings.end(), said.begin(), said.end());
    return {};
  }
  std::string list;
  for (const std::string& one : said) list += fmt::format("{}{}", list.empty() ? "" : ", ", one);
  return refuse(Code::kInvalidArgument, "strict_decoding",
                fmt::format("{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
                            kind.kind, kind.versions.front(), kind.kind, list));
}

Admitted<void> admit(Admission& admission) {
  for (const Step& step : kChain)
    if (Outcome outcome = step.run(admission); !outcome) return outcome;
  return {};
}

}  // namespace mk::core

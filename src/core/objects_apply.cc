// Server-side apply: what Objects does with a config besides what any other write goes through.
#include <algorithm>

#include "base/format.h"
#include "core/admission.h"
#include "core/limits.h"
#include "core/managed/managers.h"
#include "core/objects.h"
#include "core/refusal.h"
#include "core/schema.h"

namespace mk::core {

using kinds::Kind;

struct Objects::Application {
  Identity who;
  const Kind& kind;
  Key key;
  Json config;
  bool force;
  WriteOptions options;
  std::string api_version;
  std::vector<std::string> warnings = {};
  std::optional<Refusal> refused = {};
  int attempts = 0;

  managed::Author author(Time now) const {
    return {options.manager.name, api_version, options.manager.subresource, now};
  }
};

namespace {

Write::Try answered(std::unexpected<Refusal> refusal) {
  return {.answer = Admitted<Written>(std::move(refusal))};
}
Write::Try answered(Admitted<void>&& refusal) {
  return answered(std::unexpected(std::move(refusal).error()));
}

std::unexpected<Refusal> refuse_conflicts(std::vector<managed::Conflict> conflicts) {
  auto refused = refuse(Code::kConflict, "conflict", managed::conflict_message(conflicts));
  if (conflicts.size() > limits::kCausesMax) conflicts.resize(limits::kCausesMax);
  for (managed::Conflict& one : conflicts)
    refused.error().causes.push_back(
        {std::move(one.path), "FieldManagerConflict", fmt::format("conflict with {}", one.manager)});
  return refused;
}

// As upstream, whatever fieldValidation says: nobody could manage such a field. (Upstream's status is 500.)
Refusal refuse_undeclared(const Key& key, std::string_view api_version, std::string_view kind,
                          const std::vector<std::string>& unknown) {
  std::string list;
  for (size_t i = 0; i < std::min(unknown.size(), limits::kCausesMax); ++i)
    list += fmt::format("{}.{}: field not declared in schema", i ? ", " : "", unknown[i]);
  return {{Code::kInvalidArgument, "undeclared_field",
           fmt::format("failed to create typed patch object ({}/{}; {}, Kind={}): {}", key.space, key.name,
                       api_version, kind, list)},
          {}};
}

// Puts the warnings about the config before those about the object.
Write::Try with_warnings(Write::Try made, const std::vector<std::string>& warnings) {
  if (warnings.empty()) return made;
  const auto add = [warnings](Admitted<Written>& answer) {
    if (answer) answer->warnings.insert(answer->warnings.begin(), warnings.begin(), warnings.end());
  };
  if (made.answer) add(*made.answer);
  if (made.finish)
    made.finish = [finish = std::move(made.finish), add](Result<store::Committed> committed) {
      Write::Outcome outcome = finish(std::move(committed));
      add(outcome.answer);
      return outcome;
    };
  return made;
}

}  // namespace

Admitted<Written> Objects::apply(const Identity& who, const Kind& kind, const Key& key, Json config,
                                 bool force, const WriteOptions& options) {
  return perform(application(who, kind, key, std::move(config), force, options));
}

Write Objects::application(Identity who, const Kind& kind, Key key, Json config, bool force,
                           WriteOptions options) {
  std::string version =
      options.manager.api_version.empty() ? kind.api_version() : options.manager.api_version;
  auto state = std::make_shared<Application>(std::move(who), kind, std::move(key), std::move(config), force,
                                             std::move(options), std::move(version));
  // Nobody manages what the schema does not know.
  std::vector<std::string> unknown;
  schema::prune(kind.schema, state->config, "", unknown);
  const bool exact = kind.is_typed() || kind.custom;  // of the others our schema may be short of a field
  if (exact && !unknown.empty())
    state->refused = refuse_undeclared(state->key, state->api_version, kind.kind, unknown);
  else if (auto known = judge_unknown(kind, unknown, state->options, state->warnings); !known)
    state->refused = std::move(known).error();
  return {[this, state]() -> Write::Try {
    Application& a = *state;
    if (auto may = authorise(a.who, "patch", a.kind, a.key.space, a.key.name, a.options.manager.subresource); !may)
      return answered(std::move(may));
    if (a.refused) return answered(std::unexpected(*a.refused));
    const ObjectRef current = store_.get(a.key);
    const bool again = ++a.attempts <= limits::kModifyAttempts;
    return with_warnings(current ? try_apply(a, current, again) : try_apply_new(a, again), a.warnings);
  }};
}

Write::Try Objects::try_apply_new(Application& a, bool again) {
  if (!a.options.manager.subresource.empty()) return answered(refuse_not_found(a.kind, a.key.name));
  if (const std::string_view uid = a.config.at({"metadata", "uid"}).text(); !uid.empty())
    return answered(refuse_conflict(
        a.kind, a.key.name,
        fmt::format("uid mismatch: the provided object specified uid {}, and no existing object was found",
                    uid)));
  if (auto may = authorise(a.who, "create", a.kind, a.key.space, a.key.name); !may)
    return answered(std::move(may));
  if (auto open = check_namespace(a.kind, a.key.space, a.key.name); !open) return answered(std::move(open));
  auto applied = managed::apply(a.kind, Json(), a.config, a.author(clock_.now()), a.force);
  if (!applied) return answered(refuse(std::move(applied).error()));
  return try_create(a.who, a.kind, a.key, std::move(applied->object), a.options, again, &applied->managed_fields);
}

Write::Try Objects::try_apply(Application& a, const ObjectRef& current, bool again) {
  const std::string_view pinned = a.config.at({"metadata", "resourceVersion"}).text();
  if (!pinned.empty() && pinned != std::to_string(current->version))
    return answered(refuse_conflict(a.kind, a.key.name));
  const Json live = current->json();
  auto applied = managed::apply(a.kind, live, a.config, a.author(clock_.now()), a.force);
  if (!applied) return answered(refuse(std::move(applied).error()));
  if (!applied->conflicts.empty()) return answered(refuse_conflicts(std::move(applied->conflicts)));
  const Json& before = live.at({"metadata", "managedFields"});
  if (managed::same_but_for_time(before, applied->managed_fields)) applied->managed_fields = before;
  const bool status = a.options.manager.subresource == "status";
  return try_replace({a.who, a.kind, a.options, current, live, std::move(applied->object), status,
                      again && pinned.empty(), &applied->managed_fields});
}

}  // namespace mk::core

#include "core/definitions/definitions.h"

#include <algorithm>

#include "base/format.h"
#include "base/log.h"
#include "core/definitions/definition.h"
#include "kinds/registry.h"

namespace mk::core {
namespace {

const Duration kLookAgain = Duration::from_ms(250);  // while the objects of a deleted kind end

const Identity& who() {
  static const Identity kWho = Identity::system("definitions");
  return kWho;
}

Key key_of(const std::string& name) {
  return {std::string(definitions::kResource), "", name};
}

bool is_deleting(const Json& object) {
  return object.at({"metadata", "deletionTimestamp"}).is_string();
}

Json condition(std::string_view type, bool status, std::string_view reason, std::string message, Time now) {
  return Json::object({{"type", type},
                       {"status", status ? "True" : "False"},
                       {"reason", reason},
                       {"message", std::move(message)},
                       {"lastTransitionTime", now.rfc3339()}});
}

// A condition keeps the time at which its status changed last.
void keep_time(Json& next, const Json& before) {
  for (const Json& old : before.items())
    if (old["type"] == next["type"] && old["status"] == next["status"])
      next["lastTransitionTime"] = old["lastTransitionTime"];
}

Json conditions_of(const Json& definition, Time now) {
  const NameVerdict names = judge_names(definitions::kind_of(definition));
  const bool accepted = names.reason.empty();
  Json list = Json::array();
  list.push_back(condition("NamesAccepted", accepted,
                           accepted ? "NoConflicts" : std::string_view(names.reason),
                           accepted ? "no conflicts found" : names.message, now));
  list.push_back(condition("Established", accepted, accepted ? "InitialNamesAccepted" : "NotAccepted",
                           names.by_us
                               ? "modelkit serves this kind itself; the schema of this definition is not used"
                           : accepted ? "the initial names have been accepted"
                                      : "not all names are accepted",
                           now));
  if (const auto rules = definitions::unenforced_rules(definition); !rules.empty())
    list.push_back(
        condition("ValidationRulesEnforced", false, "NotSupported",
                  fmt::format("x-kubernetes-validations are kept but not enforced: {} fields, first {}",
                              rules.size(), rules.front()),
                  now));
  if (is_deleting(definition))
    list.push_back(condition("Terminating", true, "InstanceDeletionInProgress",
                             "CustomResource deletion is in progress", now));
  for (Json& one : list.items()) keep_time(one, definition.at({"status", "conditions"}));
  return list;
}

Json status_of(const Json& definition, Time now) {
  Json status = definition["status"].is_object() ? definition["status"] : Json::object();
  status["conditions"] = conditions_of(definition, now);
  const bool accepted = std::as_const(status)["conditions"][0]["status"].text() == "True";
  status["acceptedNames"] =
      accepted ? definition.at({"spec", "names"}) : Json::object({{"plural", ""}, {"kind", ""}});
  Json& stored = status["storedVersions"];
  for (const Json& version : definition.at({"spec", "versions"}).items())
    if (version["storage"].boolean() && std::ranges::find(std::as_const(stored).items(), version["name"]) ==
                                            std::as_const(stored).items().end())
      stored.push_back(version["name"]);
  return status;
}

}  // namespace

NameVerdict judge_names(const kinds::Kind& kind) {
  for (const kinds::Kind& other : kinds::all()) {
    if (other.group != kind.group) continue;
    if (other.plural == kind.plural) {
      if (!other.custom) return {.by_us = true};
      continue;  // itself
    }
    const auto taken = [](std::string_view what) {
      return NameVerdict{"Conflict", fmt::format("\"{}\" is already in use", what)};
    };
    if (other.kind == kind.kind) return taken(kind.kind);
    if (other.list_kind_name() == kind.list_kind_name()) return taken(kind.list_kind_name());
    std::vector<std::string> theirs = other.short_names, ours = kind.short_names;
    theirs.insert(theirs.end(), {other.singular, other.plural});
    ours.insert(ours.end(), {kind.singular, kind.plural});
    for (const std::string& name : ours)
      if (std::ranges::find(theirs, name) != theirs.end()) return taken(name);
  }
  return {};
}

// ---- the registry
// ----------------------------------------------------------------------------------------------------

Definitions::~Definitions() {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, served] : served_) kinds::uninstall(served.resource, objects_.clock().monotonic());
}

void Definitions::load() {
  std::vector<std::pair<bool, std::string>> names;  // those that were accepted before come first
  for (const ObjectRef& object : objects_.store().list({std::string(definitions::kResource), {}}).objects) {
    const Json definition = object->json();
    bool established = false;
    for (const Json& one : definition.at({"status", "conditions"}).items())
      established = established || (one["type"].text() == "Established" && one["status"].text() == "True");
    names.emplace_back(!established, object->key.name);
  }
  std::ranges::sort(names);
  for (const auto& [late, name] : names) refresh(name);
}

void Definitions::refresh(const std::string& name) {
  const std::lock_guard lock(mutex_);
  refresh_locked(name);
}

void Definitions::refresh_locked(const std::string& name) {
  const Duration now = objects_.clock().monotonic();
  const auto known = served_.find(name);
  const ObjectRef object = objects_.get(key_of(name));
  if (!object) {
    if (known == served_.end()) return;
    kinds::uninstall(known->second.resource, now);
    served_.erase(known);
    return;
  }
  const Json definition = object->json();
  const int64_t generation = definition.at({"metadata", "generation"}).integer();
  const bool ending = is_deleting(definition);
  if (known != served_.end() && known->second.uid == object->uid && known->second.generation == generation &&
      known->second.ending == ending)
    return;
  kinds::Kind kind = definitions::kind_of(definition);
  const NameVerdict verdict = judge_names(kind);
  const bool serve = verdict.reason.empty() && !verdict.by_us && !kind.versions.empty();
  if (known != served_.end() && !serve) {
    kinds::uninstall(known->second.resource, now);
    served_.erase(known);
  }
  if (!serve) return;
  const std::string resource = kind.resource();
  served_[name] = {object->uid, resource, generation, ending};
  kinds::install(std::move(kind), now);
  if (on_served_) on_served_(resource);
}

// ---- the controller
// ----------------------------------------------------------------------------------------------------

Controller Definitions::controller() {
  Controller controller;
  controller.name = "definitions";
  controller.resource = std::string(definitions::kResource);
  controller.reconcile = [this](World&, const Key& key) { return reconcile(key); };
  // Names that one definition gives back may be what another one waits for.
  const auto map = [this](const Reader& reader, const store::Object& object) {
    std::vector<Key> keys;
    if (objects_.get(object.key)) return keys;
    for (const ObjectRef& other : reader.list({std::string(definitions::kResource), {}}))
      if (other->body.find("\"NotAccepted\"") != std::string::npos) keys.push_back(other->key);
    return keys;
  };
  controller.related.push_back({std::string(definitions::kResource), false, map});
  return controller;
}

Result<Again> Definitions::reconcile(const Key& key) {
  refresh(key.name);
  const ObjectRef object = objects_.get(key);
  if (!object) return Again::never();
  MK_OK(write_status(key));
  const Json definition = object->json();
  return is_deleting(definition) ? end(object, definition) : Result<Again>(Again::never());
}

Result<void> Definitions::write_status(const Key& key) {
  const auto change = [this](Json definition) -> Admitted<Json> {
    Json status = status_of(definition, objects_.clock().now());
    definition["status"] = std::move(status);
    return definition;
  };
  auto written = objects_.modify(who(), *kinds::find_resource(definitions::kResource), key, true, change);
  if (!written && written.error().error.code != Code::kNotFound)
    return fail(std::move(written).error().error);
  return {};
}

// Removes the objects of a kind whose definition is being deleted, then lets the definition go.
Result<Again> Definitions::end(const ObjectRef& object, const Json& definition) {
  const auto& finalizers = definition.at({"metadata", "finalizers"}).items();
  if (std::ranges::find(finalizers, Json(definitions::kCleanup)) == finalizers.end()) return Again::never();
  const kinds::Kind described = definitions::kind_of(definition);
  const kinds::Kind* kind = kinds::find_resource(described.resource());
  // A kind that the program brings, or that another definition has, is not this one's to end.
  if (kind && kind->custom) {
    const store::Selection all{kind->resource(), {}};
    MK_OK(objects_.remove_all(who(), *kind, objects_.store().list(all).objects));
    if (!objects_.store().list(all).objects.empty()) return Again::in(kLookAgain);
  }
  const auto let_go = [](Json next) -> Admitted<Json> {
    if (std::as_const(next).at({"metadata", "finalizers"}).is_array())
      std::erase(next["metadata"]["finalizers"].items(), Json(definitions::kCleanup));
    return next;
  };
  auto written =
      objects_.modify(who(), *kinds::find_resource(definitions::kResource), object->key, false, let_go);
  if (!written && written.error().error.code != Code::kNotFound)
    return fail(std::move(written).error().error);
  refresh(object->key.name);
  return Again::never();
}

}  // namespace mk::core

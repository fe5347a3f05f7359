#include "core/objects.h"

#include <algorithm>
#include <ranges>

#include "base/format.h"
#include "core/admission.h"
#include "core/limits.h"
#include "core/refusal.h"
#include "core/rules.h"

namespace mk::core {
namespace {

using kinds::Kind;
using store::ObjectOp;

const Json& meta(const Json& object, std::string_view field) {
  return object.at({"metadata", field});
}

bool is_deleting(const Json& object) {
  return meta(object, "deletionTimestamp").is_string();
}

// What a store would hold, for dry runs, which hold nothing.
ObjectRef imagined(const Key& key, const Json& body, store::Version version) {
  auto object = std::make_shared<store::Object>();
  object->key = key;
  object->version = version;
  object->uid = meta(body, "uid").text();
  object->body = body.dump();
  for (const auto& [name, value] : meta(body, "labels").members())
    object->labels.emplace_back(name, value.text());
  for (const Json& owner : meta(body, "ownerReferences").items())
    object->owners.emplace_back(owner["uid"].text());
  return object;
}

// Generation counts changes of what is wanted; kinds that want nothing have none.
bool has_generation(const Kind& kind) {
  return kind.schema["properties"].contains("spec");
}

// Is anything but metadata and status different?
bool wants_other(const Json& old, const Json& next) {
  const auto rest = [](const Json& object) {
    return object.members() | std::views::filter([](const auto& member) {
             return member.first != "metadata" && member.first != "status";
           });
  };
  return !std::ranges::equal(rest(old), rest(next));
}

// A Pod that a node runs is deleted by that node, after its processes ended.
bool deletes_gracefully(const Kind& kind, const Json& object) {
  const std::string_view phase = object.at({"status", "phase"}).text();
  return kind.plural == "pods" && kind.group.empty() && !object.at({"spec", "nodeName"}).text().empty() &&
         phase != "Succeeded" && phase != "Failed";
}

bool is_namespace(const Kind& kind) {
  return kind.plural == "namespaces" && kind.group.empty();
}

// Finalizers that hold back a deletion, with those that the way of deleting adds.
Json finalizers_for(const Json& object, Propagation propagation) {
  Json list = meta(object, "finalizers");
  const auto add = [&](std::string_view name) {
    if (std::ranges::find(std::as_const(list).items(), Json(name)) == std::as_const(list).items().end())
      list.push_back(name);
  };
  if (propagation == Propagation::kForeground) add("foregroundDeletion");
  if (propagation == Propagation::kOrphan) add("orphan");
  return list;
}

}  // namespace

Objects::Objects(store::Store& store, const os::Clock& clock, os::Random& random)
    : store_(store), clock_(clock), random_(random) {}

ObjectRef Objects::get(const Key& key) const {
  return store_.get(key);
}

Admitted<void> Objects::check_namespace(const Kind& kind, std::string_view space,
                                        std::string_view name) const {
  if (!kind.namespaced) return {};
  const ObjectRef found = store_.get(Key{"namespaces", "", std::string(space)});
  if (!found) return refuse_not_found(*kinds::find_resource("namespaces"), space);
  if (found->body.find("\"deletionTimestamp\"") == std::string::npos || !is_deleting(found->json()))
    return {};
  const std::string why =
      fmt::format("unable to create new content in namespace {} because it is being terminated", space);
  auto refused = refuse_forbidden(kind, name, why);
  refused.error().error.reason = "namespace_terminating";
  refused.error().causes.push_back(
      {"metadata.namespace", "NamespaceTerminating", fmt::format("namespace {} is being terminated", space)});
  return refused;
}

Admitted<Written> Objects::create(const Identity& who, const Kind& kind, std::string_view space, Json object,
                                  const WriteOptions& options) {
  const Json& given = std::as_const(object)["metadata"];
  if (!object.is_object() || !(given.is_object() || given.is_null()))
    return refuse(Code::kInvalidArgument, "bad_request", "the object has no metadata");
  Json& metadata = object["metadata"];
  const std::string name(std::as_const(metadata)["name"].text());
  if (auto may = authorise(who, "create", kind, space, name); !may) return std::unexpected(may.error());
  const std::string_view inside = std::as_const(metadata)["namespace"].text();
  if (!inside.empty() && inside != space)
    return refuse(Code::kInvalidArgument, "bad_request",
                  "the namespace of the provided object does not match the namespace sent on the request");
  if (!std::as_const(metadata)["resourceVersion"].text().empty())
    return refuse(Code::kInvalidArgument, "bad_request",
                  "resourceVersion should not be set on objects to be created");
  if (auto open = check_namespace(kind, space, name); !open) return std::unexpected(open.error());
  if (kind.namespaced)
    metadata["namespace"] = space;
  else
    metadata.erase("namespace");

  const std::string prefix(std::as_const(metadata)["generateName"].text());
  if (!name.empty() || prefix.empty())
    return create_once(kind, {kind.resource(), std::string(kind.namespaced ? space : ""), name},
                       std::move(object), options);
  for (int attempt = 0;; ++attempt) {
    constexpr size_t kPrefixMax = 58;  // so that prefix and suffix make a label
    metadata["name"] = prefix.substr(0, kPrefixMax) + random_.suffix(5);
    const Key key{kind.resource(), std::string(kind.namespaced ? space : ""),
                  std::string(metadata["name"].text())};
    auto written = create_once(kind, key, object, options);
    if (written || written.error().error.code != Code::kAlreadyExists ||
        attempt >= limits::kGenerateNameAttempts)
      return written;
  }
}

Admitted<Written> Objects::create_once(const Kind& kind, const Key& key, Json object,
                                       const WriteOptions& options) {
  if (kind.status_subresource) object.erase("status");
  rules::begin(kind, object);
  Admission admission{kind, Admission::Verb::kCreate, options, nullptr, object};
  if (auto admitted = admit(admission); !admitted) return std::unexpected(admitted.error());
  Json& metadata = object["metadata"];
  for (const char* field : {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"})
    metadata.erase(field);
  metadata["uid"] = random_.uuid();
  metadata["creationTimestamp"] = clock_.now().rfc3339();
  if (has_generation(kind)) metadata["generation"] = 1;
  if (store_.get(key)) return refuse_exists(kind, key.name);
  Written written{nullptr, std::move(admission.warnings)};
  if (options.dry_run) {
    written.object = imagined(key, object, 0);
    return written;
  }
  store::Txn txn;
  txn.objects.push_back({ObjectOp::Kind::kCreate, key, std::move(object), {}});
  auto committed = store_.commit(std::move(txn));
  if (!committed) {
    if (committed.error().code == Code::kAlreadyExists) return refuse_exists(kind, key.name);
    return refuse(std::move(committed).error());
  }
  written.object = committed->objects.front();
  // The namespace may have ended between the check and the commit; nothing may outlive it.
  if (kind.namespaced && !store_.get(Key{"namespaces", "", key.space})) {
    (void)drop(written.object);
    return refuse_not_found(*kinds::find_resource("namespaces"), key.space);
  }
  return written;
}

// ---- update
// ---------------------------------------------------------------------------------------------------

struct Objects::Change {
  const Kind& kind;
  const WriteOptions& options;
  const Key& key;
  const Json& wanted;
  Part part;
  std::string pinned;  // metadata.resourceVersion given by the caller
};

Admitted<Written> Objects::update(const Identity& who, const Kind& kind, Json object,
                                  const WriteOptions& options) {
  return replace(who, kind, std::move(object), Part::kAll, options);
}

Admitted<Written> Objects::update_status(const Identity& who, const Kind& kind, Json object,
                                         const WriteOptions& options) {
  if (!kind.status_subresource)
    return refuse(Code::kNotFound, "no_status",
                  fmt::format("{} have no status subresource", kind.resource()));
  return replace(who, kind, std::move(object), Part::kStatus, options);
}

Admitted<Written> Objects::replace(const Identity& who, const Kind& kind, Json object, Part part,
                                   const WriteOptions& options) {
  const Json& wanted = object;
  const Key key{kind.resource(),
                kind.namespaced ? std::string(meta(wanted, "namespace").text()) : std::string(),
                std::string(meta(wanted, "name").text())};
  if (auto may = authorise(who, "update", kind, key.space, key.name); !may)
    return std::unexpected(may.error());
  Change change{kind, options, key, wanted, part, std::string(meta(wanted, "resourceVersion").text())};
  for (int attempt = 0;; ++attempt) {
    bool conflict = false;
    auto written = replace_once(change, conflict);
    if (!conflict) return written;
    if (!change.pinned.empty() || attempt >= limits::kModifyAttempts) return refuse_conflict(kind, key.name);
  }
}

namespace {

// The next state: the caller's, with everything that callers may not write taken from the old one.
Json merged(const Kind& kind, const Json& old, const Json& wanted, bool status_only) {
  if (status_only) {
    Json next = old;
    if (wanted.contains("status"))
      next["status"] = wanted["status"];
    else
      next.erase("status");
    return next;
  }
  Json next = wanted;
  Json& metadata = next["metadata"];
  for (const char* field : {"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
                            "generation", "generateName", "resourceVersion", "selfLink"}) {
    if (const Json* kept = old["metadata"].find(field))
      metadata[field] = *kept;
    else
      metadata.erase(field);
  }
  if (!kind.namespaced) metadata.erase("namespace");
  if (kind.status_subresource) {
    if (old.contains("status"))
      next["status"] = old["status"];
    else
      next.erase("status");
  }
  if (is_namespace(kind)) next["spec"] = old["spec"];  // its finalizers belong to the deletion
  return next;
}

}  // namespace

// One read, check and write. `conflict` = the object moved on meanwhile.
Admitted<Written> Objects::replace_once(Change& change, bool& conflict) {
  const Kind& kind = change.kind;
  const ObjectRef current = store_.get(change.key);
  if (!current) return refuse_not_found(kind, change.key.name);
  const Json old = current->json();
  if (!change.pinned.empty() && change.pinned != std::to_string(current->version))
    return refuse_conflict(kind, change.key.name);
  if (const std::string_view uid = meta(change.wanted, "uid").text(); !uid.empty() && uid != current->uid)
    return refuse_conflict(kind, change.key.name,
                           fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                                       uid, current->uid));
  const bool status_only = change.part == Part::kStatus;
  Json next = merged(kind, old, change.wanted, status_only);
  Admission admission{kind, status_only ? Admission::Verb::kUpdateStatus : Admission::Verb::kUpdate,
                      change.options, &old, next};
  if (auto admitted = admit(admission); !admitted) return std::unexpected(admitted.error());
  if (!status_only && has_generation(kind) && wants_other(old, next))
    next["metadata"]["generation"] = meta(old, "generation").integer() + 1;

  Written written{current, std::move(admission.warnings)};
  if (next == old) return written;
  const bool ends =
      is_deleting(next) && meta(next, "finalizers").empty() && !meta(old, "finalizers").empty() &&
      meta(next, "deletionGracePeriodSeconds").integer() == 0 && next.at({"spec", "finalizers"}).empty();
  if (change.options.dry_run) {
    written.object = imagined(change.key, next, current->version);
    return written;
  }
  store::Txn txn;
  txn.objects.push_back({ends ? ObjectOp::Kind::kDelete : ObjectOp::Kind::kUpdate, change.key,
                         std::move(next), current->version});
  auto committed = store_.commit(std::move(txn));
  if (!committed) {
    conflict = committed.error().code == Code::kConflict;
    if (committed.error().code == Code::kNotFound) return refuse_not_found(kind, change.key.name);
    return refuse(std::move(committed).error());
  }
  written.object = committed->objects.front();
  return written;
}

Admitted<Written> Objects::modify(const Identity& who, const Kind& kind, const Key& key, bool status,
                                  const std::function<Admitted<Json>(Json)>& change,
                                  const WriteOptions& options) {
  if (auto may = authorise(who, "patch", kind, key.space, key.name); !may)
    return std::unexpected(may.error());
  for (int attempt = 0;; ++attempt) {
    const ObjectRef current = store_.get(key);
    if (!current) return refuse_not_found(kind, key.name);
    auto next = change(current->json());
    if (!next) return std::unexpected(std::move(next).error());
    const Json& wanted = *next;
    if (meta(wanted, "name").text() != key.name ||
        (kind.namespaced && meta(wanted, "namespace").text() != key.space))
      return refuse(Code::kInvalidArgument, "bad_request",
                    fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                                meta(wanted, "name").text(), key.name));
    // A version of the caller's own choosing is a condition; the one we read is only carried along.
    const bool pinned = meta(wanted, "resourceVersion").text() != std::to_string(current->version);
    auto written = status ? update_status(who, kind, std::move(*next), options)
                          : update(who, kind, std::move(*next), options);
    const bool again = !written && written.error().error.code == Code::kConflict && !pinned &&
                       attempt < limits::kModifyAttempts;
    if (!again) return written;
  }
}

// ---- remove
// ---------------------------------------------------------------------------------------------------

Result<void> Objects::drop(const ObjectRef& object) {
  store::Txn txn;
  txn.objects.push_back({ObjectOp::Kind::kDelete, object->key, {}, object->version});
  auto committed = store_.commit(std::move(txn));
  if (!committed && committed.error().code != Code::kNotFound) return Failure(std::move(committed).error());
  return {};
}

Admitted<ObjectRef> Objects::remove(const Identity& who, const Kind& kind, const Key& key,
                                    const RemoveOptions& options) {
  if (auto may = authorise(who, "delete", kind, key.space, key.name); !may)
    return std::unexpected(may.error());
  if (is_namespace(kind) && (key.name == "default" || key.name == "kube-system"))
    return refuse_forbidden(kind, key.name, "this namespace may not be deleted");
  for (int attempt = 0;; ++attempt) {
    const ObjectRef current = store_.get(key);
    if (!current) return refuse_not_found(kind, key.name);
    if (options.if_uid && *options.if_uid != current->uid)
      return refuse_conflict(
          kind, key.name,
          fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", *options.if_uid,
                      current->uid));
    const std::string version = std::to_string(current->version);
    if (options.if_version && *options.if_version != version)
      return refuse_conflict(
          kind, key.name,
          fmt::format(
              "Precondition failed: ResourceVersion in precondition: {}, ResourceVersion in object meta: {}",
              *options.if_version, version));
    auto removed = remove_once(kind, current, options);
    const bool again =
        !removed && removed.error().error.code == Code::kConflict && attempt < limits::kModifyAttempts;
    if (!again) return removed;
  }
}

// Removes what nothing holds back; else marks it as being deleted, which others then end.
Admitted<ObjectRef> Objects::remove_once(const Kind& kind, const ObjectRef& current,
                                         const RemoveOptions& options) {
  const Json old = current->json();
  Json next = old;
  Json& metadata = next["metadata"];
  Json finalizers = finalizers_for(old, options.propagation);
  int64_t grace_s = 0;
  // A node that is not there will never end it.
  const Key node{"nodes", "", std::string(old.at({"spec", "nodeName"}).text())};
  if (deletes_gracefully(kind, old) && store_.get(node)) {
    grace_s = options.grace_period_s.value_or(old.at({"spec", "terminationGracePeriodSeconds"}).integer(30));
    if (is_deleting(old)) grace_s = std::min(grace_s, meta(old, "deletionGracePeriodSeconds").integer());
  }
  const bool held = !finalizers.empty() || grace_s > 0 || !old.at({"spec", "finalizers"}).empty();
  const bool shorter = grace_s < meta(old, "deletionGracePeriodSeconds").integer();
  store::Txn txn;
  if (!held) {
    if (options.dry_run) return current;
    txn.objects.push_back({ObjectOp::Kind::kDelete, current->key, {}, current->version});
  } else {
    if (!finalizers.empty()) metadata["finalizers"] = std::move(finalizers);
    if (!is_deleting(old) || shorter) {
      metadata["deletionTimestamp"] = (clock_.now() + Duration::from_seconds(grace_s)).rfc3339();
      metadata["deletionGracePeriodSeconds"] = grace_s;
    }
    if (!is_deleting(old) && has_generation(kind))
      metadata["generation"] = meta(old, "generation").integer() + 1;
    if (is_namespace(kind)) next["status"]["phase"] = "Terminating";
    if (next == old) return current;
    if (options.dry_run) return imagined(current->key, next, current->version);
    txn.objects.push_back({ObjectOp::Kind::kUpdate, current->key, std::move(next), current->version});
  }
  auto committed = store_.commit(std::move(txn));
  if (committed) return committed->objects.front();
  if (committed.error().code == Code::kConflict) return refuse_conflict(kind, current->key.name);
  if (committed.error().code == Code::kNotFound) return refuse_not_found(kind, current->key.name);
  return refuse(std::move(committed).error());
}

}  // namespace mk::core

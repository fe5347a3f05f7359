#include "core/objects.h"

#include <algorithm>
#include <mutex>
#include <ranges>

#include "base/format.h"
#include "core/access/authoriser.h"
#include "core/access/escalation.h"
#include "core/admission.h"
#include "core/definitions/definition.h"
#include "core/grants.h"
#include "core/limits.h"
#include "core/managed/managers.h"
#include "core/refusal.h"
#include "core/rules.h"

namespace mk::core {
namespace {

using kinds::Kind;
using store::ObjectOp;

const Json& meta(const Json& object, std::string_view field) {
  return object.at({"metadata", field});
}

// A cluster-wide object is in no namespace, whatever it says itself.
Key key_of(const Kind& kind, const Json& object) {
  return {kind.resource(), kind.namespaced ? std::string(meta(object, "namespace").text()) : std::string(),
          std::string(meta(object, "name").text())};
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

bool is_definition(const Kind& kind) {
  return kind.plural == "customresourcedefinitions" && kind.group == "apiextensions.k8s.io";
}

std::string api_version_of(const Kind& kind, const WriteOptions& options) {
  return options.manager.api_version.empty() ? kind.api_version() : options.manager.api_version;
}

void set_managed_fields(Json& object, Json managed_fields) {
  if (managed_fields.is_null())
    object["metadata"].erase("managedFields");
  else
    object["metadata"]["managedFields"] = std::move(managed_fields);
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
Json finalizers_for(const Kind& kind, const Json& object, Propagation propagation) {
  Json list = meta(object, "finalizers");
  const auto add = [&](std::string_view name) {
    if (std::ranges::find(std::as_const(list).items(), Json(name)) == std::as_const(list).items().end())
      list.push_back(name);
  };
  if (propagation == Propagation::kForeground) add("foregroundDeletion");
  if (propagation == Propagation::kOrphan) add("orphan");
  // The objects of a kind go before the definition of it does.
  if (is_definition(kind) && !is_deleting(object)) add(definitions::kCleanup);
  return list;
}

}  // namespace

Objects::Objects(store::Store& store, const os::Clock& clock, os::Random& random)
    : store_(store), clock_(clock), random_(random), grants_(std::make_unique<Grants>(store, random)) {}
Objects::~Objects() = default;

ObjectRef Objects::get(const Key& key) const {
  return store_.get(key);
}

Admitted<void> Objects::authorise(const Identity& who, std::string_view verb, const Kind& kind, std::string_view space,
                                  std::string_view name, std::string_view subresource) const {
  Ask ask{.verb = verb, .group = kind.group, .resource = kind.plural, .subresource = subresource, .space = space,
          .name = name};
  if (is_namespace(kind)) ask.space = name;  // so that a role in a namespace can speak of the namespace itself
  if (authoriser_ ? authoriser_->allows(who, ask) : who.owner) return {};
  return refuse_forbidden(kind, name, why_not(who, ask));
}

Admitted<ObjectRef> Objects::read(const Identity& who, const Kind& kind, const Key& key,
                                  std::string_view subresource) const {
  if (auto may = authorise(who, "get", kind, key.space, key.name, subresource); !may)
    return std::unexpected(std::move(may).error());
  ObjectRef object = store_.get(key);
  if (!object) return refuse_not_found(kind, key.name);
  return object;
}

Admitted<Sight> Objects::sight(const Identity& who, std::string_view verb, const Kind& kind,
                               std::optional<std::string> space, std::string_view only, bool only_visible) const {
  return sight({who, std::string(verb), kind.group, kind.plural, std::move(space), std::string(only), only_visible});
}

Admitted<Sight> Objects::sight(Sight::Wish wish) const {
  const std::string resource = wish.group.empty() ? wish.resource : wish.resource + "." + wish.group;
  const std::string name = wish.name.empty() ? std::string() : fmt::format(" \"{}\"", wish.name);
  const Identity who = wish.who;
  const Sight sight(authoriser_, std::move(wish));
  if (sight.holds()) return sight;
  return refuse(Code::kPermissionDenied, "forbidden",
                fmt::format("{}{} is forbidden: {}", resource, name, why_not(who, sight.ask())));
}

store::Listing Objects::list(const Sight& sight, const store::Selection& selection) const {
  return sight.of(store_.list(selection));
}

Admitted<void> Objects::check_rights_given(const Identity& who, const Kind& kind, const Json& object,
                                           const Json* old) const {
  if (!authoriser_ || who.owner) return {};
  return check_escalation(*authoriser_, store_, who, kind, object, old);
}

Admitted<void> Objects::check_namespace(const Kind& kind, std::string_view space,
                                        std::string_view name) const {
  if (!kind.namespaced) return {};
  const ObjectRef found = store_.get(Key{"namespaces", "", std::string(space)});
  if (!found) return refuse_no_namespace(space);
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

namespace {

Write::Try answered(Admitted<Written> answer) {
  return {.answer = std::move(answer)};
}
// A value or a refusal that ends the try.
template <typename T>
Write::Try refused(std::expected<T, Refusal>&& refusal) {
  return answered(std::unexpected(std::move(refusal).error()));
}
Write::Try refused(std::unexpected<Refusal> refusal) {
  return answered(std::move(refusal));
}

Write::Try committing(ObjectOp op, std::function<Write::Outcome(Result<store::Committed>)> finish) {
  Write::Try out;
  out.txn.objects.push_back(std::move(op));
  out.finish = std::move(finish);
  return out;
}

// What comes of changing an object that there is.
std::function<Write::Outcome(Result<store::Committed>)> read_outcome(const Kind& kind, const Key& key,
                                                                     std::vector<std::string> warnings,
                                                                     bool again) {
  return [&kind, name = key.name, warnings = std::move(warnings),
          again](Result<store::Committed> committed) -> Write::Outcome {
    if (committed) return {Written{committed->objects.front(), warnings}};
    if (committed.error().code == Code::kConflict) return {refuse_conflict(kind, name), again};
    if (committed.error().code == Code::kNotFound) return {refuse_not_found(kind, name)};
    return {refuse(std::move(committed).error())};
  };
}

}  // namespace

Admitted<Written> Objects::perform(const Write& write) {
  while (true) {
    Write::Try one = write.attempt();
    if (one.answer) return *std::move(one.answer);
    Write::Outcome outcome = one.finish(store_.commit(std::move(one.txn)));
    if (!outcome.again) return std::move(outcome.answer);
  }
}

void Objects::perform(const Write& write, os::Executor& later, Done done) {
  Write::Try one = write.attempt();
  if (one.answer) return done(*std::move(one.answer));
  store_.submit(std::move(one.txn), [this, write, &later, done = std::move(done),
                                     finish = std::move(one.finish)](Result<store::Committed> committed) {
    Write::Outcome outcome = finish(std::move(committed));
    if (!outcome.again) return done(std::move(outcome.answer));
    later.post([this, write, &later, done] { perform(write, later, done); });
  });
}

// ---- create
// ---------------------------------------------------------------------------------------------------

Admitted<Written> Objects::create(const Identity& who, const Kind& kind, std::string_view space, Json object,
                                  const WriteOptions& options) {
  return perform(creation(who, kind, std::string(space), std::move(object), options));
}

Write Objects::creation(Identity who, const Kind& kind, std::string space, Json object,
                        WriteOptions options) {
  struct State {
    Identity who;
    std::string space;
    Json object;
    WriteOptions options;
    int attempts = 0;
  };
  auto state =
      std::make_shared<State>(std::move(who), std::move(space), std::move(object), std::move(options));
  return {[this, state, &kind]() -> Write::Try {
    const Json& given = std::as_const(state->object)["metadata"];
    if (!state->object.is_object() || !(given.is_object() || given.is_null()))
      return refused(refuse(Code::kInvalidArgument, "bad_request", "the object has no metadata"));
    const std::string& into = state->space;
    const std::string name(given["name"].text()), prefix(given["generateName"].text());
    if (auto may = authorise(state->who, "create", kind, into, name); !may) return refused(std::move(may));
    const std::string_view inside = given["namespace"].text();
    if (!inside.empty() && inside != into)
      return refused(
          refuse(Code::kInvalidArgument, "bad_request",
                 "the namespace of the provided object does not match the namespace sent on the request"));
    if (!given["resourceVersion"].text().empty())
      return refused(refuse(Code::kInvalidArgument, "bad_request",
                            "resourceVersion should not be set on objects to be created"));
    if (kind.ending)
      return refused(
          refuse(Code::kUnimplemented, "method_not_allowed",
                 fmt::format("create not allowed while custom resource definition is terminating: {}",
                             kind.resource())));
    if (auto open = check_namespace(kind, into, name); !open) return refused(std::move(open));
    const bool generated = name.empty() && !prefix.empty();
    const bool again = generated && ++state->attempts <= limits::kGenerateNameAttempts;
    Json object = again ? state->object : std::move(state->object);
    Json& metadata = object["metadata"];
    if (kind.namespaced)
      metadata["namespace"] = into;
    else
      metadata.erase("namespace");
    constexpr size_t kPrefixMax = 58;  // so that prefix and suffix make a label
    if (generated) metadata["name"] = prefix.substr(0, kPrefixMax) + random_.suffix(5);
    const Key key{kind.resource(), kind.namespaced ? into : std::string(),
                  std::string(std::as_const(metadata)["name"].text())};
    return try_create(state->who, kind, key, std::move(object), state->options, again);
  }};
}

Write::Try Objects::try_create(const Identity& who, const Kind& kind, const Key& key, Json object, const WriteOptions& options,
                               bool again, const Json* managed_fields) {
  if (kind.status_subresource) object.erase("status");
  const Json sent = meta(object, "managedFields");
  rules::begin(kind, object);
  Admission admission{kind, Admission::Verb::kCreate, options, nullptr, object};
  if (auto admitted = admit(admission); !admitted) return refused(std::move(admitted));
  if (auto may = check_rights_given(who, kind, object, nullptr); !may) return refused(std::move(may));
  Json& metadata = object["metadata"];
  for (const char* field : {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"})
    metadata.erase(field);
  const Time now = clock_.now();
  const std::string api_version = api_version_of(kind, options);
  set_managed_fields(object, managed_fields
                                 ? *managed_fields
                                 : managed::after_write(kind, Json(), object, sent,
                                                        {options.manager.name, api_version, "", now}));
  metadata["uid"] = random_.uuid();
  metadata["creationTimestamp"] = now.rfc3339();
  auto given = grants_->give(kind, key, object, nullptr);
  if (!given) return refused(std::move(given));
  if (kind.counts_changes) metadata["generation"] = 1;
  if (!again && store_.get(key)) return refused(refuse_exists(kind, key.name));
  if (options.dry_run)
    return answered(Written{imagined(key, object, 0), std::move(admission.warnings), true});
  const auto finish = [this, &kind, key, again, given = *given, warnings = std::move(admission.warnings)](
                          Result<store::Committed> committed) -> Write::Outcome {
    if (!committed) {
      if (committed.error().code == Code::kAlreadyExists) return {refuse_exists(kind, key.name), again};
      return {refuse(std::move(committed).error())};
    }
    const ObjectRef& object = committed->objects.front();
    // The namespace may have ended between the check and the commit; nothing may outlive it.
    if (kind.namespaced && !store_.get(Key{"namespaces", "", key.space})) {
      store::Txn undo;
      undo.objects.push_back({ObjectOp::Kind::kDelete, key, {}, object->version});
      store_.submit(std::move(undo), nullptr);
      return {refuse_no_namespace(key.space)};
    }
    return {Written{object, warnings, true}};
  };
  return committing({ObjectOp::Kind::kCreate, key, std::move(object), {}}, finish);
}

// ---- update
// ---------------------------------------------------------------------------------------------------

Admitted<Written> Objects::update(const Identity& who, const Kind& kind, Json object,
                                  const WriteOptions& options) {
  return perform(replacement(who, kind, std::move(object), false, options));
}

Admitted<Written> Objects::update_status(const Identity& who, const Kind& kind, Json object,
                                         const WriteOptions& options) {
  return perform(replacement(who, kind, std::move(object), true, options));
}

Admitted<Written> Objects::modify(const Identity& who, const Kind& kind, const Key& key, bool status,
                                  const Change& change, const WriteOptions& options) {
  return perform(modification(who, kind, key, status, change, options));
}

Write Objects::replacement(Identity who, const Kind& kind, Json object, bool status, WriteOptions options) {
  struct State {
    Identity who;
    Json object;
    WriteOptions options;
    int attempts = 0;
  };
  auto state = std::make_shared<State>(std::move(who), std::move(object), std::move(options));
  return {[this, state, &kind, status]() -> Write::Try {
    const Json& wanted = state->object;
    const Key key = key_of(kind, wanted);
    const std::string_view part = status ? std::string_view("status") : std::string_view(state->options.manager.subresource);
    if (auto may = authorise(state->who, "update", kind, key.space, key.name, part); !may)
      return refused(std::move(may));
    if (status && !kind.status_subresource)
      return refused(refuse(Code::kNotFound, "no_status",
                            fmt::format("{} have no status subresource", kind.resource())));
    const ObjectRef current = store_.get(key);
    if (!current) return refused(refuse_not_found(kind, key.name));
    const std::string_view pinned = meta(wanted, "resourceVersion").text();
    if (!pinned.empty() && pinned != std::to_string(current->version))
      return refused(refuse_conflict(kind, key.name));
    const bool again = pinned.empty() && ++state->attempts <= limits::kModifyAttempts;
    const Json old = current->json();
    Json next = again ? state->object : std::move(state->object);
    return try_replace({state->who, kind, state->options, current, old, std::move(next), status, again});
  }};
}

Write Objects::modification(Identity who, const Kind& kind, Key key, bool status, Change change,
                            WriteOptions options) {
  struct State {
    Identity who;
    Key key;
    Change change;
    WriteOptions options;
    int attempts = 0;
  };
  auto state = std::make_shared<State>(std::move(who), std::move(key), std::move(change), std::move(options));
  return {[this, state, &kind, status]() -> Write::Try {
    const Key& at = state->key;
    const std::string_view part = status ? std::string_view("status") : std::string_view(state->options.manager.subresource);
    if (auto may = authorise(state->who, "patch", kind, at.space, at.name, part); !may)
      return refused(std::move(may));
    const ObjectRef current = store_.get(at);
    if (!current) return refused(refuse_not_found(kind, at.name));
    const Json old = current->json();
    auto next = state->change(old);
    if (!next) return refused(std::move(next));
    const Json& wanted = *next;
    if (meta(wanted, "name").text() != at.name ||
        (kind.namespaced && meta(wanted, "namespace").text() != at.space))
      return refused(refuse(Code::kInvalidArgument, "bad_request",
                            fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                                        meta(wanted, "name").text(), at.name)));
    // A version of the caller's own choosing is a condition; the one we read is only carried along.
    const std::string_view version = meta(wanted, "resourceVersion").text();
    if (!version.empty() && version != std::to_string(current->version))
      return refused(refuse_conflict(kind, at.name));
    const bool again = ++state->attempts <= limits::kModifyAttempts;
    return try_replace({state->who, kind, state->options, current, old, *std::move(next), status, again});
  }};
}

namespace {

// The next state: the caller's, with everything that callers may not write taken from the old one.
Json merged(const Kind& kind, const Json& old, const Json& wanted, bool status_only, std::string_view part) {
  if (is_namespace(kind) && part == "finalize") {
    Json next = old;
    next["spec"]["finalizers"] = wanted.at({"spec", "finalizers"});
    return next;
  }
  if (status_only) {
    Json next = old;
    if (wanted.contains("status"))
      next["status"] = wanted["status"];
    else
      next.erase("status");
    // As upstream, where a Deployment's revision comes with its status.
    if (const Json* annotations = wanted["metadata"].find("annotations");
        annotations && annotations->is_object())
      next["metadata"]["annotations"] = *annotations;
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
  // A namespace's finalizers belong to the deletion.
  if (is_namespace(kind)) next["spec"] = old["spec"];
  return next;
}

}  // namespace

Write::Try Objects::try_replace(const Replacing& replacing) {
  const auto& [who, kind, options, current, old, wanted, status_only, again, managed_fields] = replacing;
  const Key& key = current->key;
  if (const std::string_view uid = meta(wanted, "uid").text(); !uid.empty() && uid != current->uid)
    return refused(refuse_conflict(
        kind, key.name,
        fmt::format(
            "StorageError: invalid object, Code: 4, Key: /registry/{}/{}{}{}, ResourceVersion: 0, "
            "AdditionalErrorMsg: Precondition failed: UID in precondition: {}, UID in object meta: {}",
            kind.plural, key.space, key.space.empty() ? "" : "/", key.name, uid, current->uid)));
  Json next = merged(kind, old, wanted, status_only, options.manager.subresource);
  Admission admission{kind, status_only ? Admission::Verb::kUpdateStatus : Admission::Verb::kUpdate, options,
                      &old, next};
  if (auto admitted = admit(admission); !admitted) return refused(std::move(admitted));
  if (auto may = check_rights_given(who, kind, next, &old); !may) return refused(std::move(may));
  if (!status_only && kind.counts_changes && wants_other(old, next))
    next["metadata"]["generation"] = meta(old, "generation").integer() + 1;
  const std::string api_version = api_version_of(kind, options);
  const managed::Author author{options.manager.name, api_version,
                               status_only ? "status" : std::string_view(options.manager.subresource),
                               clock_.now()};
  set_managed_fields(
      next, managed_fields ? *managed_fields
                           : managed::after_write(kind, old, next, meta(wanted, "managedFields"), author));
  Admitted<ServiceAddresses::Hold> given;
  if (!status_only) given = grants_->give(kind, key, next, &old);
  if (!given) return refused(std::move(given));
  if (next == old) return answered(Written{current, std::move(admission.warnings)});
  const bool ends = is_deleting(next) && meta(next, "finalizers").empty() &&
                    !(meta(old, "finalizers").empty() && old.at({"spec", "finalizers"}).empty()) &&
                    meta(next, "deletionGracePeriodSeconds").integer() == 0 &&
                    next.at({"spec", "finalizers"}).empty();
  if (options.dry_run)
    return answered(Written{imagined(key, next, current->version), std::move(admission.warnings)});
  return committing(
      {ends ? ObjectOp::Kind::kDelete : ObjectOp::Kind::kUpdate, key, std::move(next), current->version},
      [given = *given, read = read_outcome(kind, key, std::move(admission.warnings), again)](
          Result<store::Committed> committed) { return read(std::move(committed)); });
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
  auto removed = perform(removal(who, kind, key, options));
  if (!removed) return std::unexpected(std::move(removed).error());
  return std::move(removed->object);
}

Result<void> Objects::remove_all(const Identity& who, const Kind& kind,
                                 const std::vector<ObjectRef>& objects) {
  struct State {
    std::mutex mutex;
    std::optional<Error> error;  // the first
    std::vector<Write> again;
    void take(const Write& write, Write::Outcome outcome) {
      const std::lock_guard lock(mutex);
      if (outcome.again)
        again.push_back(write);
      else if (!outcome.answer && outcome.answer.error().error.code != Code::kNotFound && !error)
        error = std::move(outcome.answer.error().error);
    }
  };
  const auto state = std::make_shared<State>();
  for (size_t begin = 0; begin < objects.size(); begin += limits::kRemovedAtOnceMax) {
    const size_t end = std::min(objects.size(), begin + limits::kRemovedAtOnceMax);
    for (size_t i = begin; i < end; ++i) {
      const Write write = removal(who, kind, objects[i]->key, {.if_uid = objects[i]->uid});
      Write::Try one = write.attempt();
      if (one.answer) {
        state->take(write, {*std::move(one.answer)});
        continue;
      }
      store_.submit(std::move(one.txn),
                    [state, write, finish = std::move(one.finish)](Result<store::Committed> committed) {
                      state->take(write, finish(std::move(committed)));
                    });
    }
    // Completions come in the order of submission: when this one is there, so are those before it.
    MK_TRY([[maybe_unused]] const auto all_done, store_.commit({}));
    std::vector<Write> again;
    {
      const std::lock_guard lock(state->mutex);
      if (state->error) return fail(*state->error);
      again.swap(state->again);
    }
    for (const Write& write : again) state->take(write, {perform(write)});
  }
  const std::lock_guard lock(state->mutex);
  if (state->error) return fail(*state->error);
  return {};
}

Write Objects::removal(Identity who, const Kind& kind, Key key, RemoveOptions options) {
  struct State {
    Identity who;
    Key key;
    RemoveOptions options;
    int attempts = 0;
  };
  auto state = std::make_shared<State>(std::move(who), std::move(key), std::move(options));
  return {[this, state, &kind]() -> Write::Try {
    const Key& at = state->key;
    const RemoveOptions& asked = state->options;
    if (auto may = authorise(state->who, asked.verb, kind, at.space, at.name); !may) return refused(std::move(may));
    if (is_namespace(kind) && (at.name == "default" || at.name == "kube-system"))
      return refused(refuse_forbidden(kind, at.name, "this namespace may not be deleted"));
    const ObjectRef current = store_.get(at);
    if (!current) return refused(refuse_not_found(kind, at.name));
    if (asked.if_uid && *asked.if_uid != current->uid)
      return refused(refuse_condition(
          kind, at.name,
          fmt::format(
              "the UID in the precondition ({}) does not match the UID in record ({}). The object might have "
              "been deleted and then recreated",
              *asked.if_uid, current->uid)));
    const std::string version = std::to_string(current->version);
    if (asked.if_version && *asked.if_version != version)
      return refused(refuse_condition(kind, at.name,
                                      fmt::format("the ResourceVersion in the precondition ({}) does not "
                                                  "match the ResourceVersion in record ({}). "
                                                  "The object might have been modified",
                                                  *asked.if_version, version)));
    const bool again = ++state->attempts <= limits::kModifyAttempts;
    return try_remove(kind, current, asked, again);
  }};
}

// Removes what nothing holds back; else marks it as being deleted, which others then end.
Write::Try Objects::try_remove(const Kind& kind, const ObjectRef& current, const RemoveOptions& options,
                               bool again) {
  const Json old = current->json();
  Json next = old;
  Json& metadata = next["metadata"];
  Json finalizers = finalizers_for(kind, old, options.propagation);
  int64_t grace_s = 0;
  // A node that is not there will never end it.
  const Key node{"nodes", "", std::string(old.at({"spec", "nodeName"}).text())};
  if (deletes_gracefully(kind, old) && store_.get(node)) {
    grace_s = options.grace_period_s.value_or(old.at({"spec", "terminationGracePeriodSeconds"}).integer(30));
    if (is_deleting(old)) grace_s = std::min(grace_s, meta(old, "deletionGracePeriodSeconds").integer());
  }
  const bool held = !finalizers.empty() || grace_s > 0 || !old.at({"spec", "finalizers"}).empty();
  const bool shorter = grace_s < meta(old, "deletionGracePeriodSeconds").integer();
  const auto finish = read_outcome(kind, current->key, {}, again);
  if (!held) {
    if (options.dry_run) return answered(Written{current, {}});
    return committing({ObjectOp::Kind::kDelete, current->key, {}, current->version}, finish);
  }
  if (!finalizers.empty()) metadata["finalizers"] = std::move(finalizers);
  if (!is_deleting(old) || shorter) {
    metadata["deletionTimestamp"] = (clock_.now() + Duration::from_seconds(grace_s)).rfc3339();
    metadata["deletionGracePeriodSeconds"] = grace_s;
  }
  if (!is_deleting(old) && kind.counts_changes)
    metadata["generation"] = meta(old, "generation").integer() + 1;
  if (is_namespace(kind)) next["status"]["phase"] = "Terminating";
  if (next == old) return answered(Written{current, {}});
  if (options.dry_run) return answered(Written{imagined(current->key, next, current->version), {}});
  return committing({ObjectOp::Kind::kUpdate, current->key, std::move(next), current->version}, finish);
}

}  // namespace mk::core

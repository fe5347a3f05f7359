#include "core/garbage.h"

#include <algorithm>

namespace mk::core {
namespace {

constexpr std::string_view kForeground = "foregroundDeletion";
constexpr std::string_view kOrphan = "orphan";
const Duration kLookAgain = Duration::from_seconds(5);  // while dependents take their time

bool has_finalizer(const Json& object, std::string_view name) {
  return std::ranges::find(object.at({"metadata", "finalizers"}).items(), Json(name)) !=
         object.at({"metadata", "finalizers"}).items().end();
}

// Null when the owner's kind is not served here: then nobody can say that it is gone.
std::optional<Key> owner_key(const Json& owner, const std::string& space) {
  const kinds::Kind* kind = kinds::find_kind_of(owner);
  if (!kind) return {};
  return Key{kind->resource(), kind->namespaced ? space : std::string(), std::string(owner["name"].text())};
}

class Collector {
 public:
  explicit Collector(Objects& objects) : objects_(objects), who_(Identity::system("garbage-collector")) {}

  Result<Again> collect(const Key& key) {
    const ObjectRef object = objects_.get(key);
    if (!object) return Again::never();
    const Json body = object->json();
    if (body.at({"metadata", "deletionTimestamp"}).is_string()) {
      if (has_finalizer(body, kOrphan)) return let_go(*object);
      if (has_finalizer(body, kForeground)) return remove_dependents(*object);
    }
    return check_owners(*object, body);
  }

 private:
  Result<Again> check_owners(const store::Object& object, const Json& body) {
    size_t present = 0;
    std::vector<std::string> gone;
    for (const Json& owner : body.at({"metadata", "ownerReferences"}).items()) {
      const auto key = owner_key(owner, object.key.space);
      const ObjectRef found = key ? objects_.get(*key) : nullptr;
      if (!key || (found && found->uid == owner["uid"].text()))
        ++present;
      else
        gone.emplace_back(owner["uid"].text());
    }
    if (gone.empty()) return Again::never();
    if (present > 0) return forget_owners(object.key, gone);
    return remove(object, Propagation::kBackground);
  }

  // Owners first leave the references of their dependents, then go.
  Result<Again> let_go(const store::Object& owner) {
    for (const ObjectRef& dependent : objects_.store().owned_by(owner.uid)) {
      auto again = forget_owners(dependent->key, {owner.uid});
      if (!again) return again;
    }
    return strip(owner.key, kOrphan);
  }

  Result<Again> remove_dependents(const store::Object& owner) {
    bool waiting = false;
    for (const ObjectRef& dependent : objects_.store().owned_by(owner.uid)) {
      const Json body = dependent->json();
      for (const Json& reference : body.at({"metadata", "ownerReferences"}).items())
        if (reference["uid"].text() == owner.uid)
          waiting = waiting || reference["blockOwnerDeletion"].boolean();
      if (body.at({"metadata", "deletionTimestamp"}).is_string()) continue;
      const bool owns = !objects_.store().owned_by(dependent->uid).empty();
      auto removed = remove(*dependent, owns ? Propagation::kForeground : Propagation::kBackground);
      if (!removed) return removed;
    }
    for (const ObjectRef& dependent : objects_.store().owned_by(owner.uid)) {
      const Json body = dependent->json();
      for (const Json& reference : body.at({"metadata", "ownerReferences"}).items())
        if (reference["uid"].text() == owner.uid && reference["blockOwnerDeletion"].boolean())
          return Again::in(kLookAgain);
    }
    return strip(owner.key, kForeground);
  }

  Result<Again> remove(const store::Object& object, Propagation propagation) {
    const kinds::Kind* kind = kinds::find_resource(object.key.resource);
    if (!kind) return Again::never();  // its definition went; so will it
    auto removed =
        objects_.remove(who_, *kind, object.key, {.propagation = propagation, .if_uid = object.uid});
    if (!removed && removed.error().error.code != Code::kNotFound)
      return fail(std::move(removed).error().error);
    return Again::never();
  }

  Result<Again> edit(const Key& key, const std::function<void(Json& metadata)>& change) {
    const auto apply = [&](Json object) -> Admitted<Json> {
      change(object["metadata"]);
      return object;
    };
    const kinds::Kind* kind = kinds::find_resource(key.resource);
    if (!kind) return Again::never();
    auto written = objects_.modify(who_, *kind, key, false, apply);
    if (!written && written.error().error.code != Code::kNotFound)
      return fail(std::move(written).error().error);
    return Again::never();
  }

  Result<Again> strip(const Key& key, std::string_view finalizer) {
    return edit(key, [&](Json& metadata) {
      if (std::as_const(metadata)["finalizers"].is_array())
        std::erase(metadata["finalizers"].items(), Json(finalizer));
    });
  }

  Result<Again> forget_owners(const Key& key, const std::vector<std::string>& uids) {
    return edit(key, [&](Json& metadata) {
      if (!std::as_const(metadata)["ownerReferences"].is_array()) return;
      std::erase_if(metadata["ownerReferences"].items(), [&](const Json& owner) {
        return std::ranges::find(uids, owner["uid"].text()) != uids.end();
      });
    });
  }

  Objects& objects_;
  Identity who_;
};

// Whom a change of `object` concerns: itself if it has owners or waits to be deleted; when it is gone, those
// that it owned, and owners that wait for it.
std::vector<Key> concerned(const Objects& objects, const store::Object& object) {
  std::vector<Key> keys;
  const ObjectRef now = objects.get(object.key);
  const bool gone = !now || now->uid != object.uid;
  if (!gone) {
    const bool waits = object.body.find(kForeground) != std::string::npos ||
                       object.body.find("\"orphan\"") != std::string::npos;
    if (waits || !object.owners.empty()) keys.push_back(object.key);
    return keys;
  }
  for (const ObjectRef& dependent : objects.store().owned_by(object.uid)) keys.push_back(dependent->key);
  if (!object.owners.empty()) {
    const Json body = object.json();
    for (const Json& owner : body.at({"metadata", "ownerReferences"}).items())
      if (auto key = owner_key(owner, object.key.space)) keys.push_back(std::move(*key));
  }
  return keys;
}

}  // namespace

Controller garbage_collector(Objects& objects) {
  Controller controller;
  controller.name = "garbage-collector";
  controller.workers = 2;  // their writes share commits
  controller.every = [&objects](const Reader&, const store::Object& object) {
    return concerned(objects, object);
  };
  auto collector = std::make_shared<Collector>(objects);
  controller.reconcile = [collector](World&, const Key& key) { return collector->collect(key); };
  return controller;
}

}  // namespace mk::core

#include "core/namespaces.h"

namespace mk::core {
namespace {

const Duration kLookAgain = Duration::from_ms(250);  // while Pods end

// Removes all that can be removed now; true when nothing is left.
Result<bool> empty(Objects& objects, const std::string& space) {
  static const Identity kWho = Identity::system("namespace-controller");
  for (const kinds::Kind& kind : kinds::all()) {
    if (!kind.namespaced) continue;
    MK_OK(objects.remove_all(kWho, kind, objects.store().list({kind.resource(), space}).objects));
  }
  for (const kinds::Kind& kind : kinds::all())
    if (kind.namespaced && !objects.store().list({kind.resource(), space}).objects.empty()) return false;
  return true;
}

Result<Again> reconcile(Objects& objects, const Key& key) {
  const ObjectRef space = objects.get(key);
  if (space) {
    const Json body = space->json();
    if (!body.at({"metadata", "deletionTimestamp"}).is_string()) return Again::never();
    MK_TRY(const bool done, empty(objects, key.name));
    if (!done || !body.at({"metadata", "finalizers"}).empty()) return Again::in(kLookAgain);
    MK_OK(objects.drop(space));
  }
  // What was created in the very moment in which the namespace went.
  MK_TRY(const bool done, empty(objects, key.name));
  return done ? Again::never() : Again::in(kLookAgain);
}

}  // namespace

Controller namespace_controller(Objects& objects) {
  Controller controller;
  controller.name = "namespace";
  controller.resource = "namespaces";
  controller.reconcile = [&objects](World&, const Key& key) { return reconcile(objects, key); };
  // Objects whose namespace is not there wake it, so that nothing is left for ever.
  controller.every = [&objects](const Reader&, const store::Object& object) -> std::vector<Key> {
    if (object.key.space.empty()) return {};
    Key space{"namespaces", "", object.key.space};
    if (objects.get(space) || !objects.get(object.key)) return {};
    return {std::move(space)};
  };
  return controller;
}

}  // namespace mk::core

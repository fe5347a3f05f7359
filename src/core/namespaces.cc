#include "core/namespaces.h"

#include <map>

#include "base/format.h"

namespace mk::core {
namespace {

const Duration kLookAgain = Duration::from_ms(250);  // while Pods end
constexpr size_t kNamedMax = 20;                     // resources and finalizers that a condition names

const Identity& who() {
  static const Identity kWho = Identity::system("namespace-controller");
  return kWho;
}

// What is still in a namespace.
struct Remaining {
  std::map<std::string, size_t> objects;     // by resource
  std::map<std::string, size_t> finalizers;  // how many objects each of them holds
};

// Removes all that can be removed now.
Result<Remaining> empty(Objects& objects, const std::string& space) {
  for (const kinds::Kind& kind : kinds::all())
    if (kind.namespaced)
      MK_OK(objects.remove_all(who(), kind, objects.store().list({kind.resource(), space}).objects));
  Remaining left;
  for (const kinds::Kind& kind : kinds::all()) {
    if (!kind.namespaced) continue;
    for (const ObjectRef& object : objects.store().list({kind.resource(), space}).objects) {
      ++left.objects[kind.resource()];
      if (object->body.find("\"finalizers\"") == std::string::npos) continue;
      const Json body = object->json();
      for (const Json& name : body.at({"metadata", "finalizers"}).items())
        ++left.finalizers[std::string(name.text())];
    }
  }
  return left;
}

std::string named(const std::map<std::string, size_t>& counts, std::string_view form) {
  std::string out;
  size_t shown = 0;
  for (const auto& [name, count] : counts) {
    if (++shown > kNamedMax) return out + ", ...";
    out += fmt::format("{}{}{}{} resource instances", out.empty() ? "" : ", ", name, form, count);
  }
  return out;
}

// As kubectl describe namespace shows why a deletion takes its time.
Json conditions_of(const Remaining& left, const Json& before, Time now) {
  const auto condition = [&](std::string_view type, bool is, std::string_view reason, std::string message) {
    Json one = Json::object({{"type", type},
                             {"status", is ? "True" : "False"},
                             {"reason", reason},
                             {"message", std::move(message)},
                             {"lastTransitionTime", now.rfc3339()}});
    for (const Json& old : before.items())
      if (old["type"] == one["type"] && old["status"] == one["status"])
        one["lastTransitionTime"] = old["lastTransitionTime"];
    return one;
  };
  const bool content = !left.objects.empty(), held = !left.finalizers.empty();
  return Json::array(
      {condition("NamespaceDeletionContentFailure", false, "ContentDeleted",
                 "All content successfully deleted, may be waiting on finalization"),
       condition("NamespaceContentRemaining", content, content ? "SomeResourcesRemain" : "ContentRemoved",
                 content ? "Some resources are remaining: " + named(left.objects, " has ")
                         : "All content successfully removed"),
       condition(
           "NamespaceFinalizersRemaining", held, held ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
           held ? "Some content in the namespace has finalizers remaining: " + named(left.finalizers, " in ")
                : "All content-preserving finalizers finished")});
}

Result<void> tell(Objects& objects, const Key& key, const Remaining& left) {
  const auto change = [&](Json space) -> Admitted<Json> {
    Json conditions =
        conditions_of(left, std::as_const(space).at({"status", "conditions"}), objects.clock().now());
    space["status"]["conditions"] = std::move(conditions);
    return space;
  };
  auto written = objects.modify(who(), *kinds::find_resource("namespaces"), key, true, change);
  if (!written && written.error().error.code != Code::kNotFound)
    return fail(std::move(written).error().error);
  return {};
}

Result<Again> reconcile(Objects& objects, const Key& key) {
  ObjectRef space = objects.get(key);
  if (space) {
    const Json body = space->json();
    if (!body.at({"metadata", "deletionTimestamp"}).is_string()) return Again::never();
    MK_TRY(const Remaining left, empty(objects, key.name));
    if (!left.objects.empty() || !body.at({"metadata", "finalizers"}).empty()) {
      MK_OK(tell(objects, key, left));
      return Again::in(kLookAgain);
    }
    space = objects.get(key);
    if (space) MK_OK(objects.drop(space));
  }
  // What was created in the very moment in which the namespace went.
  MK_TRY(const Remaining left, empty(objects, key.name));
  return left.objects.empty() ? Again::never() : Again::in(kLookAgain);
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

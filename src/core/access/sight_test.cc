// What each of two tenants sees of one kind.
#include "core/access/sight.h"

#include <doctest/doctest.h>

#include "base/format.h"
#include "base/yaml.h"
#include "core/access/authoriser.h"
#include "core/access/builtin_roles.h"
#include "core/bootstrap.h"
#include "core/objects.h"

namespace mk::core {
namespace {

struct World {
  World() : store(std::move(*store::open_store({}))), objects(*store, clock, random), authoriser(*store) {
    REQUIRE(make_first_objects(objects));
    REQUIRE(make_builtin_roles(objects));
    objects.protect_by(authoriser);
    for (const char* space : {"team-a", "team-b"}) {
      create(fmt::format("{{apiVersion: v1, kind: Namespace, metadata: {{name: {}}}}}", space));
      create(fmt::format("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings, namespace: {}}}}}",
                         space));
    }
    create(
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: ada, namespace: "
        "team-a}, "
        "roleRef: {kind: ClusterRole, name: view}, subjects: [{kind: User, name: ada}]}");
    create(
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: bob, namespace: "
        "team-b}, "
        "roleRef: {kind: ClusterRole, name: edit}, subjects: [{kind: User, name: bob}]}");
  }

  Admitted<Written> create(std::string_view yaml, const Identity& who = Identity::owner_of_this_machine()) {
    const Json object = parse_yaml(yaml)->front();
    return objects.create(who, *kinds::find_kind_of(object), object.at({"metadata", "namespace"}).text(),
                          object);
  }
  // The places of what they see, or why they see nothing.
  std::string seen(const Identity& who, const char* resource, std::optional<std::string> space,
                   bool only_visible) {
    const kinds::Kind& kind = *kinds::find_resource(resource);
    const auto sight = objects.sight(who, "list", kind, space, {}, only_visible);
    if (!sight) return sight.error().error.message;
    std::string out;
    for (const ObjectRef& object : objects.list(*sight, {resource, space}).objects)
      out += fmt::format("{}{}/{}", out.empty() ? "" : " ", object->key.space, object->key.name);
    return out;
  }

  os::SimulatedClock clock;
  os::SeededRandom random{7};
  std::unique_ptr<store::Store> store;
  Objects objects;
  Authoriser authoriser;
};

const Identity kAda{"ada", {"system:authenticated"}}, kBob{"bob", {"system:authenticated"}},
    kCy{"cy", {"system:authenticated"}};

TEST_CASE("sight: a list over all namespaces is refused, or shows what roles show") {
  World w;
  CHECK(w.seen(kAda, "configmaps", "team-a", false) == "team-a/settings");
  CHECK(w.seen(kAda, "configmaps", {}, false).find("at the cluster scope") != std::string::npos);
  CHECK(w.seen(kAda, "configmaps", {}, true) == "team-a/settings");
  CHECK(w.seen(kBob, "configmaps", {}, true) == "team-b/settings");
  CHECK(w.seen(kAda, "namespaces", {}, true) == "/team-a");
  CHECK(w.seen(Identity::owner_of_this_machine(), "configmaps", {}, true) ==
        "team-a/settings team-b/settings");
  // Whoever may see nothing is refused, also in one namespace, whether that is there or not.
  CHECK(w.seen(kCy, "configmaps", {}, true).find("in any namespace") != std::string::npos);
  CHECK(w.seen(kAda, "secrets", {}, true).find("cannot list resource \"secrets\"") != std::string::npos);
  const std::string there = w.seen(kAda, "configmaps", "team-b", true),
                    nowhere = w.seen(kAda, "configmaps", "team-c", true);
  CHECK(there.find("in the namespace \"team-b\"") != std::string::npos);
  CHECK(there.size() == nowhere.size());
  // A right to what is in no namespace does not come from a role in one.
  CHECK(w.seen(kBob, "nodes", {}, true).find("cannot list resource \"nodes\"") != std::string::npos);
}

TEST_CASE("sight: what is withdrawn is hidden at once") {
  World w;
  const kinds::Kind& kind = *kinds::find_resource("configmaps");
  const auto sight = w.objects.sight(kAda, "watch", kind, {}, {}, true);
  REQUIRE(sight);
  CHECK(sight->holds());
  CHECK(sight->sees({"configmaps", "team-a", "settings"}));
  CHECK_FALSE(sight->sees({"configmaps", "team-b", "settings"}));
  constexpr const char* kBindings = "rolebindings.rbac.authorization.k8s.io";
  REQUIRE(w.objects.remove(Identity::owner_of_this_machine(), *kinds::find_resource(kBindings),
                           {kBindings, "team-a", "ada"}));
  CHECK_FALSE(sight->sees({"configmaps", "team-a", "settings"}));
  CHECK_FALSE(sight->holds());
}

TEST_CASE("sight: a foreign object reads like a missing one") {
  World w;
  const kinds::Kind& kind = *kinds::find_resource("configmaps");
  REQUIRE(w.objects.read(kAda, kind, {"configmaps", "team-a", "settings"}));
  const auto missing = w.objects.read(kAda, kind, {"configmaps", "team-a", "nothing"});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().error.code == Code::kNotFound);
  for (const char* name : {"settings", "nothing"}) {
    const auto foreign = w.objects.read(kAda, kind, {"configmaps", "team-b", name});
    REQUIRE_FALSE(foreign);
    CHECK(foreign.error().error.code == Code::kPermissionDenied);
    CHECK(foreign.error().error.message == fmt::format("configmaps \"{}\" is forbidden: User \"ada\" cannot "
                                                       "get resource \"configmaps\" in API group \"\" in the "
                                                       "namespace \"team-b\"",
                                                       name));
  }
}

TEST_CASE("sight: who deploys a model must be able to read it") {
  World w;
  const auto service = [](const char* name, const char* uri) {
    return fmt::format(
        "{{apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, metadata: {{name: {}, namespace: "
        "team-b}}, spec: "
        "{{predictor: {{model: {{modelFormat: {{name: onnx}}, storageUri: \"{}\"}}}}}}}}",
        name, uri);
  };
  for (const char* uri : {"models:/wine@champion", "runs:/0123/model"}) {
    const auto refused = w.create(service("mine", uri), kBob);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().error.code == Code::kPermissionDenied);
    CHECK(refused.error().error.message.find(
              "spec.predictor.model.storageUri: User \"bob\" cannot get resource") != std::string::npos);
  }
  CHECK(w.create(service("files", "file:///models/wine"), kBob));
  w.create(
      "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: bob, namespace: "
      "default}, "
      "roleRef: {kind: ClusterRole, name: view}, subjects: [{kind: User, name: bob}]}");
  CHECK(w.create(service("mine", "models:/wine@champion"), kBob));
}

}  // namespace
}  // namespace mk::core

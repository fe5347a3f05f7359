#include "core/objects.h"

#include <doctest/doctest.h>

#include <mutex>
#include <thread>

#include "base/yaml.h"
#include "os/executor.h"

using mk::Code;
using mk::Json;
using namespace mk::core;
namespace kinds = mk::kinds;
namespace store = mk::store;

namespace {

struct Fixture {
  std::unique_ptr<store::Store> store = store::open_store({}).value();
  mk::os::SimulatedClock clock;
  mk::os::SeededRandom random{7};
  Objects objects{*store, clock, random};
  Identity owner = Identity::owner_of_this_machine();

  Fixture() { REQUIRE(create("{apiVersion: v1, kind: Namespace, metadata: {name: default}}")); }

  static const kinds::Kind& kind_of(const Json& object) {
    const kinds::Kind* kind = kinds::find_kind_of(object);
    REQUIRE(kind);
    return *kind;
  }
  Admitted<Written> create(std::string_view yaml, const WriteOptions& options = {}) {
    const Json object = mk::parse_yaml(yaml).value().front();
    const std::string_view space = object.at({"metadata", "namespace"}).text("default");
    const kinds::Kind& kind = kind_of(object);
    return objects.create(owner, kind, kind.namespaced ? space : "", object, options);
  }
  Json get(std::string_view resource, std::string_view name) const {
    const kinds::Kind* kind = kinds::find_resource(resource);
    const auto object =
        objects.get({std::string(resource), kind->namespaced ? "default" : "", std::string(name)});
    return object ? object->json() : Json();
  }
};

constexpr std::string_view kPod = R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: c, image: "nginx:1.25"}]}
)";

}  // namespace

TEST_CASE("objects: create fills in identity and defaults") {
  Fixture f;
  const auto written = f.create(kPod);
  REQUIRE(written);
  const Json pod = f.get("pods", "web");
  CHECK(pod.at({"metadata", "uid"}).text().size() == 36);
  CHECK(pod.at({"metadata", "creationTimestamp"}).text() == f.clock.now().rfc3339());
  CHECK(pod.at({"metadata", "generation"}).integer() == 1);
  CHECK(pod.at({"metadata", "namespace"}).text() == "default");
  CHECK(pod.at({"metadata", "resourceVersion"}).text() == std::to_string(written->object->version));
  CHECK(pod.at({"status", "phase"}).text() == "Pending");
  CHECK(pod.at({"spec", "restartPolicy"}).text() == "Always");
  CHECK(pod["spec"]["containers"][0]["imagePullPolicy"].text() == "IfNotPresent");
  const auto again = f.create(kPod);
  REQUIRE_FALSE(again);
  CHECK(again.error().error.code == Code::kAlreadyExists);
  CHECK(again.error().error.message == "pods \"web\" already exists");
}

TEST_CASE("objects: generated names, missing namespaces, strangers, dry runs") {
  Fixture f;
  const auto made = f.create("{apiVersion: v1, kind: ConfigMap, metadata: {generateName: run-}}");
  REQUIRE(made);
  CHECK(made->object->key.name.starts_with("run-"));
  CHECK(made->object->key.name.size() == 9);
  const auto lost = f.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: nowhere}}");
  CHECK(lost.error().error.message == "namespaces \"nowhere\" not found");
  CHECK(lost.error().error.code == Code::kNotFound);
  const auto denied = f.objects.create(Identity::anonymous(), *kinds::find_resource("pods"), "default",
                                       mk::parse_yaml(kPod).value().front());
  CHECK(denied.error().error.code == Code::kPermissionDenied);
  CHECK(denied.error().error.message ==
        "pods \"web\" is forbidden: User \"system:anonymous\" cannot create resource \"pods\" in API group "
        "\"\" in the "
        "namespace \"default\"");
  const auto dry = f.create(kPod, {.dry_run = true});
  REQUIRE(dry);
  CHECK(dry->object->json().at({"spec", "dnsPolicy"}).text() == "ClusterFirst");
  CHECK(f.get("pods", "web").is_null());
}

TEST_CASE(
    "objects: update counts generations, keeps what is not the caller's, and writes nothing for nothing") {
  Fixture f;
  REQUIRE(f.create(
      R"({apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {selector: {matchLabels: {a: b}},
    template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}})"));
  const kinds::Kind& kind = *kinds::find_resource("deployments.apps");
  const Json first = f.get("deployments.apps", "d");
  CHECK(first.at({"spec", "replicas"}).integer() == 1);
  CHECK(first.at({"spec", "strategy", "rollingUpdate", "maxSurge"}).text() == "25%");

  const auto same = f.objects.update(f.owner, kind, first);
  REQUIRE(same);
  CHECK(same->object->json() == first);

  Json wanted = first;
  wanted["spec"]["replicas"] = 3;
  wanted["status"]["replicas"] = 99;
  wanted["metadata"]["uid"] = first.at({"metadata", "uid"});
  wanted["metadata"]["creationTimestamp"] = "1999-01-01T00:00:00Z";
  const auto updated = f.objects.update(f.owner, kind, wanted);
  REQUIRE(updated);
  Json now = updated->object->json();
  CHECK(now.at({"metadata", "generation"}).integer() == 2);
  CHECK(now.at({"metadata", "creationTimestamp"}) == first.at({"metadata", "creationTimestamp"}));
  CHECK_FALSE(std::as_const(now).at({"status", "replicas"}).integer() == 99);

  // The version we hold is old now.
  const auto stale = f.objects.update(f.owner, kind, wanted);
  CHECK(stale.error().error.code == Code::kConflict);
  CHECK(stale.error().error.message ==
        "Operation cannot be fulfilled on deployments.apps \"d\": the object has been modified; please apply "
        "your changes "
        "to the latest version and try again");

  Json status = now;
  status["status"]["replicas"] = 3;
  status["spec"]["replicas"] = 77;
  const auto reported = f.objects.update_status(f.owner, kind, status);
  REQUIRE(reported);
  now = reported->object->json();
  CHECK(now.at({"status", "replicas"}).integer() == 3);
  CHECK(now.at({"spec", "replicas"}).integer() == 3);
  CHECK(now.at({"metadata", "generation"}).integer() == 2);

  Json moved = now;
  moved["spec"]["selector"]["matchLabels"]["a"] = "c";
  moved["spec"]["template"]["metadata"]["labels"]["a"] = "c";
  const auto refused = f.objects.update(f.owner, kind, moved);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().causes[0].field == "spec.selector");
  CHECK(refused.error().error.message.find("field is immutable") != std::string::npos);
}

TEST_CASE("objects: modify retries when others write, and keeps a caller's own condition") {
  Fixture f;
  REQUIRE(f.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {n: \"0\"}}"));
  const kinds::Kind& kind = *kinds::find_resource("configmaps");
  const Key key{"configmaps", "default", "a"};
  int rounds = 0;
  const auto change = [&](Json object) -> Admitted<Json> {
    if (++rounds < 4) {  // somebody else is faster three times
      Json other = object;
      other["data"]["other"] = std::to_string(rounds);
      REQUIRE(f.objects.update(f.owner, kind, other));
    }
    object["data"]["n"] = "1";
    return object;
  };
  REQUIRE(f.objects.modify(f.owner, kind, key, false, change));
  CHECK(rounds == 4);
  CHECK(f.get("configmaps", "a").at({"data", "other"}).text() == "3");
  const auto pinned = f.objects.modify(f.owner, kind, key, false, [](Json object) -> Admitted<Json> {
    object["metadata"]["resourceVersion"] = "1";
    return object;
  });
  CHECK(pinned.error().error.code == Code::kConflict);
}

TEST_CASE("objects: finalizers hold a deletion back, preconditions are kept") {
  Fixture f;
  REQUIRE(f.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, finalizers: [x.io/hold]}}"));
  const kinds::Kind& kind = *kinds::find_resource("configmaps");
  const Key key{"configmaps", "default", "a"};
  CHECK(f.objects.remove(f.owner, kind, key, {.if_uid = "other"}).error().error.code == Code::kConflict);
  CHECK(f.objects.remove(f.owner, kind, key, {.if_version = "1"}).error().error.code == Code::kConflict);
  REQUIRE(f.objects.remove(f.owner, kind, key));
  Json held = f.get("configmaps", "a");
  CHECK(held.at({"metadata", "deletionTimestamp"}).is_string());
  held["metadata"]["finalizers"].push_back("y.io/late");
  const auto late = f.objects.update(f.owner, kind, held);
  REQUIRE_FALSE(late);
  CHECK(late.error().causes[0].field == "metadata.finalizers");
  held["metadata"].erase("finalizers");
  REQUIRE(f.objects.update(f.owner, kind, held));
  CHECK(f.get("configmaps", "a").is_null());
  CHECK(f.objects.remove(f.owner, kind, key).error().error.message == "configmaps \"a\" not found");
}

TEST_CASE("objects: a Pod on a node waits for its node") {
  Fixture f;
  REQUIRE(f.create(kPod));
  const kinds::Kind& kind = *kinds::find_resource("pods");
  const Key key{"pods", "default", "web"};
  REQUIRE(f.objects.modify(f.owner, kind, key, false, [](Json pod) -> Admitted<Json> {
    pod["spec"]["nodeName"] = "n1";
    return pod;
  }));
  CHECK(f.objects.remove(f.owner, kind, key, {.dry_run = true})
            .value()
            ->json()
            .at({"metadata", "deletionTimestamp"})
            .is_null());
  REQUIRE(f.create("{apiVersion: v1, kind: Node, metadata: {name: n1}}"));
  REQUIRE(f.objects.remove(f.owner, kind, key));
  Json pod = f.get("pods", "web");
  CHECK(pod.at({"metadata", "deletionGracePeriodSeconds"}).integer() == 30);
  CHECK(pod.at({"metadata", "deletionTimestamp"}).text() ==
        (f.clock.now() + mk::Duration::from_seconds(30)).rfc3339());
  REQUIRE(f.objects.modify(f.owner, kind, key, true, [](Json now) -> Admitted<Json> {
    now["status"]["message"] = "stopping";
    return now;
  }));
  CHECK_FALSE(f.get("pods", "web").is_null());
  REQUIRE(f.objects.remove(f.owner, kind, key, {.grace_period_s = 0}));
  CHECK(f.get("pods", "web").is_null());
}

TEST_CASE("objects: a namespace that ends takes nothing new") {
  Fixture f;
  REQUIRE(f.create("{apiVersion: v1, kind: Namespace, metadata: {name: team}}"));
  const kinds::Kind& kind = *kinds::find_resource("namespaces");
  CHECK(f.get("namespaces", "team").at({"status", "phase"}).text() == "Active");
  REQUIRE(f.objects.remove(f.owner, kind, {"namespaces", "", "team"}));
  CHECK(f.get("namespaces", "team").at({"status", "phase"}).text() == "Terminating");
  const auto refused = f.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: team}}");
  CHECK(refused.error().error.reason == "namespace_terminating");
  CHECK(refused.error().error.code == Code::kPermissionDenied);
}

TEST_CASE("objects: writes that block nobody, tried again when they lose a race") {
  Fixture f;
  const kinds::Kind& kind = *kinds::find_resource("configmaps");
  REQUIRE(f.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {n: '0'}}"));
  constexpr int kWriters = 8;
  std::mutex mutex;
  int done = 0, refused = 0;
  const auto later = mk::os::make_thread_pool(2, "later");  // the store answers on a thread of its own
  const auto count_up = [](Json object) -> Admitted<Json> {
    object["data"]["n"] = std::to_string(std::stoi(std::string(object.at({"data", "n"}).text())) + 1);
    return object;
  };
  for (int i = 0; i < kWriters; ++i)
    f.objects.perform(f.objects.modification(f.owner, kind, {"configmaps", "default", "a"}, false, count_up, {}),
                      *later, [&](const Admitted<Written>& written) {
                        const std::lock_guard lock(mutex);
                        ++done;
                        refused += !written;
                      });
  const auto all_done = [&] {
    const std::lock_guard lock(mutex);
    return done == kWriters;
  };
  while (!all_done()) std::this_thread::yield();
  CHECK(refused == 0);
  CHECK(f.get("configmaps", "a").at({"data", "n"}).text() == "8");
  bool told = false;
  f.objects.perform(f.objects.removal(f.owner, kind, {"configmaps", "default", "nope"}, {}), *later,
                    [&](const Admitted<Written>& written) {
                      CHECK(written.error().error.code == Code::kNotFound);
                      told = true;
                    });
  CHECK(told);  // refused here, on this thread
}

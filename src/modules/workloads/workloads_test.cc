#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "base/format.h"
#include "base/yaml.h"
#include "modules/scheduling/controller.h"
#include "modules/workloads/controllers.h"
#include "modules/workloads/deployment_plan.h"
#include "modules/workloads/replica_plan.h"
#include "node/testing/pod_world.h"

using namespace mk;
using namespace mk::workloads;
using node::testing::kImage;
using node::testing::PodWorld;

namespace {

Json yaml(std::string_view text) {
  return parse_yaml(text).value()[0];
}

std::string deployment(int replicas, std::string_view version, std::string_view more = "") {
  return fmt::format(
      "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{replicas: {}, {} selector: "
      "{{matchLabels: "
      "{{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: main, "
      "image: 'any:{}', "
      "command: [serve], readinessProbe: {{httpGet: {{port: 80}}, periodSeconds: 1}}}}]}}}}}}}}",
      replicas, more, version);
}

// Deployments, the scheduler and a node that runs Pods.
struct Cluster : PodWorld {
  explicit Cluster(core::testing::TestWorld::Options options = {}) : PodWorld(options) {
    for (core::Controller& controller : make_controllers()) world.add(std::move(controller));
    world.add(scheduling::make_controller());
    begin();
    world.apply(kImage);
  }
  std::vector<Json> pods(std::string_view version = "") const {
    std::vector<Json> found;
    for (const Json& pod : world.list("pods"))
      if (pod.at({"spec", "containers"})[0]["image"].text().ends_with(version)) found.push_back(pod);
    return found;
  }
  int64_t ready_pods() const {
    const auto all = world.list("pods");
    return std::count_if(all.begin(), all.end(), [&](const Json& pod) {
      return !pod["metadata"].contains("deletionTimestamp") && ready(pod.at({"metadata", "name"}).text());
    });
  }
  // What `kubectl rollout status` reads.
  std::string rollout() const {
    const Json web = world.get("deployments.apps", "web");
    const Json& status = web["status"];
    for (const Json& condition : status["conditions"].items())
      if (condition["reason"].text() == "ProgressDeadlineExceeded") return "deadline exceeded";
    if (status["observedGeneration"].integer() < web.at({"metadata", "generation"}).integer())
      return "not observed";
    if (status["updatedReplicas"].integer() < web.at({"spec", "replicas"}).integer()) return "updating";
    if (status["replicas"].integer() > status["updatedReplicas"].integer()) return "old ones leaving";
    if (status["availableReplicas"].integer() < status["updatedReplicas"].integer()) return "waiting";
    return "done";
  }
};

}  // namespace

TEST_CASE("workloads: replicas are made and removed") {
  const Json set = yaml(
      "{metadata: {name: web-1, namespace: d, uid: u1, generation: 4}, spec: {replicas: 2, template: "
      "{metadata: {labels: {app: "
      "web}}}}}");
  const Time now = Time::from_ms(1'700'000'000'000);
  const auto replica = [&](std::string name, bool ready, int64_t age_s, bool bound = true) {
    Replica r;
    r.key = {"pods", "d", name};
    r.uid = name;
    r.bound = r.running = bound;
    r.created = {now.nanoseconds - age_s * 1'000'000'000};
    if (ready) r.ready_since = {now.nanoseconds - 1'000'000'000};
    return r;
  };
  ReplicaPlan plan = plan_replicas(set, {}, now);
  CHECK(plan.create == std::vector{replica_name(set, 0), replica_name(set, 1)});
  CHECK(plan.status["observedGeneration"].integer() == 4);
  // A name that is taken by one that leaves is not used again yet.
  Replica leaving = replica(replica_name(set, 0), true, 9);
  leaving.leaving = true;
  CHECK(plan_replicas(set, {leaving}, now).create == std::vector{replica_name(set, 1), replica_name(set, 2)});
  plan = plan_replicas(set,
                       {replica("old", true, 100), replica("unready", false, 50), replica("young", true, 10),
                        replica("unbound", false, 200, false)},
                       now);
  REQUIRE(plan.remove.size() == 2);
  CHECK(plan.remove[0].key.name == "unbound");
  CHECK(plan.remove[1].key.name == "unready");
  CHECK(plan.status["readyReplicas"].integer() == 2);
  // minReadySeconds: ready is not available yet.
  Json slow = set;
  slow["spec"]["minReadySeconds"] = 10;
  plan = plan_replicas(slow, {replica("a", true, 9), replica("b", true, 9)}, now);
  CHECK(plan.status["availableReplicas"].integer() == 0);
  CHECK(plan.again->ms() == 9000);
}

TEST_CASE("workloads: how far a rolling update may go") {
  const struct {
    const char* spec;
    int64_t surge, unavailable;
  } cases[] = {
      {"{replicas: 4}", 1, 1},
      {"{replicas: 1}", 1, 0},
      {"{replicas: 10, strategy: {rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}}", 3, 2},
      {"{replicas: 3, strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}}", 0, 1},
      {"{replicas: 3, strategy: {rollingUpdate: {maxSurge: 100%, maxUnavailable: 0}}}", 3, 0},
      {"{replicas: 3, strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 9}}}", 0, 3},
      {"{replicas: 3, strategy: {type: Recreate}}", 0, 3},
  };
  for (const auto& wanted : cases) {
    CAPTURE(wanted.spec);
    const Fences fence = fences(Json::object({{"spec", yaml(wanted.spec)}}));
    CHECK(fence.surge == wanted.surge);
    CHECK(fence.unavailable == wanted.unavailable);
  }
}

TEST_CASE("workloads: a Deployment rolls out, rolls over and back, never below its fence") {
  for (const bool lag : {false, true}) {
    for (uint64_t seed = 1; seed <= (lag ? 12u : 1u); ++seed) {
      CAPTURE(lag);
      CAPTURE(seed);
      Cluster c({.seed = seed, .cluster_like = lag});
      c.world.apply(deployment(4, "1"));
      c.world.calm(30_s);
      REQUIRE(c.rollout() == "done");
      CHECK(c.ready_pods() == 4);
      c.world.apply(deployment(4, "2"));
      // maxUnavailable is 1: true at every moment on a store that does not lag.
      for (int i = 0; i < 200; ++i) {
        c.world.run_for(50_ms);
        if (!lag) CHECK(c.ready_pods() >= 3);
        if (!lag) CHECK(c.world.list("pods").size() <= 5u + 4u);
      }
      c.world.calm(30_s);
      CHECK(c.rollout() == "done");
      CHECK(c.pods("2").size() == 4);
      CHECK(c.pods("1").empty());
      CHECK(c.world.get("deployments.apps", "web")
                .at({"metadata", "annotations"})["deployment.kubernetes.io/revision"]
                .text() == "2");
      c.world.apply(deployment(4, "1"));
      c.world.calm(30_s);
      CHECK(c.pods("1").size() == 4);
      CHECK(c.world.list("replicasets.apps").size() == 2);
      CHECK(c.world.get("deployments.apps", "web")
                .at({"metadata", "annotations"})["deployment.kubernetes.io/revision"]
                .text() == "3");
      c.restart();
      c.world.apply(deployment(1, "1"));
      c.world.calm(30_s);
      CHECK(c.pods().size() == 1);
      CHECK(c.processes.running().size() == 1);
      c.world.remove("deployments.apps", "web");
      c.world.calm(60_s);
      CHECK(c.world.list("replicasets.apps").empty());
      CHECK(c.world.list("pods").empty());
      CHECK(c.processes.running().empty());
    }
  }
}

TEST_CASE("workloads: a version that never gets ready keeps the old one and misses its deadline") {
  Cluster c;
  c.world.apply(deployment(2, "1", "progressDeadlineSeconds: 20,"));
  c.world.run_for(5_s);
  REQUIRE(c.rollout() == "done");
  std::set<std::string> good;
  for (const Json& pod : c.pods()) good.insert(std::string(pod.at({"status", "podIP"}).text()));
  // Every address but those that are in use already fails its probes.
  for (int i = 0; i < 256; ++i) {
    const Json pod = c.pods()[0];
    std::string address(pod.at({"status", "podIP"}).text());
    address = address.substr(0, address.rfind('.') + 1) + fmt::format("{}", i);
    if (!good.contains(address)) c.probes->sick.insert(address);
  }
  c.world.apply(deployment(2, "2", "progressDeadlineSeconds: 20,"));
  c.world.run_for(10_s);
  CHECK(c.rollout() != "done");
  CHECK(c.ready_pods() == 2);
  c.world.run_for(30_s);
  CHECK(c.rollout() == "deadline exceeded");
  CHECK(c.ready_pods() == 2);
  c.world.apply(deployment(2, "1", "progressDeadlineSeconds: 20,"));
  c.world.run_for(10_s);
  CHECK(c.rollout() == "done");
}

TEST_CASE("workloads: Recreate never runs two versions at once") {
  Cluster c;
  c.processes.obey_stop = false;
  c.world.apply(deployment(2, "1", "strategy: {type: Recreate},"));
  c.world.run_for(5_s);
  REQUIRE(c.rollout() == "done");
  const auto first = c.processes.running();
  c.world.apply(deployment(2, "2", "strategy: {type: Recreate},"));
  c.world.run_for(5_s);
  CHECK(c.processes.running() == first);
  for (const std::string& folder : first) c.processes.exit(folder, 143);
  c.world.run_for(5_s);
  CHECK(c.rollout() == "done");
  CHECK(c.pods("1").empty());
}

TEST_CASE("workloads: a Pod that is deleted is replaced, a crashed one restarts in place") {
  Cluster c;
  c.world.apply(deployment(2, "1"));
  c.world.run_for(5_s);
  const std::string name(c.pods()[0].at({"metadata", "name"}).text());
  c.world.remove("pods", name);
  c.world.run_for(5_s);
  CHECK(c.rollout() == "done");
  CHECK(c.pods().size() == 2);
  c.processes.exit(c.processes.running()[0], 1);
  c.world.run_for(10_ms);
  CHECK(c.ready_pods() == 1);
  c.world.run_for(5_s);
  CHECK(c.ready_pods() == 2);
  CHECK(c.pods().size() == 2);
}

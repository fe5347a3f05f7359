#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "base/format.h"
#include "modules/scheduling/controller.h"
#include "modules/workloads/controllers.h"
#include "node/testing/pod_world.h"

using namespace mk;
using namespace mk::workloads;
using node::testing::kImage;
using node::testing::PodWorld;

namespace {

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

TEST_CASE("rollout: a Deployment rolls out, rolls over and back, never below its fence") {
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

TEST_CASE("rollout: a version that never gets ready keeps the old one and misses its deadline") {
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

TEST_CASE("rollout: Recreate never runs two versions at once") {
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

TEST_CASE("rollout: a Pod that is deleted is replaced, a crashed one restarts in place") {
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

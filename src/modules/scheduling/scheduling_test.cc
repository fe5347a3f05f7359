#include <doctest/doctest.h>

#include "base/format.h"
#include "base/yaml.h"
#include "modules/scheduling/controller.h"
#include "modules/scheduling/plan.h"
#include "node/testing/pod_world.h"

using namespace mk;
using namespace mk::scheduling;
using node::testing::kImage;
using node::testing::PodWorld;

namespace {

Json yaml(std::string_view text) {
  return parse_yaml(text).value()[0];
}

Room room(std::string name, std::string_view allocatable, std::string_view used = "{}") {
  Room made =
      room_of(yaml(fmt::format("{{metadata: {{name: {}}}, status: {{allocatable: {}, conditions: [{{type: "
                               "Ready, status: 'True'}}]}}}}",
                               name, allocatable)));
  const Json taken = yaml(used);
  for (const auto& [key, value] : taken.members()) made.used[key] = Quantity::parse(value.text()).value();
  return made;
}

Json pod(std::string_view resources, std::string_view spec = "") {
  return yaml(fmt::format("{{spec: {{{} containers: [{{resources: {}}}]}}}}", spec, resources));
}

}  // namespace

TEST_CASE("scheduling: where a Pod goes, or the one sentence why nowhere") {
  const std::vector<Room> one = {room("a", "{cpu: '4', memory: 8Gi, pods: '3'}", "{cpu: 3500m}")};
  std::vector<Room> two = {
      one[0], room("b", "{cpu: '8', memory: 8Gi, nvidia.com/gpu: '2', pods: '10'}", "{nvidia.com/gpu: '1'}")};
  std::vector<Room> full = one;
  full[0].pods = 3;
  std::vector<Room> tainted = one;
  tainted[0].taints = yaml("[{key: gpu, effect: NoSchedule}]");
  std::vector<Room> cordoned = one;
  cordoned[0].open = false;
  const struct {
    const char* name;
    const std::vector<Room>* rooms;
    Json pod;
    const char *node, *why;
  } cases[] = {
      {"nothing asked", &one, pod("{}"), "a", ""},
      {"fits", &one, pod("{requests: {cpu: 500m}}"), "a", ""},
      {"the emptier one", &two, pod("{requests: {cpu: 100m}}"), "b", ""},
      {"limits stand for requests", &one, pod("{limits: {cpu: 1}}"), "", "needs 1 cpu; 500m of 4 is free"},
      {"no gpu anywhere", &one, pod("{limits: {nvidia.com/gpu: 1}}"), "",
       "needs 1 nvidia.com/gpu; no node has one"},
      {"not so many", &two, pod("{limits: {nvidia.com/gpu: 4}}"), "",
       "needs 4 nvidia.com/gpu; the largest node has 2"},
      {"in use", &two, pod("{limits: {nvidia.com/gpu: 2}}"), "", "needs 2 nvidia.com/gpu; 1 of 2 is free"},
      {"too many Pods", &full, pod("{}"), "", "no node runs another Pod: 3 of 3 run"},
      {"selector", &one, pod("{}", "nodeSelector: {disk: ssd},"), "",
       "its nodeSelector wants disk=ssd, which node a does not have"},
      {"taint", &tainted, pod("{}"), "", "node a has the taint gpu, which the Pod does not tolerate"},
      {"tolerated", &tainted, pod("{}", "tolerations: [{key: gpu, operator: Exists}],"), "a", ""},
      {"cordoned", &cordoned, pod("{}"), "", "node a is cordoned"},
  };
  for (const auto& wanted : cases) {
    CAPTURE(wanted.name);
    const Placement placement = place(wanted.pod, *wanted.rooms);
    CHECK(placement.node == wanted.node);
    CHECK(placement.why == wanted.why);
  }
  CHECK(place(pod("{}"), {}).why == "no node is registered");
  const Resources sum =
      requests(yaml("{spec: {initContainers: [{resources: {requests: {cpu: 3}}}], containers: [{resources: "
                    "{requests: {cpu: 1, memory: "
                    "1Gi}}}, {resources: {requests: {cpu: 500m}}}]}}"));
  CHECK(sum.at("cpu").text() == "3");
  CHECK(sum.at("memory").text() == "1Gi");
}

TEST_CASE("scheduling: Pods are bound as there is room, on our store and on one that lags") {
  for (const bool lag : {false, true}) {
    for (uint64_t seed = 1; seed <= (lag ? 12u : 1u); ++seed) {
      CAPTURE(lag);
      CAPTURE(seed);
      PodWorld w({.seed = seed, .cluster_like = lag});
      w.world.add(make_controller());
      w.begin();
      w.world.apply(kImage);
      // The node has 4 CPUs.
      for (int i = 0; i < 6; ++i)
        w.world.apply(fmt::format(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p{}}}, spec: {{containers: [{{name: main, image: "
            "'a:1', command: [x], resources: {{requests: {{cpu: 1}}}}}}]}}}}",
            i));
      w.world.run_for(10_s);
      CHECK(w.processes.running().size() <= 4);
      w.world.calm(60_s);
      CHECK(w.processes.running().size() == 4);
      std::string waits, runs;
      for (const Json& each : w.world.list("pods"))
        (each.at({"spec", "nodeName"}).text().empty() ? waits : runs) = each.at({"metadata", "name"}).text();
      REQUIRE_FALSE(waits.empty());
      const Json waiting = w.world.get("pods", waits);
      CHECK(waiting.at({"status", "conditions"})[0]["reason"].text() == "Unschedulable");
      CHECK(waiting.at({"status", "conditions"})[0]["message"].text() == "needs 1 cpu; 0 of 4 is free");
      if (!lag)
        CHECK(w.world.events(waits)[0].find("Warning FailedScheduling: needs 1 cpu; 0 of 4 is free") == 0);
      w.world.remove("pods", runs);
      w.world.calm(60_s);
      CHECK(w.processes.running().size() == 4);
    }
  }
}

#include <doctest/doctest.h>

#include "base/yaml.h"
#include "modules/workloads/deployment_plan.h"
#include "modules/workloads/replica_plan.h"

using namespace mk;
using namespace mk::workloads;

namespace {

Json yaml(std::string_view text) {
  return parse_yaml(text).value()[0];
}

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
  // The clock was set back by an hour: nobody waits for it to catch up.
  plan = plan_replicas(slow, {replica("a", true, 9), replica("b", true, 9)}, Time::from_ms(now.ms() - 3'600'000));
  CHECK(plan.status["availableReplicas"].integer() == 2);
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

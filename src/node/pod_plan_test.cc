#include "node/pod_plan.h"

#include <doctest/doctest.h>

#include "base/yaml.h"
#include "node/pod_status.h"

using namespace mk;
using namespace mk::node;
using Kind = Action::Kind;
using os::ProcessState;

namespace {

constexpr Time kNow = Time::from_ms(1'700'000'000'000);

PodSpec pod(RestartPolicy restart, size_t containers = 1, size_t inits = 0) {
  PodSpec spec;
  spec.space = "default";
  spec.name = "web-0";
  spec.uid = "u1";
  spec.restart = restart;
  for (size_t i = 0; i < containers; ++i) spec.containers.push_back({.name = i == 0 ? "web" : "side"});
  for (size_t i = 0; i < inits; ++i) spec.inits.push_back({.name = "init"});
  return spec;
}

Life running(int number = 0) {
  Life life{.number = number, .started = true, .ready = true};
  life.run = {.phase = ProcessState::Phase::kRunning, .pid = 7, .started = kNow};
  return life;
}

Life exited(int code, Duration ago, Duration ran = 1_s, int crashes = 0, int number = 0) {
  Life life{.number = number, .crashes = crashes};
  life.run = {
      .phase = ProcessState::Phase::kExited, .exit_code = code, .reason = code == 0 ? "Completed" : "Error"};
  life.run.finished = {kNow.nanoseconds - ago.nanoseconds};
  life.run.started = {life.run.finished.nanoseconds - ran.nanoseconds};
  return life;
}

Seen seen(std::vector<Life> containers, std::vector<Life> inits = {}) {
  return {.inits = std::move(inits), .containers = std::move(containers), .now = kNow};
}

Action start(int number, int crashes, bool init = false, size_t container = 0) {
  return {.kind = Kind::kStart, .init = init, .container = container, .number = number, .crashes = crashes};
}

}  // namespace

TEST_CASE("pod_plan: what one container's state leads to") {
  Life cut_off{.number = 3, .crashes = 2};
  Life sick = running();
  sick.unhealthy = true;
  Life sick_and_told = sick;
  sick_and_told.stopping = true;
  Life no_image;
  no_image.waiting_reason = "ErrImagePull";
  using P = RestartPolicy;
  const struct {
    const char* name;
    P policy;
    Life life;
    std::vector<Action> actions;
    Phase phase;
    Doing doing;
    int64_t again_ms;
  } cases[] = {
      {"a new one starts", P::kAlways, {}, {start(0, 0)}, Phase::kPending, Doing::kStarting, 0},
      {"one without image waits", P::kAlways, no_image, {}, Phase::kPending, Doing::kCannotStart, 0},
      {"a start cut off is done again",
       P::kAlways,
       cut_off,
       {start(3, 2)},
       Phase::kRunning,
       Doing::kStarting,
       0},
      {"a running one is left alone", P::kAlways, running(), {}, Phase::kRunning, Doing::kRunning, 0},
      {"the first crash waits 1 s",
       P::kAlways,
       exited(1, 200_ms),
       {},
       Phase::kRunning,
       Doing::kBackingOff,
       800},
      {"and starts then", P::kAlways, exited(1, 1_s), {start(1, 1)}, Phase::kRunning, Doing::kStarting, 0},
      {"a good end restarts too",
       P::kAlways,
       exited(0, 1_s),
       {start(1, 1)},
       Phase::kRunning,
       Doing::kStarting,
       0},
      {"an end that lies ahead: the clock was set back",
       P::kAlways,
       exited(1, Duration::from_seconds(-3600)),
       {start(1, 1)},
       Phase::kRunning,
       Doing::kStarting,
       0},
      {"the fifth waits 16 s",
       P::kAlways,
       exited(1, 6_s, 1_s, 4, 4),
       {},
       Phase::kRunning,
       Doing::kBackingOff,
       10'000},
      {"never over 5 min",
       P::kAlways,
       exited(1, 0_s, 1_s, 40, 40),
       {},
       Phase::kRunning,
       Doing::kBackingOff,
       300'000},
      {"a long life is forgiven",
       P::kAlways,
       exited(1, 1_s, 700_s, 9, 9),
       {start(10, 1)},
       Phase::kRunning,
       Doing::kStarting,
       0},
      {"OnFailure: success is the end",
       P::kOnFailure,
       exited(0, 1_s),
       {},
       Phase::kSucceeded,
       Doing::kDone,
       0},
      {"OnFailure: failure restarts",
       P::kOnFailure,
       exited(2, 1_s),
       {start(1, 1)},
       Phase::kRunning,
       Doing::kStarting,
       0},
      {"Never: failure is the end", P::kNever, exited(2, 1_s), {}, Phase::kFailed, Doing::kDone, 0},
      {"Never: success is the end", P::kNever, exited(0, 1_s), {}, Phase::kSucceeded, Doing::kDone, 0},
      {"a sick one is stopped",
       P::kAlways,
       sick,
       {{.kind = Kind::kStop, .grace = 30_s}},
       Phase::kRunning,
       Doing::kRunning,
       0},
      {"once", P::kAlways, sick_and_told, {}, Phase::kRunning, Doing::kRunning, 0},
  };
  for (const auto& wanted : cases) {
    CAPTURE(wanted.name);
    const Plan plan = plan_pod(pod(wanted.policy), seen({wanted.life}));
    CHECK(plan.actions == wanted.actions);
    CHECK(plan.phase == wanted.phase);
    CHECK(plan.containers[0] == wanted.doing);
    CHECK(plan.again.value_or(0_s).ms() == wanted.again_ms);
  }
}

TEST_CASE("pod_plan: the phase is of all containers together") {
  using P = RestartPolicy;
  CHECK(plan_pod(pod(P::kNever, 2), seen({exited(0, 1_s), running()})).phase == Phase::kRunning);
  CHECK(plan_pod(pod(P::kNever, 2), seen({exited(0, 1_s), exited(0, 1_s)})).phase == Phase::kSucceeded);
  CHECK(plan_pod(pod(P::kNever, 2), seen({exited(1, 1_s), exited(0, 1_s)})).phase == Phase::kFailed);
  CHECK(plan_pod(pod(P::kAlways, 2), seen({running(), {}})).phase == Phase::kPending);
}

TEST_CASE("pod_plan: init containers run one after the other before the rest") {
  using P = RestartPolicy;
  Plan plan = plan_pod(pod(P::kAlways, 1, 2), seen({{}}, {{}, {}}));
  CHECK(plan.actions == std::vector{start(0, 0, true)});
  CHECK(plan.inits == std::vector{Doing::kStarting, Doing::kWaitingForInit});
  CHECK(plan.containers[0] == Doing::kWaitingForInit);
  CHECK_FALSE(plan.initialized);
  plan = plan_pod(pod(P::kAlways, 1, 2), seen({{}}, {exited(0, 1_s), {}}));
  CHECK(plan.actions == std::vector{start(0, 0, true, 1)});
  plan = plan_pod(pod(P::kAlways, 1, 2), seen({{}}, {exited(0, 1_s), exited(1, 1_s)}));
  CHECK(plan.actions == std::vector{start(1, 1, true, 1)});
  plan = plan_pod(pod(P::kNever, 1, 2), seen({{}}, {exited(0, 1_s), exited(1, 1_s)}));
  CHECK(plan.actions.empty());
  CHECK(plan.phase == Phase::kFailed);
  plan = plan_pod(pod(P::kAlways, 1, 2), seen({{}}, {exited(0, 1_s), exited(0, 1_s)}));
  CHECK(plan.actions == std::vector{start(0, 0)});
  CHECK(plan.initialized);
}

TEST_CASE("pod_plan: a deleted Pod is stopped, then forgotten, and nothing starts") {
  Seen now = seen({running(), exited(1, 9_s)});
  now.gone = true;
  PodSpec spec = pod(RestartPolicy::kAlways, 2);
  spec.grace = 5_s;
  CHECK(plan_pod(spec, now).actions == std::vector{Action{.kind = Kind::kStop, .grace = 5_s}});
  now.containers[0].stopping = true;
  CHECK(plan_pod(spec, now).actions.empty());
  now.containers[0] = exited(143, 0_s);
  CHECK(plan_pod(spec, now).actions == std::vector{Action{.kind = Kind::kForget}});
  Seen never = seen({{}, {}});
  never.gone = true;
  CHECK(plan_pod(spec, never).actions == std::vector{Action{.kind = Kind::kForget}});
}

TEST_CASE("pod_status: reads as kubectl expects, and does not change when nothing has") {
  const Json object = parse_yaml(R"(
metadata: {name: web-0, namespace: default, uid: u1}
spec: {containers: [{name: web, image: x, resources: {limits: {cpu: 1, memory: 1Gi}}}]}
)")
                          .value()[0];
  PodSpec spec = read_pod(object).value();
  const Place place{
      .pod_ip = "127.64.0.1", .host_ip = "127.0.0.1", .uid = 200001, .own_uid = true, .started = kNow};
  const auto status = [&](const Json& before, const Life& life) {
    Json with = object;
    with["status"] = before;
    const Seen now = seen({life});
    return pod_status(with, spec, now, plan_pod(spec, now), place);
  };
  const auto condition = [](const Json& all, std::string_view type) {
    for (const Json& each : all["conditions"].items())
      if (each["type"].text() == type)
        return std::string(each["status"].text()) + " " + std::string(each["reason"].text());
    return std::string("absent");
  };
  Life waits;
  waits.waiting_reason = "ErrImagePull";
  waits.waiting_message = "no image";
  Json pending = status({}, waits);
  CHECK(pending["phase"].text() == "Pending");
  CHECK(pending["qosClass"].text() == "Guaranteed");
  CHECK(pending["containerStatuses"][0].at({"state", "waiting", "reason"}).text() == "ErrImagePull");
  CHECK(condition(pending, "Ready") == "False ContainersNotReady");
  const Json up = status(pending, running());
  CHECK(up["phase"].text() == "Running");
  CHECK(up["podIP"].text() == "127.64.0.1");
  CHECK(condition(up, "Ready") == "True ");
  CHECK(up["containerStatuses"][0]["ready"].boolean());
  CHECK(up["containerStatuses"][0]["restartCount"].integer() == 0);
  CHECK(status(up, running()) == up);
  const Json crashing = status(up, exited(3, 500_ms, 1_s, 2, 2));
  CHECK(crashing["phase"].text() == "Running");
  CHECK(crashing["containerStatuses"][0].at({"state", "waiting", "reason"}).text() == "CrashLoopBackOff");
  CHECK(crashing["containerStatuses"][0].at({"lastState", "terminated", "exitCode"}).integer() == 3);
  CHECK(crashing["containerStatuses"][0]["restartCount"].integer() == 2);
  CHECK(condition(crashing, "Ready") == "False ContainersNotReady");
  spec.restart = RestartPolicy::kNever;
  const Json done = status(up, exited(0, 500_ms));
  CHECK(done["phase"].text() == "Succeeded");
  CHECK(condition(done, "Ready") == "False PodCompleted");
  CHECK(done["containerStatuses"][0].at({"state", "terminated", "reason"}).text() == "Completed");
}

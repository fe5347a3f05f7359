#include "node/pod_plan.h"

#include <algorithm>

#include "node/limits.h"

namespace mk::node {
namespace {

struct Step {
  Doing doing = Doing::kDone;
  std::optional<Action> action;
  std::optional<Duration> wait;
};

Step begin(const Life& life, int number, int crashes) {
  if (!life.waiting_reason.empty()) return {Doing::kCannotStart, {}, {}};
  Action start{.kind = Action::Kind::kStart, .number = number, .crashes = crashes};
  return {Doing::kStarting, start, {}};
}

Step step(const PodSpec& spec, bool init, const Life& life, Time now) {
  if (life.number < 0) return begin(life, 0, 0);
  switch (life.run.phase) {
    case os::ProcessState::Phase::kAbsent:  // cut off between the decision and the start
      return begin(life, life.number, life.crashes);
    case os::ProcessState::Phase::kRunning: {
      Step running{Doing::kRunning, {}, {}};
      if (life.unhealthy && !life.stopping)
        running.action = Action{.kind = Action::Kind::kStop, .grace = spec.grace};
      return running;
    }
    case os::ProcessState::Phase::kExited:
      break;
  }
  if (!restarts(spec.restart, init, life)) return {};
  const int crashes = crashes_after(life);
  const Time due = life.run.finished + backoff(crashes);
  // An end that lies ahead of us: the clock was set back. Nobody is to wait for it to catch up.
  if (now >= due || now < life.run.finished) return begin(life, life.number + 1, crashes);
  return {Doing::kBackingOff, {}, due - now};
}

void wait_at_most(std::optional<Duration>& again, Duration wait) {
  if (!again || wait < *again) again = wait;
}

Plan wind_down(const PodSpec& spec, const Seen& seen) {
  Plan plan;
  bool any = false, failed = false;
  const auto stop_all = [&](const std::vector<Life>& lives, bool init, std::vector<Doing>& doing) {
    for (size_t i = 0; i < lives.size(); ++i) {
      doing.push_back(lives[i].run.running() ? Doing::kRunning : Doing::kDone);
      failed = failed || (lives[i].run.exited() && lives[i].run.exit_code != 0);
      if (!lives[i].run.running()) continue;
      any = true;
      if (!lives[i].stopping)
        plan.actions.push_back(
            {.kind = Action::Kind::kStop, .init = init, .container = i, .grace = spec.grace});
    }
  };
  stop_all(seen.inits, true, plan.inits);
  stop_all(seen.containers, false, plan.containers);
  plan.initialized = true;
  plan.phase = any ? Phase::kRunning : failed ? Phase::kFailed : Phase::kSucceeded;
  if (!any) plan.actions.push_back({.kind = Action::Kind::kForget});
  return plan;
}

// Init containers one after the other. True when all are done.
bool plan_inits(const PodSpec& spec, const Seen& seen, Plan& plan) {
  bool all_done = true;
  for (size_t i = 0; i < seen.inits.size(); ++i) {
    const Life& life = seen.inits[i];
    if (!all_done) {
      plan.inits.push_back(Doing::kWaitingForInit);
      continue;
    }
    Step next = step(spec, true, life, seen.now);
    plan.inits.push_back(next.doing);
    if (next.action) {
      next.action->init = true;
      next.action->container = i;
      plan.actions.push_back(*next.action);
    }
    if (next.wait) wait_at_most(plan.again, *next.wait);
    if (next.doing == Doing::kDone && life.run.exit_code != 0) plan.phase = Phase::kFailed;
    all_done = next.doing == Doing::kDone && life.run.exit_code == 0;
  }
  return all_done;
}

}  // namespace

bool restarts(RestartPolicy policy, bool init, const Life& life) {
  const bool ok = life.run.exit_code == 0;
  if (init) return !ok && policy != RestartPolicy::kNever;
  return policy == RestartPolicy::kAlways || (policy == RestartPolicy::kOnFailure && !ok);
}

Duration backoff(int crashes) {
  Duration wait = kBackoffFirst;
  for (int i = 1; i < crashes && wait < kBackoffMax; ++i) wait = wait * 2;
  return std::min(wait, kBackoffMax);
}

int crashes_after(const Life& life) {
  return life.run.finished - life.run.started >= kBackoffForgiven ? 1 : life.crashes + 1;
}

Plan plan_pod(const PodSpec& spec, const Seen& seen) {
  if (seen.gone) return wind_down(spec, seen);
  Plan plan;
  // The main containers of a Pod whose containers have begun before are not held up by init containers again.
  const bool begun = std::any_of(seen.containers.begin(), seen.containers.end(),
                                 [](const Life& life) { return life.number >= 0; });
  plan.initialized = begun || plan_inits(spec, seen, plan);
  if (begun) plan.inits.assign(seen.inits.size(), Doing::kDone);
  if (!plan.initialized) {
    plan.containers.assign(seen.containers.size(), Doing::kWaitingForInit);
    return plan;
  }
  bool all_done = true, all_ok = true, all_begun = true;
  for (size_t i = 0; i < seen.containers.size(); ++i) {
    const Life& life = seen.containers[i];
    Step next = step(spec, false, life, seen.now);
    plan.containers.push_back(next.doing);
    if (next.action) {
      next.action->container = i;
      plan.actions.push_back(*next.action);
    }
    if (next.wait) wait_at_most(plan.again, *next.wait);
    all_done = all_done && next.doing == Doing::kDone;
    all_ok = all_ok && life.run.exit_code == 0;
    all_begun = all_begun && life.number >= 0;
  }
  if (all_done && !seen.containers.empty())
    plan.phase = all_ok ? Phase::kSucceeded : Phase::kFailed;
  else
    plan.phase = all_begun ? Phase::kRunning : Phase::kPending;
  return plan;
}

}  // namespace mk::node

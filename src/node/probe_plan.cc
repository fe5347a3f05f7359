#include "node/probe_plan.h"

#include <algorithm>

#include "node/limits.h"

namespace mk::node {

ProbeVerdict judge(const Probe& probe, bool hasty, ProbeState& state, bool ok, Duration now) {
  const bool quick = hasty && !state.ever_passed;
  if (ok) {
    state.failures = 0;
    if (++state.successes >= probe.successes) state.passed = state.ever_passed = true;
    // The rest of the wanted successes come quickly too, the first time.
    return {quick && !state.passed ? kProbeFirst : probe.period, false};
  }
  state.successes = 0;
  Duration next = probe.period;
  bool counts = true;
  if (quick) {
    state.quick =
        state.quick == Duration{} ? kProbeFirst : std::min(state.quick * kProbeFirstFactor, probe.period);
    next = state.quick;
    counts = now - state.counted >= probe.period;
  }
  if (!counts) return {next, false};
  state.counted = now;
  if (++state.failures >= probe.failures) {
    state.passed = false;
    state.gave_up = true;
  }
  return {next, true};
}

}  // namespace mk::node

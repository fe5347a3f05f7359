// What probe results mean. Pure.
#pragma once
#include "base/time.h"
#include "node/pod_spec.h"

namespace mk::node {

// Of one probe of one life. Times are monotonic.
struct ProbeState {
  int successes = 0, failures = 0;  // in a row
  bool passed = false;              // as often right in a row as asked, and not failed since
  bool gave_up = false;             // startup and liveness: as often wrong in a row as allowed
  bool ever_passed = false;
  Duration quick;    // the wait before the last quick try; zero = none yet
  Duration counted;  // when a failure last counted
};

struct ProbeVerdict {
  Duration next;        // wait until the next try
  bool report = false;  // a failure that counts: worth an event
};

// Until a startup or readiness probe first succeeds it is also tried between its periods, in short but
// growing steps, so that a quick program is ready quickly; such failures count only once a period, as if they
// had not been.
ProbeVerdict judge(const Probe& probe, bool hasty, ProbeState& state, bool ok, Duration now);

}  // namespace mk::node

// Decides what the node must do so that one Pod runs as declared.
// Pure: no clock, no processes, no files. The same Pod seen the same way gives the same actions.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "node/pod_spec.h"
#include "os/processes.h"

namespace mk::node {

// One container as it stands. A container's lives are numbered from 0; each is one run of its process.
struct Life {
  int number = -1;                         // of the current life; -1 = never begun
  int crashes = 0;                         // ends in a row before this life, none after a long run
  os::ProcessState run;                    // of the current life
  std::optional<os::ProcessState> before;  // how the life before it ended
  bool stopping = false;                   // we asked it to stop
  bool unhealthy = false;                  // its liveness or startup probe gave up on it
  bool started = false, ready = false;     // what startup and readiness probes say while it runs
  std::string waiting_reason,
      waiting_message;  // why it cannot start yet ("ErrImagePull"); empty = nothing is missing
};

struct Seen {
  std::vector<Life> inits, containers;  // as in the Pod
  bool gone = false;                    // deleted: wind down
  Time now;
};

struct Action {
  enum class Kind : uint8_t {
    kStart,   // begin the life `number` (its folder may exist when a start was cut off)
    kStop,    // ask the current life to stop
    kForget,  // all is still: take away folders and, when it is being deleted, the Pod
  } kind = Kind::kStart;
  bool init = false;
  size_t container = 0;
  int number = 0, crashes = 0;  // kStart: of the new life
  Duration grace;               // kStop
  bool operator==(const Action&) const = default;
};

enum class Phase : uint8_t { kPending, kRunning, kSucceeded, kFailed };

// What one container does now, for its status.
enum class Doing : uint8_t { kWaitingForInit, kCannotStart, kStarting, kRunning, kBackingOff, kDone };

struct Plan {
  std::vector<Action> actions;
  std::optional<Duration> again;  // look again after this long
  Phase phase = Phase::kPending;
  std::vector<Doing> inits, containers;
  bool initialized = false;
};

Plan plan_pod(const PodSpec& spec, const Seen& seen);

// Whether a container whose life has ended gets another.
bool restarts(RestartPolicy policy, bool init, const Life& life);
// How long a container waits before its next life after `crashes` ends in a row (1 = the first).
Duration backoff(int crashes);
// Ends in a row once `life` has ended.
int crashes_after(const Life& life);

}  // namespace mk::node

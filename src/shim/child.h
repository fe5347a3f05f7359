// From the shim's fork to the Pod's own program.
#pragma once
#include <sys/types.h>

#include "shim/spec.h"

namespace mk::shim {

// What went wrong before the program ran.
struct StartFailure {
  int error = 0;        // errno
  char step[120] = {};  // "run python3"
};

struct Child {
  pid_t pid = -1;          // as we see it, which may be from a pid namespace of our own
  pid_t machine_pid = -1;  // as the machine sees it
  int out = -1, err = -1;  // read ends of its stdout and stderr
  int64_t started_ns = 0;
};

// Forks and waits until the program runs or has failed to. On failure pid is -1.
Child start_child(const Spec& spec, StartFailure& failure);

}  // namespace mk::shim

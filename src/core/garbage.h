// Removes what its owners leave behind, and ends deletions that wait for dependents (foreground) or let them
// go (orphan). Level-triggered: it looks at one object and its owners now, not at what happened.
#pragma once
#include "core/controller.h"
#include "core/objects.h"

namespace mk::core {

// `objects` must outlive the host that runs it. Embedded mode only: a cluster has its own.
Controller garbage_collector(Objects& objects);

}  // namespace mk::core

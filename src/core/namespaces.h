// Ends namespaces: removes everything in one that is being deleted, then the namespace itself.
#pragma once
#include "core/controller.h"
#include "core/objects.h"

namespace mk::core {

// `objects` must outlive the host that runs it. Embedded mode only: a cluster has its own.
Controller namespace_controller(Objects& objects);

}  // namespace mk::core

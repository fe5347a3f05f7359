// Deployment -> ReplicaSet -> Pod.
#pragma once
#include <vector>

#include "core/controller.h"

namespace mk::workloads {

std::vector<core::Controller> make_controllers();

}  // namespace mk::workloads

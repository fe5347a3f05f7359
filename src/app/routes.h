// Routes that belong to no protocol.
#pragma once
#include <vector>

#include "api/route.h"

namespace mk::app {

// /health, /healthz, /livez and /readyz: alive and ready, for anyone.
std::vector<api::Route> health_routes();

}  // namespace mk::app

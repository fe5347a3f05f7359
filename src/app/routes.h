// Routes that belong to no protocol.
#pragma once
#include <vector>

#include "api/route.h"

namespace mk::app {

// /health, /healthz, /livez and /readyz: alive and ready, for anyone.
std::vector<api::Route> health_routes();

// GET /debug/routes, for the owner: every row of the table with what it asks of its caller.
api::Route route_list(const std::vector<api::Route>& all);

}  // namespace mk::app

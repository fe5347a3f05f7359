// Routes that belong to no protocol.
#pragma once
#include <vector>

#include "api/route.h"
#include "store/store.h"

namespace mk::app {

// /health, /healthz, /livez and /readyz, and each of their checks below them: alive and ready, for anyone.
// The store outlives the routes.
std::vector<api::Route> health_routes(const store::Store& store);

// GET /debug/routes, for the owner: every row of the table with what it asks of its caller.
api::Route route_list(const std::vector<api::Route>& all);

}  // namespace mk::app

// Routes that belong to no protocol.
#pragma once
#include <vector>

#include "api/route.h"
#include "store/store.h"

namespace mk::app {

// /health, /healthz and /livez: alive; /readyz: and able to write. For anyone. `store` outlives them.
std::vector<api::Route> health_routes(const store::Store& store);

// GET /debug/routes, for the owner: every row of the table with what it asks of its caller.
api::Route route_list(const std::vector<api::Route>& all);

}  // namespace mk::app

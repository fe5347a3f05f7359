// MLflow's REST routes for experiments, runs and metrics, and the small ones that clients probe.
#pragma once
#include <vector>

#include "api/route.h"
#include "modules/tracking/tracking.h"

namespace mk::api::mlflow {

// What /version says: clients switch features by it.
inline constexpr std::string_view kEmulatedVersion = "3.17.2";

std::vector<Route> tracking_routes(tracking::Tracking& tracking);

}  // namespace mk::api::mlflow

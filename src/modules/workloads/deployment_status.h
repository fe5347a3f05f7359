// A Deployment's status as kubectl rollout status reads it. Pure.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace mk::workloads {

struct DeploymentStatus {
  Json status;
  std::optional<Duration> again;  // until the progress deadline passes
};
// `fresh`: the ReplicaSet of the current template, null when not made yet.
DeploymentStatus deployment_status(const Json& deployment, const std::vector<Json>& replica_sets,
                                   const Json* fresh, int64_t unavailable_max, Time now);

}  // namespace mk::workloads

// Decides how a Deployment's ReplicaSets must change, and what its status says. Pure.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace mk::workloads {

struct DeploymentPlan {
  std::vector<Json> create;         // ReplicaSets, complete
  std::vector<Json> update;         // as read, changed (replicas, annotations)
  std::vector<std::string> remove;  // names of ReplicaSets beyond the history limit
  Json status;                      // of the Deployment
  std::string revision;             // its deployment.kubernetes.io/revision annotation
  std::vector<std::string> notes;   // "Scaled up replica set web-7f9c from 0 to 3"
  std::optional<Duration> again;    // until the progress deadline
};

// `replica_sets`: those that it controls.
DeploymentPlan plan_deployment(const Json& deployment, const std::vector<Json>& replica_sets, Time now);

// Names the template in ReplicaSets, selectors and Pods.
std::string template_hash(const Json& pod_template);

// "25%" of replicas or a number. Surge rounds up, unavailable down; not both zero.
struct Fences {
  int64_t surge = 0, unavailable = 0;
};
Fences fences(const Json& deployment);

}  // namespace mk::workloads

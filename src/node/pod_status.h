// A Pod's status in Kubernetes' words. Pure.
#pragma once
#include <string>

#include "base/json.h"
#include "node/pod_plan.h"

namespace mk::node {

// What the node knows beside the plan.
struct Place {
  std::string pod_ip, host_ip;
  std::string image_id_prefix = "modelkit://";
  uint32_t uid = 0;      // that the Pod's processes run as
  bool own_uid = false;  // false: the same as ours, which the status says
  Time started;          // when the node took the Pod
};

// The new status: `pod`'s own with what the node decides replaced; a condition's transition time moves only
// when its status does, so an unchanged Pod gives an unchanged status.
Json pod_status(const Json& pod, const PodSpec& spec, const Seen& seen, const Plan& plan, const Place& place);

// Sets one condition of a status, keeping the rest and their order.
void set_condition(Json& status, std::string_view type, bool value, std::string_view reason,
                   std::string_view message, Time now);

}  // namespace mk::node

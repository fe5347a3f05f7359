// Rules between the fields of a PodSpec, wherever one stands: in a Pod, a template, a predictor. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "core/objects.h"

namespace mk::core::rules {

void complete_pod_spec(Json& spec);
// Of a Pod itself, not of a template: what is limited is asked for, too.
void complete_requests(Json& spec);
// What a Pod of its own has besides, and a template has not: a priority, how long it stays on a node that is
// lost.
void complete_pod_alone(Json& pod, const Json* old);
// "Guaranteed", "Burstable", "BestEffort": what is asked of cpu and memory.
std::string_view qos_class(const Json& pod);
void check_pod_spec(const Json& spec, const std::string& path, std::vector<Cause>& causes);
// What of a Pod may change: images, deadlines, tolerations added.
void check_pod_update(const Json& old, const Json& spec, std::vector<Cause>& causes);

}  // namespace mk::core::rules

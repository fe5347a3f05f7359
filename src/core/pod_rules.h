// Rules between the fields of a PodSpec, wherever one stands: in a Pod, a template, a predictor. Pure.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "core/objects.h"

namespace mk::core::rules {

void complete_pod_spec(Json& spec);
// Of a Pod itself, not of a template: what is limited is asked for, too.
void complete_requests(Json& spec);
void check_pod_spec(const Json& spec, const std::string& path, std::vector<Cause>& causes);
// What of a Pod may change: images, deadlines, tolerations added.
void check_pod_update(const Json& old, const Json& spec, std::vector<Cause>& causes);

}  // namespace mk::core::rules

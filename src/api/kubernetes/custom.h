// Routes of kinds that users bring: by pattern, as nobody knows them when the table of routes is made.
#pragma once
#include <vector>

#include "api/kubernetes/reads.h"
#include "api/kubernetes/scale.h"
#include "api/kubernetes/writes.h"
#include "api/route.h"

namespace mk::api::kubernetes {

struct CustomPorts {
  core::Objects& objects;
  Reads& reads;
  Writes& writes;
  Scales& scales;
  os::Executor& workers;
};

// All of them live as long as the routes.
std::vector<Route> custom_routes(const CustomPorts& ports);

}  // namespace mk::api::kubernetes

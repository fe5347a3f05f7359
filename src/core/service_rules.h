// What follows from a Service's type: which fields it has, which of them stay from one state to the next, and
// which addresses it may ask for. Pure; giving addresses and ports out is service_addresses.h.
#pragma once
#include <string_view>
#include <vector>

#include "base/json.h"
#include "core/objects.h"

namespace mk::core::rules {

// Has an address of its own in the cluster, or None.
bool has_cluster_address(const Json& service);
bool is_headless(const Json& service);
// Is reached at a port of every node.
bool has_node_ports(const Json& service);
// Needs a port for the health checks of a load balancer.
bool has_health_check_port(const Json& service);

void complete_service(Json& service, const Json* old);
void check_service_addresses(const Json& service, const Json* old, std::vector<Cause>& causes);

}  // namespace mk::core::rules

// The Node object of this machine and its heartbeat: a Lease in kube-node-lease, as kubelets keep one.
#pragma once
#include "core/controller.h"
#include "node/machine.h"

namespace mk::node {

// Wake it once with node_key() after the controllers have started; from then on it keeps itself going.
core::Controller registration(Machine machine, std::string version);
store::Key node_key(const Machine& machine);

// The Node's status for this machine; `before` keeps transition times. Pure.
Json node_status(const Machine& machine, const std::string& version, const Json& before, Time now);

}  // namespace mk::node

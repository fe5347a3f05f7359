// The roles that every Kubernetes has from the start: cluster-admin, admin, edit, view and those of the system.
#pragma once
#include "core/controller.h"
#include "core/objects.h"

namespace mk::core {

// Makes those that are missing. What a person changed in them stays.
Result<void> make_builtin_roles(Objects& objects);

// Fills in the rules of ClusterRoles with an aggregationRule.
Controller role_aggregation_controller();

}  // namespace mk::core

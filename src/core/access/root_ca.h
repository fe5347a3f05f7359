// Every namespace has the ConfigMap kube-root-ca.crt: by what clients and Pods know that a server is ours.
#pragma once
#include <string>

#include "core/controller.h"

namespace mk::core {

inline constexpr const char* kRootCaName = "kube-root-ca.crt";

// Kept as it should be: made when it is missing, put right when somebody changes it or our authority is a new
// one.
Controller root_ca_controller(std::string ca_pem);

}  // namespace mk::core

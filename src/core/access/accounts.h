// Every namespace has the service account "default": whom its Pods speak for unless they say otherwise.
#pragma once
#include "core/controller.h"

namespace mk::core {

Controller default_account_controller();

}  // namespace mk::core

// Binds Pods that have no node. One worker: bindings are decided one after the other.
#pragma once
#include "core/controller.h"

namespace mk::scheduling {

core::Controller make_controller();

}  // namespace mk::scheduling

// The objects that exist from the first start on.
#pragma once
#include "base/error.h"
#include "core/objects.h"

namespace mk::core {

// Makes what is missing of: namespaces default, kube-system, kube-public. One durable write at most.
Result<void> make_first_objects(Objects& objects);

}  // namespace mk::core

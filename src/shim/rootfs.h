// The process's own view of the files: the machine's root with the Pod's volumes laid in and private places
// hidden, in a mount namespace of its own. Nothing on the machine itself changes, missing mount points
// included.
#pragma once
#include "shim/spec.h"

namespace mk::shim {

// For the child, before it gives up its rights. Null, or what could not be done (errno tells why).
const char* enter_rootfs(const Spec& spec);

}  // namespace mk::shim

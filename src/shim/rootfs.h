// The process's own view of the files: the machine's root with the Pod's volumes laid in and private places
// hidden, in a mount namespace of its own. Nothing on the machine itself changes, missing mount points
// included.
#pragma once
#include "shim/spec.h"

namespace mk::shim {

// For the child, before it gives up its rights. When it is not `privileged` (in a user namespace that has the right to
// mount) nor root, it takes a user namespace that maps only its own uid. Null, or what could not be done (errno tells why).
const char* enter_rootfs(const Spec& spec, bool privileged);

}  // namespace mk::shim

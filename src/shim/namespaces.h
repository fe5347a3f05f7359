// Where the shim itself lives: in the user namespace of the Pod's user, and as process 1 of a pid namespace for the run, so
// that whatever ends the shim ends every process of the run with it.
#pragma once
#include "shim/spec.h"

namespace mk::shim {

// `user_namespace`: a descriptor of the one that the spec's uid belongs to, -1 = ours. The caller goes on as another
// process, with the same parent, when the run gets pids of its own. Where the machine allows no pid namespace,
// spec.own_pids becomes false. Null, or what could not be done (errno tells why).
const char* enter_namespaces(Spec& spec, int user_namespace);

}  // namespace mk::shim

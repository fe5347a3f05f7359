// The system calls that a sandboxed process must not make, as a seccomp program.
#pragma once
#include <linux/filter.h>

#include <vector>

namespace mk::os {

// A deny list: what could widen the kernel's attack surface or leave the sandbox answers EPERM. An allow list would
// break numeric libraries with every release; the namespaces are the wall, this is the second one.
// `network`: whether sockets to ask the kernel about routes and addresses (netlink) are needed.
std::vector<sock_filter> make_system_call_filter(bool network);

}  // namespace mk::os

// Makes real probes: HTTP through net/, TCP by connecting, exec as a run beside the container's own.
#pragma once
#include <memory>

#include "net/client.h"
#include "node/prober.h"
#include "os/executor.h"
#include "os/processes.h"

namespace mk::node {

// `client`, `processes` and `executor` outlive it.
std::unique_ptr<ProbeRunner> make_probe_runner(net::Client& client, os::Processes& processes,
                                               os::Executor& executor);

}  // namespace mk::node

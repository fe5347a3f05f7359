// The node as one thing to build: processes, probes, logs and the agent over them.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/controller.h"
#include "core/ports.h"
#include "node/address_block.h"
#include "node/agent.h"
#include "node/machine.h"
#include "node/pod_logs.h"
#include "node/pod_usage.h"
#include "os/executor.h"

namespace mk::net {
class Client;
}

namespace mk::node {

struct NodeSettings {
  std::string data;                  // the data folder
  std::string pods;                  // a folder for each Pod
  std::string binaries;              // where the shim is installed
  std::vector<std::string> visible;  // folders beneath `data` that Pods may read
  // How Pods call the control plane; complete before begin(). Null: they are not told.
  std::shared_ptr<const AccountAccess> access = nullptr;
};

class Node {
 public:
  // Installs the shim. `objects` outlives the node.
  static Result<std::unique_ptr<Node>> open(NodeSettings settings, core::Reader& objects);
  ~Node();

  std::vector<core::Controller> controllers();
  // Between ControllerHost::add and start: takes over what an earlier instance left running.
  Result<void> adopt(core::ControllerHost& host);
  // After ControllerHost::start.
  void begin(core::ControllerHost& host);
  // Stops every Pod of this machine and waits for it, at most `limit`: when a person stops the platform.
  void stop_everything(Duration limit);
  core::PodIo& pod_io();
  core::UsageMeter& usage();
  const std::string& name() const { return machine_.host_name; }

 private:
  Node() = default;
  struct Refresher;
  static void refresh_later(const std::shared_ptr<Refresher>& refresher);
  Machine machine_;
  std::unique_ptr<os::Users> users_;
  AddressBlock block_;
  std::unique_ptr<os::Processes> processes_;
  std::unique_ptr<net::Client> client_;    // makes HTTP probes
  std::shared_ptr<os::Executor> threads_;  // waits for probes
  std::shared_ptr<ProbeRunner> probes_;
  std::unique_ptr<Agent> agent_;
  std::unique_ptr<PodLogs> logs_;
  std::unique_ptr<PodUsage> usage_;
  std::shared_ptr<Refresher> refresher_;
};

}  // namespace mk::node

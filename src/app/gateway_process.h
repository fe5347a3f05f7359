// The gateway as a process of its own: started, found again after our restart, started anew when it dies.
#pragma once
#include <memory>
#include <string>

#include "base/error.h"
#include "os/executor.h"
#include "os/processes.h"

namespace mk::app {

struct GatewayWish {
  std::string folder;   // DIR/gateway
  std::string program;  // absolute path of this binary
  std::string address = "127.0.0.1";
  uint16_t port = 0;  // 0 = any, and the same again after a restart
};

class GatewayProcess {
 public:
  // `processes` is used by nobody else (on_exit); both outlive this.
  GatewayProcess(GatewayWish wish, os::Processes& processes, os::Executor& executor);
  ~GatewayProcess();

  // Takes over the gateway that still runs from before if it is as wished, else starts one. Returns at once.
  Result<void> start();
  // Blocks until it answers; its port. An error says why it never will.
  Result<uint16_t> wait_ready(Duration deadline);
  // Ends it: requests under way may finish.
  void stop();
  // Ends it if start() made it: for a control plane that does not come up. One that ran before goes on.
  void undo_start();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mk::app

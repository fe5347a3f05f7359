// The gateway: a process of its own that serves predictions whether the control plane lives or not.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "dataplane/config/routing.h"

namespace mk::gateway {

struct GatewayOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;   // 0 = any
  std::string folder;  // where routes.json is published (DIR/gateway)
  std::string
      admin_path;  // Unix socket: GET /healthz, /stats (JSON), /metrics (Prometheus text); empty = none
  size_t threads = 1;
};

// The running gateway, for tests and for run_gateway().
class Gateway {
 public:
  static Result<std::unique_ptr<Gateway>> start(GatewayOptions options);
  ~Gateway();

  uint16_t port() const;
  // Reads routes.json again. A file that cannot be read changes nothing; the error is also logged.
  Result<void> reload();
  routing::Taken taken() const;
  void drain(Duration deadline);

 private:
  struct Impl;
  explicit Gateway(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Runs until SIGTERM or SIGINT, drains, and returns the exit status. Follows routes.json by inotify. Once it
// answers, or knows that it never will, it writes kListeningFile into the folder for whoever started it.
int run_gateway(const GatewayOptions& options);

constexpr std::string_view kListeningFile = "listening.json";

// What that file says.
struct Listening {
  std::string address;
  uint16_t port = 0;
  int64_t pid = 0;
  std::string version;  // of the program
  std::string error;    // one sentence when it could not start; the rest is then unset
};
Result<Listening> read_listening(const std::string& folder);  // kNotFound when there is none

}  // namespace mk::gateway

// The door of the control plane: finds the route, decides who asks, and refuses before a body is read.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/route.h"
#include "core/access/audit.h"
#include "core/access/authenticator.h"
#include "core/access/authoriser.h"
#include "os/executor.h"

namespace mk::api {

struct DoorPolicy {
  // A loopback peer with this uid is the owner. Unset (workloads could pass for us): all are anonymous.
  std::optional<uint32_t> owner_uid;
  // Names that are answered beside the loopback ones: "models.example.com" with any port, or with the given
  // one.
  std::vector<std::string> hosts;
  // Who callers are and what they may do; both outlive the Router. Without them there are only the owner, who may do
  // everything, and anonymous.
  const core::Authenticator* authenticator = nullptr;
  const core::Authoriser* authoriser = nullptr;
  core::Audit* audit = nullptr;  // null: nothing is recorded
  const os::Clock* clock = nullptr;  // with `audit`
};

class Router {
 public:
  // Fails when routes are malformed or overlap, naming them (see route_problems). `workers` runs Whole
  // handlers.
  static Result<Router> make(std::vector<Route> routes, DoorPolicy policy, os::Executor& workers);
  Router(Router&&) noexcept;
  ~Router();

  // For net::serve(). Thread-safe. The Router must outlive the server, and `workers` the Router.
  net::Decision dispatch(net::Request& request) const;

 private:
  struct Impl;
  explicit Router(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Whether the Host header names this machine: a loopback name or address with any port, or one of `hosts`.
bool host_allowed(std::string_view host, const std::vector<std::string>& hosts);

// Malformed patterns, and pairs of routes that match the same requests; one sentence each. Empty: all well.
std::vector<std::string> route_problems(const std::vector<Route>& routes);

// For ServerOptions::reply_headers.
net::Headers security_headers();

}  // namespace mk::api

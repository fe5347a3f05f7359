// All control-plane routes as one table: matches a request, decides who asks, and hands it to its handler on the
// right thread. Immutable after make(); thread-safe.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/route.h"
#include "net/server.h"
#include "os/executor.h"

namespace mk::api {

struct DoorPolicy {
  // A loopback peer with this uid is the owner. Unset: nobody is owner by uid.
  std::optional<uint32_t> owner_uid;
  // Names that a Host or Origin header may carry beside the loopback ones, lower case, without a port.
  std::vector<std::string> hosts;
};

class Router {
 public:
  // Fails when two routes claim the same method and pattern, naming both. `workers` runs Whole handlers.
  static Result<Router> make(std::vector<Route> routes, DoorPolicy policy, os::Executor& workers);
  Router(Router&&) noexcept;
  ~Router();

  // For net::serve(). The Router must outlive the server.
  net::Decision dispatch(net::Request& request) const;

 private:
  struct Table;
  explicit Router(std::unique_ptr<Table> table);
  std::unique_ptr<Table> table_;
};

// Whether the Host header names this machine: a loopback name or address, or one of `hosts`; any port.
bool host_allowed(std::string_view host, const std::vector<std::string>& hosts);

}  // namespace mk::api

// The routing snapshot as this module keeps it: one route a service, published whole at each change.
// Thread-safe. Loads what was published last, so that a restart never publishes less than the gateway already has.
#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "dataplane/config/routing.h"

namespace mk::serving {

class Routes {
 public:
  static Result<Routes> open(std::string folder);
  Routes(Routes&& other) noexcept : folder_(std::move(other.folder_)), snapshot_(std::move(other.snapshot_)) {}

  // Nothing when the gateway follows the route of the service as it was last set; else for how long it has not.
  std::optional<Duration> behind(const std::string& service);
  // The revisions of the service that get no new requests from the gateway and have not answered all they got.
  std::vector<std::string> leaving(const std::string& service) const;

  // Replaces the route of its service; publishes only when something changed.
  Result<void> set(routing::Route route);
  Result<void> remove(std::string_view service);
  // Drops routes of services that are gone; called once after a restart with all that exist.
  Result<void> retain(const std::vector<std::string>& services);

 private:
  explicit Routes(std::string folder) : folder_(std::move(folder)) {}
  Result<void> publish();

  std::mutex mutex_;
  std::string folder_;
  routing::Snapshot snapshot_;
  struct Change {
    uint64_t generation = 0;
    Duration published;  // monotonic
  };
  std::map<std::string, Change, std::less<>> changes_;  // by service, until the gateway follows them
};

// The route of service `name` in namespace `space`: by host and by path.
routing::Route route_for(std::string_view space, std::string_view name);

}  // namespace mk::serving

// The routing snapshot made ready for use: look-ups, turns, ejections, counters. One is built for each
// snapshot and replaced as a whole; what must go on across snapshots (turns, counters, ejections) is carried
// over.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/config/routing.h"
#include "dataplane/gateway/stats.h"
#include "dataplane/gateway/weighted.h"
#include "net/client.h"

namespace mk::gateway {

// One model server. Shared by all snapshots that name it.
struct Upstream {
  net::Endpoint endpoint;
  std::atomic<int64_t> ejected_until = 0;  // monotonic nanoseconds
};

struct RevisionTarget {
  std::string name;
  std::vector<std::shared_ptr<Upstream>> upstreams;  // never empty
  std::shared_ptr<std::atomic<size_t>> turn;
  std::shared_ptr<RevisionStats> stats;
};

// Shared by the snapshots that split a route in the same way.
struct Turns {
  explicit Turns(std::vector<int> weights) : weighted(std::move(weights)) {}
  std::mutex mutex;
  Weighted weighted;  // guarded by mutex
};

class RouteTarget {
 public:
  RouteTarget(std::string service, std::vector<RevisionTarget> revisions, std::shared_ptr<Turns> turns);

  const std::string& service() const { return service_; }
  bool ready() const { return !revisions_.empty(); }
  const std::vector<RevisionTarget>& revisions() const { return revisions_; }

  // Whose turn it is. Thread-safe. Only when ready().
  const RevisionTarget& next() const;

 private:
  friend class Table;
  std::string service_;
  std::vector<RevisionTarget> revisions_;  // those that take requests: weight > 0 and an endpoint
  std::shared_ptr<Turns> turns_;
};

// The next upstream of a revision that is not resting and not in `tried`; a resting one before none.
std::shared_ptr<Upstream> choose(const RevisionTarget& revision, const std::vector<const Upstream*>& tried,
                                 int64_t now);

class Table {
 public:
  // `before` may be null.
  Table(const routing::Snapshot& snapshot, const Table* before);

  struct Found {
    const RouteTarget* route = nullptr;
    size_t stripped = 0;  // bytes of the path that the server does not see
  };
  // By host when a route has it, else by path for a loopback name.
  Found find(std::string_view host, std::string_view path) const;
  bool knows_host(std::string_view host) const;

  uint64_t generation() const { return generation_; }
  std::vector<NamedStats> stats() const;
  // "namespace/name revision" of those that take no requests now and have not answered all that they got before.
  std::vector<std::string> leaving() const;
  // The endpoints that `before` had and this one has not.
  std::vector<net::Endpoint> gone_since(const Table& before) const;

 private:
  RevisionTarget build_revision(const std::string& service, const routing::Backend& backend,
                                const Table* before);

  uint64_t generation_ = 0;
  std::map<std::string, std::unique_ptr<RouteTarget>, std::less<>> routes_;  // by service
  std::map<std::string, const RouteTarget*, std::less<>> hosts_;
  std::map<std::string, Found, std::less<>> prefixes_;
  std::map<std::pair<std::string, uint16_t>, std::shared_ptr<Upstream>> upstreams_;
  // By "service revision"; also of those that take no requests now, as long as some are under way.
  std::map<std::pair<std::string, std::string>, std::shared_ptr<RevisionStats>> stats_;
};

}  // namespace mk::gateway

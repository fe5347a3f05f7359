// The read model that searches run on: whole runs of an experiment in memory, loaded at its first search and
// kept up to date by the writes that follow. The tables stay the truth; an experiment may be dropped at any
// time.
//
// Thread-safe. note() is called on the store's writer thread, in commit order, before the write is
// acknowledged: so a search that starts after an acknowledgement sees that write. It only queues; searches
// (or the executor) apply.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "modules/tracking/run_search.h"
#include "modules/tracking/run_state.h"
#include "os/executor.h"
#include "store/store.h"

namespace mk::tracking {

// What one committed write did to one run. Applying it twice, or to a state that holds it already, changes
// nothing.
struct Change {
  int64_t experiment = 0;
  std::string run_id;
  std::optional<RunInfo> info;  // the run is new, or its info changed
  std::vector<Series> metrics;  // only the latest point of each counts
  std::vector<Param> params;
  std::vector<Tag> tags;
  bool reload = false;  // read the run again (rare writes)
};

class RunIndex {
 public:
  RunIndex(const store::Store& store, os::Executor& executor, size_t bytes_max);
  ~RunIndex();

  void note(Change change);
  void drop(int64_t experiment);  // many runs changed at once

  // Adds the runs of the experiment that pass to `hits`, and its keys to `keys`. An unknown experiment has no
  // runs.
  Result<void> collect(int64_t experiment, const RunSearch& search, RunSearch::Hits& hits,
                       std::vector<std::shared_ptr<const KeyTable>>& keys);

  size_t bytes() const;

 private:
  struct Loaded;
  std::shared_ptr<Loaded> find(int64_t experiment);
  std::shared_ptr<Loaded> find_or_add(int64_t experiment);
  void make_room(int64_t keep);

  const store::Store& store_;
  os::Executor& executor_;
  const size_t bytes_max_;
  mutable std::mutex mutex_;
  uint64_t uses_ = 0;
  std::unordered_map<int64_t, std::shared_ptr<Loaded>> loaded_;
};

}  // namespace mk::tracking

// Reading metric histories from segments, and merging small segments in the background so that a run with a
// hundred thousand single points stays cheap to read. Thread-safe.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "modules/tracking/types.h"
#include "os/executor.h"
#include "store/store.h"

namespace mk::tracking {

// The stream of a run's points in the store.
std::string metric_stream(std::string_view run_id);

struct HistoryPage {
  std::vector<Point> points;  // by timestamp, step, value
  std::string next_page_token;
};

class History : public std::enable_shared_from_this<History> {
 public:
  History(store::Store& store, os::Executor& executor) : store_(store), executor_(executor) {}

  // All points of one metric, in order, each once. Empty when there is none.
  Result<std::vector<Point>> read(std::string_view run_id, std::string_view key);
  Result<HistoryPage> page(std::string_view run_id, std::string_view key, size_t points_max,
                           std::string_view page_token);
  // At most `points_max` points spread evenly over the run's steps (or those between `steps`), first and last
  // kept.
  Result<std::vector<Point>> sample(std::string_view run_id, std::string_view key, size_t points_max,
                                    std::optional<std::pair<int64_t, int64_t>> steps);

  // One segment was appended to the run's stream. Called on the store's writer thread.
  void appended(const std::string& run_id);

 private:
  struct Small {
    size_t segments = 0;  // appended since the last merge, as far as we know
    size_t merge_at = 0;
    bool merging = false;
  };
  void start_merge(const std::string& run_id);
  void merge(const std::string& run_id);
  void merged(const std::string& run_id, size_t bytes);

  store::Store& store_;
  os::Executor& executor_;
  std::mutex mutex_;
  std::unordered_map<std::string, Small> small_;
};

// Pure: which of `count` points in order a sample of `most` keeps; ascending indices.
std::vector<size_t> sample_indices(size_t count, size_t most);

}  // namespace mk::tracking

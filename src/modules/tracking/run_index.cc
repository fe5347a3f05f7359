#include "modules/tracking/run_index.h"

#include <atomic>

#include "base/format.h"
#include "modules/tracking/limits.h"
#include "modules/tracking/repository.h"
#include "modules/tracking/segment.h"

namespace mk::tracking {
namespace {
constexpr size_t kEmptyBytes = 1024;
constexpr size_t kRunsPerRead = 1000;  // so that no read holds up the store's log for long
}  // namespace

// Two locks: `queue_mutex` for moments only, because the store's writer takes it; `mutex` while runs are read
// or changed.
struct RunIndex::Loaded : std::enable_shared_from_this<RunIndex::Loaded> {
  explicit Loaded(int64_t id, const store::Store& s) : experiment(id), store(s) {}

  const int64_t experiment;
  const store::Store& store;

  std::mutex queue_mutex;
  std::vector<Change> queue;
  bool apply_posted = false;
  bool dropped = false;  // too much waited, or drop(): changes are no longer kept

  std::mutex mutex;
  bool complete = false;  // all runs were read
  std::shared_ptr<KeyTable> keys = std::make_shared<KeyTable>();
  struct Slot {
    std::shared_ptr<RunState> run;
    bool lent = false;  // an answer may hold it: copied before it changes
  };
  std::vector<Slot> runs;
  std::unordered_map<std::string, size_t> by_id;
  std::atomic<size_t> bytes = kEmptyBytes;
  uint64_t used = 0;  // guarded by RunIndex::mutex_

  Result<void> load();
  Result<void> apply_queue();
  Result<void> apply(Change& change);
  Result<void> reload(const std::string& run_id);
  void put(RunState run);
  RunState& writable(size_t at);
};

// ---- one experiment ------------------------------------------------------------------------------

Result<void> RunIndex::Loaded::load() {
  int64_t after = 0;
  while (true) {
    std::vector<RunState> read;
    MK_OK(store.read([&](store::RowReader& rows) -> Result<void> {
      MK_TRY(read, read_runs(rows, experiment, after, kRunsPerRead, *keys));
      return {};
    }));
    if (read.empty()) break;
    after = read.back().info.number;
    for (RunState& run : read) put(std::move(run));
    if (bytes > kIndexOneBytesMax)
      return fail(Error{Code::kResourceExhausted, "experiment_too_large",
                        fmt::format("experiment {} needs more than {} MiB of memory to be searched",
                                    experiment, kIndexOneBytesMax >> 20),
                        "spread its runs over several experiments"});
  }
  complete = true;
  return {};
}

void RunIndex::Loaded::put(RunState run) {
  bytes += run.bytes();
  const auto [it, fresh] = by_id.emplace(run.info.id, runs.size());
  Slot slot{std::make_shared<RunState>(std::move(run))};
  if (fresh) {
    runs.push_back(std::move(slot));
  } else {
    bytes -= runs[it->second].run->bytes();
    runs[it->second] = std::move(slot);
  }
}

RunState& RunIndex::Loaded::writable(size_t at) {
  if (runs[at].lent) runs[at] = {std::make_shared<RunState>(*runs[at].run)};
  return *runs[at].run;
}

Result<void> RunIndex::Loaded::reload(const std::string& run_id) {
  RunState fresh;
  MK_OK(store.read([&](store::RowReader& rows) -> Result<void> {
    MK_TRY(fresh, read_run(rows, run_id, *keys));
    return {};
  }));
  put(std::move(fresh));
  return {};
}

Result<void> RunIndex::Loaded::apply(Change& change) {
  if (change.reload) return reload(change.run_id);
  auto it = by_id.find(change.run_id);
  if (it == by_id.end()) {
    if (!change.info) return reload(change.run_id);
    put(RunState{std::move(*change.info), {}, {}, {}, {}});
    change.info.reset();
    it = by_id.find(change.run_id);
  }
  RunState& run = writable(it->second);
  const size_t before = run.bytes();
  if (change.info) run.info = std::move(*change.info);
  for (const Series& series : change.metrics) {
    const Key* key = keys->add(series.key);
    for (const Point& point : series.points) run.merge_metric(key, point);
  }
  for (const Param& param : change.params) run.set_text(run.params, keys->add(param.key), param.value);
  for (const Tag& tag : change.tags) run.set_text(run.tags, keys->add(tag.key), tag.value);
  bytes += run.bytes() - before;
  return {};
}

Result<void> RunIndex::Loaded::apply_queue() {
  std::vector<Change> changes;
  {
    std::lock_guard lock(queue_mutex);
    changes.swap(queue);
  }
  for (Change& change : changes) {
    if (auto done = apply(change); !done) {
      complete = false;  // what was taken from the queue is lost: read everything again next time
      return done;
    }
  }
  return {};
}

// ---- all of them ---------------------------------------------------------------------------------

RunIndex::RunIndex(const store::Store& store, os::Executor& executor, size_t bytes_max)
    : store_(store), executor_(executor), bytes_max_(bytes_max) {}
RunIndex::~RunIndex() = default;

std::shared_ptr<RunIndex::Loaded> RunIndex::find(int64_t experiment) {
  std::lock_guard lock(mutex_);
  const auto it = loaded_.find(experiment);
  return it == loaded_.end() ? nullptr : it->second;
}

std::shared_ptr<RunIndex::Loaded> RunIndex::find_or_add(int64_t experiment) {
  std::lock_guard lock(mutex_);
  auto& loaded = loaded_[experiment];
  if (!loaded) loaded = std::make_shared<Loaded>(experiment, store_);
  loaded->used = ++uses_;
  return loaded;
}

void RunIndex::note(Change change) {
  const auto loaded = find(change.experiment);
  if (!loaded) return;
  bool post = false, full = false;
  {
    std::lock_guard lock(loaded->queue_mutex);
    if (loaded->dropped) return;
    loaded->queue.push_back(std::move(change));
    full = loaded->queue.size() > kIndexPendingMax;
    if (!full && !loaded->apply_posted && loaded->queue.size() > kIndexPendingApply)
      post = loaded->apply_posted = true;
  }
  if (full) return drop(loaded->experiment);
  if (!post) return;
  executor_.post([loaded] {
    std::lock_guard lock(loaded->mutex);
    {
      std::lock_guard queue_lock(loaded->queue_mutex);
      loaded->apply_posted = false;
    }
    if (loaded->complete) (void)loaded->apply_queue();
  });
}

void RunIndex::drop(int64_t experiment) {
  std::shared_ptr<Loaded> gone;
  {
    std::lock_guard lock(mutex_);
    const auto it = loaded_.find(experiment);
    if (it == loaded_.end()) return;
    gone = std::move(it->second);
    loaded_.erase(it);
  }
  std::lock_guard lock(gone->queue_mutex);
  gone->dropped = true;  // a search that has it already may still apply what waits
}

Result<void> RunIndex::collect(int64_t experiment, const RunSearch& search, RunSearch::Hits& hits,
                               std::vector<std::shared_ptr<const KeyTable>>& keys) {
  // Registered before it is read, so that no change falls between reading and listening.
  const auto loaded = find_or_add(experiment);
  {
    std::lock_guard lock(loaded->mutex);
    if (!loaded->complete) {
      loaded->runs.clear();
      loaded->by_id.clear();
      loaded->bytes = kEmptyBytes;
      if (auto done = loaded->load(); !done) {
        drop(experiment);
        return done;
      }
    }
    if (auto done = loaded->apply_queue(); !done) {
      drop(experiment);
      return done;
    }
    const RunSearch::Matcher matcher(search, *loaded->keys);
    for (Loaded::Slot& slot : loaded->runs) {
      if (!matcher.matches(*slot.run)) continue;
      slot.lent = true;
      matcher.add(hits, slot.run);
    }
    keys.push_back(loaded->keys);
  }
  make_room(experiment);
  return {};
}

size_t RunIndex::bytes() const {
  std::lock_guard lock(mutex_);
  size_t total = 0;
  for (const auto& [id, loaded] : loaded_) total += loaded->bytes;
  return total;
}

void RunIndex::make_room(int64_t keep) {
  while (bytes() > bytes_max_) {
    std::optional<int64_t> oldest;
    {
      std::lock_guard lock(mutex_);
      uint64_t used = UINT64_MAX;
      for (const auto& [id, loaded] : loaded_) {
        if (id == keep || loaded->used >= used) continue;
        used = loaded->used;
        oldest = id;
      }
    }
    if (!oldest) return;
    drop(*oldest);
  }
}

}  // namespace mk::tracking

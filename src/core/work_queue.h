// Keys that need work, each at most once. A key woken while it runs is run once more. Not thread-safe: its
// owner locks. Times are monotonic.
#pragma once
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "base/time.h"
#include "store/store.h"

namespace mk::core {

class WorkQueue {
 public:
  using Key = store::Key;

  void add(const Key& key);   // as soon as possible
  std::optional<Key> take();  // the next one; it counts as running until done() or failed()
  bool has_ready() const { return !ready_.empty(); }

  // The key's run ended well; it runs again at `again`, or when woken. Replaces any earlier plan for the key.
  void done(const Key& key, std::optional<Duration> again);
  // It did not: again after a back-off that doubles. Returns the delay.
  Duration failed(const Key& key, Duration now);

  void wake_due(Duration now);  // moves what is planned up to `now` to the ready ones
  std::optional<Duration> next_due() const;
  size_t active() const { return ready_.size() + running_; }  // waiting or running; plans aside

 private:
  struct Item {
    bool ready = false, running = false, dirty = false;
    int failures = 0;
    std::optional<Duration> due;
  };
  void plan(const Key& key, Item& item, std::optional<Duration> due);
  void end_run(const Key& key, Item& item, std::optional<Duration> again);

  std::map<Key, Item> items_;  // only keys that wait, run, are planned or have failed
  std::deque<Key> ready_;
  std::set<std::pair<Duration, Key>> planned_;
  size_t running_ = 0;
};

}  // namespace mk::core

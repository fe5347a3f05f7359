// The latest events, and who waits for them. Events are kept in one order and, again by pointer, by resource:
// a watcher of a quiet resource scans nothing and is never overrun by a busy one. Thread-safe; one thread
// publishes.
#pragma once
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "store/stored.h"

namespace mk::store {

class Ring : public std::enable_shared_from_this<Ring> {
 public:
  // Events up to `start` are from before this process and cannot be had.
  Ring(size_t events_max, size_t bytes_max, Version start);

  // Events in order; `version` is where they lead. Calls `ready` of those who wait for one of them.
  void publish(std::span<const Change> changes, Version version);
  // `now` is the store's version, which may be ahead of what was published.
  Result<std::unique_ptr<Watch>> watch(Selection selection, Version from, Version now,
                                       std::function<void()> ready);
  size_t watchers() const;

 private:
  class Subscription;
  struct Waiter;
  using EventRef = std::shared_ptr<const Event>;
  struct Stream {
    std::deque<EventRef> events;
    Version lost = 0;  // events up to here have been dropped
    std::vector<std::shared_ptr<Waiter>> waiters;
  };

  Stream& stream_of(const std::string& resource);  // "" = all
  void append(EventRef event);
  void drop_oldest();
  static void collect(Stream& stream, const std::string& space,
                      std::vector<std::shared_ptr<Waiter>>& to_wake);
  Result<std::vector<Event>> take(Waiter& waiter, size_t events_max);
  void leave(const std::shared_ptr<Waiter>& waiter);

  const size_t events_max_, bytes_max_;
  const Version start_;
  mutable std::shared_mutex mutex_;
  Stream all_;
  std::unordered_map<std::string, Stream> by_resource_;
  size_t bytes_ = 0, watchers_ = 0;
  Version published_;
};

}  // namespace mk::store

// A value that many threads read and one replaces: readers take no lock while it stays the same, as each thread keeps the
// last one that it saw. (std::atomic<std::shared_ptr> of libstdc++ 12 takes one, with too weak an order.)
#pragma once
#include <atomic>
#include <memory>
#include <mutex>

namespace mk::core {

template <typename T>
class Published {
 public:
  explicit Published(std::shared_ptr<const T> first) : value_(std::move(first)) {}

  void publish(std::shared_ptr<const T> next) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(next);
    number_.store(next_number(), std::memory_order_release);
  }

  // Stays valid on this thread until it reads any Published<T> again.
  const T& read() const {
    thread_local Seen seen;
    const uint64_t number = number_.load(std::memory_order_acquire);
    if (seen.number != number) {
      const std::lock_guard lock(mutex_);
      seen.value = value_;
      seen.number = number_.load(std::memory_order_relaxed);
    }
    return *seen.value;
  }

 private:
  struct Seen {
    uint64_t number = 0;
    std::shared_ptr<const T> value;
  };
  // Numbers are unique in the process, so one thread's memory serves all objects of this type.
  static uint64_t next_number() {
    static std::atomic<uint64_t> last = 0;
    return ++last;
  }

  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;  // guarded by mutex_
  std::atomic<uint64_t> number_ = next_number();
};

}  // namespace mk::core

// One I/O thread: its event loop, its coarse clock for deadlines, its cached Date. Inside net/ only.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "net/asio.h"

namespace mk::net {

class IoThread {
 public:
  // Something with a deadline. All are looked at every few hundred milliseconds: cheaper than a timer for
  // each, as moving a deadline is then one store.
  class Swept {
   public:
    virtual ~Swept() = default;
    virtual void sweep(int64_t now) = 0;  // on the thread; may remove itself

   private:
    friend class IoThread;
    size_t slot_ = 0;
  };

  asio::io_context context{1};

  bool is_current() const;
  static IoThread* current();

  // Runs `f` on the thread, at once if this is it. Dropped when the thread has ended.
  template <typename F>
  void run(F&& f) {
    if (is_current()) return f();
    post(std::forward<F>(f));
  }
  template <typename F>
  void post(F&& f) {
    if (!stopped_) asio::post(context, std::forward<F>(f));
  }

  // On the thread only.
  void add(std::shared_ptr<Swept> item);  // kept alive until removed
  void remove(Swept& item);
  void sweep_at_least_every(Duration interval);
  int64_t now() const;      // monotonic nanoseconds
  std::string_view date();  // for the Date header

 private:
  friend class Io;
  void loop();
  void arm();
  void finish();  // after the loop has ended: runs what is left, so that nothing is leaked

  asio::steady_timer timer_{context};
  bool armed_ = false;
  int64_t interval_ms_ = 250;
  std::vector<std::shared_ptr<Swept>> swept_;
  int64_t date_second_ = -1;
  std::string date_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace mk::net

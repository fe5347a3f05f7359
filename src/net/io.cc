#include "net/io.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <thread>

#include "base/error.h"
#include "net/io_thread.h"
#include "os/clock.h"

namespace mk::net {

namespace {
thread_local IoThread* current_thread = nullptr;
}

bool IoThread::is_current() const {
  return current_thread == this;
}
IoThread* IoThread::current() {
  return current_thread;
}
int64_t IoThread::now() const {
  return os::system_clock().monotonic().nanoseconds;
}

std::string_view IoThread::date() {
  const int64_t second = os::system_clock().now().nanoseconds / 1'000'000'000;
  if (second != date_second_) {
    date_second_ = second;
    const std::time_t at = second;
    std::tm parts{};
    gmtime_r(&at, &parts);
    char text[40];
    const size_t size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    date_.assign(text, size);
  }
  return date_;
}

void IoThread::add(std::shared_ptr<Swept> item) {
  item->slot_ = swept_.size();
  swept_.push_back(std::move(item));
  if (!armed_) arm();
}

void IoThread::remove(Swept& item) {
  const size_t slot = item.slot_;
  if (slot >= swept_.size() || swept_[slot].get() != &item) return;
  const std::shared_ptr<Swept> keep = std::move(swept_[slot]);
  if (slot + 1 != swept_.size()) {
    swept_[slot] = std::move(swept_.back());
    swept_[slot]->slot_ = slot;
  }
  swept_.pop_back();
}

void IoThread::sweep_at_least_every(Duration interval) {
  interval_ms_ = std::clamp<int64_t>(interval.ms(), 5, interval_ms_);
}

void IoThread::arm() {
  armed_ = true;
  timer_.expires_after(std::chrono::milliseconds(interval_ms_));
  timer_.async_wait([this](const ErrorCode& code) {
    armed_ = false;
    if (code) return;
    const int64_t at = now();
    for (size_t i = swept_.size(); i > 0; --i) {
      if (i > swept_.size()) continue;  // several went at once
      const std::shared_ptr<Swept> item = swept_[i - 1];
      item->sweep(at);
    }
    if (!swept_.empty()) arm();
  });
}

void IoThread::loop() {
  current_thread = this;
  const auto work = asio::make_work_guard(context);
  context.run();
  current_thread = nullptr;
}

void IoThread::finish() {
  stopped_ = true;
  current_thread = this;
  const auto left = std::move(swept_);
  swept_.clear();
  timer_.cancel();
  context.restart();
  context.poll();
  current_thread = nullptr;
}

struct Io::Impl {
  std::vector<std::shared_ptr<IoThread>> loops;
  std::vector<std::thread> threads;
  std::atomic<size_t> turn = 0;
};

Io::Io(size_t threads, const char* name) : impl_(std::make_unique<Impl>()) {
  MK_CHECK(threads > 0);
  for (size_t i = 0; i < threads; ++i) impl_->loops.push_back(std::make_shared<IoThread>());
  for (const auto& loop : impl_->loops) {
    impl_->threads.emplace_back([loop] { loop->loop(); });
    pthread_setname_np(impl_->threads.back().native_handle(), name);
  }
}

Io::~Io() {
  stop();
}

void Io::stop() {
  for (const auto& loop : impl_->loops) loop->context.stop();
  for (std::thread& thread : impl_->threads) thread.join();
  if (!impl_->threads.empty()) {
    for (const auto& loop : impl_->loops) loop->finish();
  }
  impl_->threads.clear();
}

size_t Io::size() const {
  return impl_->loops.size();
}
const std::shared_ptr<IoThread>& Io::thread(size_t index) const {
  return impl_->loops[index];
}

const std::shared_ptr<IoThread>& Io::near() {
  for (const auto& loop : impl_->loops) {
    if (loop->is_current()) return loop;
  }
  return impl_->loops[impl_->turn++ % impl_->loops.size()];
}

void Io::post(std::function<void()> task) {
  near()->post(std::move(task));
}

}  // namespace mk::net

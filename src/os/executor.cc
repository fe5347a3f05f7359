#include "os/executor.h"

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"

namespace mk::os {
namespace {

class ThreadPool final : public Executor {
 public:
  ThreadPool(size_t threads, const char* name) {
    for (size_t i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
    timer_ = std::thread([this] { tick(); });
    for (auto& worker : workers_) pthread_setname_np(worker.native_handle(), name);
    pthread_setname_np(timer_.native_handle(), "timer");
  }

  ~ThreadPool() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    ready_.notify_all();
    due_.notify_all();
    timer_.join();
    for (auto& worker : workers_) worker.join();
  }

  void post(Task task) override {
    {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(task));
    }
    ready_.notify_one();
  }

  void post_after(Duration delay, Task task) override {
    if (delay <= Duration{}) return post(std::move(task));
    {
      std::lock_guard lock(mutex_);
      later_.emplace(clock().monotonic() + delay, std::move(task));
    }
    due_.notify_one();
  }

  const Clock& clock() const override { return system_clock(); }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      Task task = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      task();
      task = nullptr;
      lock.lock();
    }
  }

  void tick() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      const Duration now = clock().monotonic();
      bool moved = false;
      while (!later_.empty() && later_.begin()->first <= now) {
        queue_.push_back(std::move(later_.begin()->second));
        later_.erase(later_.begin());
        moved = true;
      }
      if (moved) ready_.notify_all();
      if (later_.empty())
        due_.wait(lock);
      else
        due_.wait_for(lock, std::chrono::nanoseconds((later_.begin()->first - now).nanoseconds));
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_, due_;
  std::deque<Task> queue_;
  std::multimap<Duration, Task> later_;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
  std::thread timer_;
};

}  // namespace

std::unique_ptr<Executor> make_thread_pool(size_t threads, const char* name) {
  return std::make_unique<ThreadPool>(threads, name);
}

struct SimulatedExecutor::Queue {
  std::vector<Task> ready;
  std::multimap<Duration, Task> later;  // by monotonic time
};

SimulatedExecutor::SimulatedExecutor(uint64_t seed) : random_(seed), queue_(std::make_unique<Queue>()) {}
SimulatedExecutor::~SimulatedExecutor() = default;

void SimulatedExecutor::post_after(Duration delay, Task task) {
  if (delay <= Duration{})
    queue_->ready.push_back(std::move(task));
  else
    queue_->later.emplace(clock_.monotonic() + delay, std::move(task));
}

bool SimulatedExecutor::run_one() {
  auto& [ready, later] = *queue_;
  if (ready.empty() && !later.empty() && later.begin()->first > clock_.monotonic())
    clock_.advance(later.begin()->first - clock_.monotonic());
  while (!later.empty() && later.begin()->first <= clock_.monotonic()) {
    ready.push_back(std::move(later.begin()->second));
    later.erase(later.begin());
  }
  if (ready.empty()) return false;
  const size_t pick = random_.below(ready.size());
  Task task = std::move(ready[pick]);
  ready[pick] = std::move(ready.back());
  ready.pop_back();
  task();
  return true;
}

bool SimulatedExecutor::run_until(Duration span, const std::function<bool()>& stop) {
  const Duration end = clock_.monotonic() + span;
  while (!queue_->ready.empty() || (!queue_->later.empty() && queue_->later.begin()->first <= end)) {
    run_one();
    if (stop && stop()) return false;
  }
  if (clock_.monotonic() < end) clock_.advance(end - clock_.monotonic());
  return true;
}

void SimulatedExecutor::run_for(Duration span) {
  run_until(span, {});
}

void SimulatedExecutor::drop_tasks() {
  const auto dropped = std::exchange(queue_, std::make_unique<Queue>());  // what dies with them may post again
}

void SimulatedExecutor::hold_up(Duration span) {
  clock_.advance(span);
}

void SimulatedExecutor::run_until_idle(size_t tasks_max) {
  size_t done = 0;
  while (!queue_->ready.empty() || (!queue_->later.empty() && queue_->later.begin()->first <= clock_.monotonic())) {
    run_one();
    MK_CHECK(++done <= tasks_max);  // a reconcile loop that never settles
  }
}

}  // namespace mk::os

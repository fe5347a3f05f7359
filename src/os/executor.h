// Runs tasks now or later. Real: a pool of threads with a timer. Simulated: one thread, seeded order, virtual time.
#pragma once
#include <functional>
#include <memory>

#include "base/time.h"
#include "os/clock.h"
#include "os/random.h"

namespace mk::os {

using Task = std::function<void()>;

class Executor {
 public:
  virtual ~Executor() = default;
  virtual void post(Task task) = 0;
  virtual void post_after(Duration delay, Task task) = 0;
  virtual const Clock& clock() const = 0;
};

// `threads` workers and one timer thread. The destructor drops tasks that have not started and joins the rest.
std::unique_ptr<Executor> make_thread_pool(size_t threads, const char* name);

// Single-threaded: nothing runs until asked. Ready tasks run in an order drawn from the seed.
class SimulatedExecutor final : public Executor {
 public:
  explicit SimulatedExecutor(uint64_t seed);
  ~SimulatedExecutor() override;
  void post(Task task) override { post_after({}, std::move(task)); }
  void post_after(Duration delay, Task task) override;
  const Clock& clock() const override { return clock_; }

  bool run_one();                // one ready task, moving time to the next one if none is ready; false when empty
  void run_for(Duration span);   // all tasks due within `span`, then time stands at its end
  void run_until_idle(size_t tasks_max = 100'000);  // all tasks that are due now, without moving time
  // As run_for, but ends after the first task after which `stop` says so: false then.
  bool run_until(Duration span, const std::function<bool()>& stop);
  void drop_tasks();             // as when the process dies: nothing of what was posted runs
  void hold_up(Duration span);   // inside a task: it takes so long, and nothing else runs
  void jump(Duration by) { clock_.jump(by); }  // somebody sets the wall clock

 private:
  struct Queue;
  SimulatedClock clock_;
  SeededRandom random_;
  std::unique_ptr<Queue> queue_;
};

}  // namespace mk::os

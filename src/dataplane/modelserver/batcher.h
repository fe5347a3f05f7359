// Brings requests to an engine: a bounded queue, a few runners, and requests that wait together run together.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "dataplane/engines/engine.h"
#include "os/executor.h"

namespace mk::dataplane {

// One request: its tensors, and who waits for the outputs. `done` is called once, on a runner's thread, or on the
// submitter's when the queue is full.
struct Job {
  std::vector<Tensor> inputs;
  std::move_only_function<void(Result<std::vector<Tensor>>)> done;
  Duration submitted = {};
};

// Thread-safe. Runs jobs in order of arrival. A job starts at once when a runner is free: nobody waits for a batch to
// fill, batches form only from what waits anyway.
class Batcher {
 public:
  struct Options {
    size_t runners = 1;      // jobs or batches at the same time
    // Where they run. Given the server's own I/O threads, a job needs no change of thread: right for models that
    // answer within a millisecond, because nothing else is served meanwhile.
    std::function<void(os::Task)> post;
    int64_t rows_max = 32;   // of a batch; 1 = no batches
    Duration deadline = {};  // of a job, from its submission; zero = none
  };
  Batcher(Engine& engine, Options options);
  // Jobs that have not started are answered with kUnavailable. Nothing posted may run any more.
  ~Batcher();

  void submit(Job job);  // a full queue answers at once with kResourceExhausted
  size_t waiting() const;

 private:
  void run_next();
  std::vector<Job> take_batch();  // with mutex_ held
  void run(std::vector<Job> batch);
  void run_alone(Job& job);

  Engine& engine_;
  const Options options_;
  mutable std::mutex mutex_;
  std::deque<Job> queue_;
  size_t queued_bytes_ = 0;
  size_t running_ = 0;
};

}  // namespace mk::dataplane

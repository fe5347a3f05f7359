#include "dataplane/engines/python/workers.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>

#include "base/format.h"
#include "base/log.h"
#include "dataplane/engines/python/limits.h"
#include "dataplane/engines/python/process.h"
#include "os/clock.h"
#include "os/executor.h"

namespace mk::dataplane::python {
namespace {

namespace fs = std::filesystem;

struct Worker {
  // kStarting: soon idle. kResting: it answered nothing before it ended, and starts again after `pause`.
  enum class State { kAbsent, kStarting, kIdle, kBusy, kResting };

  Worker(const WorkerOptions& options, int number) : process(options, number) {}

  Process process;  // of whoever set kStarting or kBusy, without the lock
  State state = State::kAbsent;
  bool answered = false;  // since it started
  Duration pause = kPauseFirst;
};

class Workers final : public Engine {
 public:
  explicit Workers(WorkerOptions options) : options_(std::move(options)) {
    const int count = options_.processes_max = std::clamp(options_.processes_max, 1, kProcessesMax);
    signature_.open = true;
    for (int i = 0; i < count; ++i) workers_.push_back(std::make_unique<Worker>(options_, i));
    // A thread each: processes load at the same time, and each ends with the thread that started it.
    executor_ = os::make_thread_pool(static_cast<size_t>(count), "worker");
    // Held while we live, so that the environment is not collected as garbage under us.
    const int used = open((options_.environment + "/pyvenv.cfg").c_str(), O_RDONLY | O_CLOEXEC);
    if (used >= 0) flock(in_use_ = used, LOCK_SH | LOCK_NB);
  }

  ~Workers() override {
    stopping_ = true;
    for (auto& worker : workers_) worker->process.interrupt();
    executor_.reset();  // first: nothing starts a process any more
    workers_.clear();
    if (in_use_ >= 0) close(in_use_);
  }

  Result<void> start_first() {
    std::promise<Result<Frame>> started;
    auto result = started.get_future();
    Worker& worker = *workers_[0];
    executor_->post([&] { started.set_value(worker.process.start()); });
    MK_TRY(const Frame first, result.get());
    platform_ = first.head["platform"].text();
    signature_.inputs = parse_specs(first.head["inputs"]);
    signature_.outputs = parse_specs(first.head["outputs"]);
    worker.state = Worker::State::kIdle;
    executor_->post_after(kWatchPeriod, [this] { watch(); });
    return {};
  }

  const Signature& signature() const override { return signature_; }
  std::string_view platform() const override { return platform_; }

  Result<void> ready() const override {
    std::lock_guard lock(mutex_);
    if (any({Worker::State::kIdle, Worker::State::kBusy})) return {};
    return restarting();
  }

  Result<std::vector<Tensor>> run(const std::vector<Tensor>& inputs, Duration deadline) override {
    if (deadline.nanoseconds <= 0) deadline = kAnswerDeadline;
    const Duration until = os::system_clock().monotonic() + deadline;
    MK_TRY(Worker* const worker, acquire(until));
    auto frame = worker->process.ask(inputs, until);
    if (!frame) {
      Error error = std::move(frame).error();
      if (error.code == Code::kDeadlineExceeded)
        error.message = fmt::format("the model did not answer within {:.0f} s and was stopped", deadline.seconds());
      else
        error.message += " while it worked on this request";
      lose(*worker, error.message);
      return fail(std::move(error));
    }
    auto outputs = read_answer(*frame);
    if (!outputs && outputs.error().reason == kMalformed)
      lose(*worker, outputs.error().message);
    else
      release(*worker);
    return outputs;
  }

 private:
  static Result<std::vector<Tensor>> read_answer(const Frame& frame) {
    if (const Json* message = frame.head.find("error")) {
      const bool client = frame.head["client"].boolean();
      return fail(client ? Code::kInvalidArgument : Code::kInternal, "model_failed",
                  client ? std::string(message->text()) : fmt::format("the model failed: {}", message->text()));
    }
    return parse_tensors(frame.head["outputs"], frame.rest);
  }

  // With mutex_ held.
  bool any(std::initializer_list<Worker::State> states) const { return find(states) != nullptr; }
  Worker* find(std::initializer_list<Worker::State> states) const {
    for (const auto& worker : workers_)
      if (std::find(states.begin(), states.end(), worker->state) != states.end()) return worker.get();
    return nullptr;
  }
  Failure restarting() const {
    return fail(Code::kUnavailable, "worker_restarting", "the model's worker is being restarted: " + reason_);
  }

  // An idle worker, now busy. Waits while one works or starts.
  Result<Worker*> acquire(Duration until) {
    std::unique_lock lock(mutex_);
    while (true) {
      if (Worker* idle = find({Worker::State::kIdle})) {
        idle->state = Worker::State::kBusy;
        return idle;
      }
      if (!any({Worker::State::kStarting}))
        if (Worker* absent = find({Worker::State::kAbsent})) start_soon(*absent, {});
      if (!any({Worker::State::kBusy, Worker::State::kStarting})) return restarting();
      const Duration left = until - os::system_clock().monotonic();
      if (left.nanoseconds <= 0)
        return fail(Code::kDeadlineExceeded, "workers_busy", "the request waited too long for one of the model's workers");
      changed_.wait_for(lock, std::chrono::nanoseconds(left.nanoseconds));
    }
  }

  void release(Worker& worker) {
    {
      std::lock_guard lock(mutex_);
      worker.state = Worker::State::kIdle;
      worker.answered = true;
      worker.pause = kPauseFirst;
    }
    changed_.notify_one();
  }

  // Of a busy worker. One that has answered since it started is missed at once; others rest first, so that a model
  // that only ever crashes does not take the processor.
  void lose(Worker& worker, const std::string& why) {
    const auto status = worker.process.end();
    log::warn("a worker of the model ended", {{"why", why}, {"exit_code", int64_t{status.code}}});
    {
      std::lock_guard lock(mutex_);
      reason_ = why;
      if (worker.answered)
        start_soon(worker, {});
      else
        rest(worker);
    }
    changed_.notify_all();
  }

  // Both with mutex_ held.
  void rest(Worker& worker) {
    start_soon(worker, worker.pause);
    worker.state = Worker::State::kResting;
    worker.pause = std::min(worker.pause * 2, kPauseMax);
  }
  void start_soon(Worker& worker, Duration after) {
    worker.state = Worker::State::kStarting;
    worker.answered = false;
    executor_->post_after(after, [this, &worker] { start(worker); });
  }

  void start(Worker& worker) {
    if (stopping_) return;
    {
      std::lock_guard lock(mutex_);
      worker.state = Worker::State::kStarting;
    }
    const auto first = worker.process.start();
    if (stopping_) return;
    {
      std::lock_guard lock(mutex_);
      if (first) {
        worker.state = Worker::State::kIdle;
      } else {
        reason_ = first.error().message;
        rest(worker);
      }
    }
    changed_.notify_all();
    if (first)
      log::info("a worker of the model runs");
    else
      log::warn("a worker of the model does not start", {{"why", first.error().message}});
  }

  // Notices workers that ended while idle.
  void watch() {
    std::vector<Worker*> ended;
    {
      std::lock_guard lock(mutex_);
      for (const auto& worker : workers_) {
        if (worker->state != Worker::State::kIdle || worker->process.lives()) continue;
        worker->state = Worker::State::kBusy;  // ours
        ended.push_back(worker.get());
      }
    }
    for (Worker* worker : ended) lose(*worker, "its process ended by itself");
    if (!stopping_) executor_->post_after(kWatchPeriod, [this] { watch(); });
  }

  WorkerOptions options_;
  Signature signature_;
  std::string platform_;
  int in_use_ = -1;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;  // the workers' states and reason_; never held while something blocks
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::string reason_;
  std::unique_ptr<os::Executor> executor_;
};

}  // namespace

Result<std::unique_ptr<Engine>> start_workers(WorkerOptions options) {
  if (options.environment.empty())
    return fail(Error{Code::kFailedPrecondition, "no_environment", "a model in Python needs its environment"}
                    .with_hint("build it: modelkit environment build --folder " + options.folder));
  std::error_code failed;
  options.environment = fs::canonical(options.environment, failed);
  if (failed || !fs::exists(options.environment + "/bin/python", failed))
    return fail(Code::kNotFound, "no_environment", "there is no Python environment at " + options.environment);
  options.folder = fs::canonical(options.folder, failed);
  if (failed) return fail(Code::kNotFound, "model_missing", "the model's folder cannot be read");
  if (!options.file.empty()) options.file = fs::canonical(options.file, failed);
  auto workers = std::make_unique<Workers>(std::move(options));
  MK_OK(workers->start_first());
  return workers;
}

Result<void> try_model(const std::string& folder, const std::string& environment) {
  WorkerOptions options;
  options.folder = folder;
  options.environment = environment;
  options.loader = "pyfunc";
  std::error_code failed;
  for (const char* name : {"/model.joblib", "/model.pkl", "/model.pickle"})
    if (!fs::exists(folder + "/MLmodel", failed) && fs::exists(folder + name, failed)) {
      options.loader = "sklearn";
      options.file = folder + name;
      break;
    }
  MK_TRY(auto workers, start_workers(std::move(options)));
  return {};
}

}  // namespace mk::dataplane::python

#include "dataplane/engines/python/worker.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <mutex>

#include "base/format.h"
#include "base/log.h"
#include "dataplane/engines/python/frame.h"
#include "embedded/python_worker.h"
#include "os/clock.h"
#include "os/executor.h"
#include "os/sandbox.h"

namespace mk::dataplane::python {
namespace {

namespace fs = std::filesystem;

constexpr const char* kScript = "/tmp/modelkit_worker.py";
constexpr const char* kModelInside = "/model";
constexpr Duration kWatchPeriod = Duration::from_ms(500);
constexpr Duration kPauseFirst = Duration::from_ms(500);
constexpr Duration kPauseMax = Duration::from_seconds(30);
constexpr Duration kHealthyAfter = Duration::from_seconds(60);  // a worker that lived so long starts afresh at kPauseFirst
constexpr Duration kAnswerDeadline = Duration::from_seconds(60);
constexpr uint32_t kUidBase = 2'000'000'000;  // far from people, services and Pods
constexpr uint32_t kUidRange = 1u << 20;

class Worker final : public Engine {
 public:
  explicit Worker(WorkerOptions options)
      : options_(std::move(options)), thread_(os::make_thread_pool(1, "worker")) {
    signature_.open = true;
    // Held while we live, so that the environment is not collected as garbage under us.
    const int used = open((options_.environment + "/pyvenv.cfg").c_str(), O_RDONLY | O_CLOEXEC);
    if (used >= 0) flock(in_use_ = used, LOCK_SH | LOCK_NB);
  }

  ~Worker() override {
    stopping_ = true;
    thread_.reset();  // first: nothing starts a process any more
    std::lock_guard lock(mutex_);
    end_process();
    if (in_use_ >= 0) close(in_use_);
  }

  // On the worker thread, which outlives the process: the kernel ends a child with the thread that started it.
  Result<void> start_first() {
    std::promise<Result<void>> started;
    auto result = started.get_future();
    thread_->post([this, &started] {
      auto outcome = start_and_load();
      if (outcome) thread_->post_after(kWatchPeriod, [this] { watch(); });
      started.set_value(std::move(outcome));
    });
    return result.get();
  }

  const Signature& signature() const override { return signature_; }
  std::string_view platform() const override { return platform_; }

  Result<void> ready() const override {
    if (alive_.load(std::memory_order_acquire)) return {};
    std::lock_guard lock(reason_mutex_);
    return fail(Code::kUnavailable, "worker_restarting", "the model's worker is being restarted: " + reason_);
  }

  Result<std::vector<Tensor>> run(const std::vector<Tensor>& inputs, Duration deadline) override {
    MK_OK(ready());  // not behind the lock: a restart holds it until the model is loaded
    std::lock_guard lock(mutex_);
    MK_OK(ready());
    if (deadline.nanoseconds <= 0) deadline = kAnswerDeadline;
    const Duration until = os::system_clock().monotonic() + deadline;
    auto frame = exchange(inputs, until);
    if (!frame) {
      Error error = std::move(frame).error();
      if (error.code == Code::kDeadlineExceeded)
        error.message = fmt::format("the model did not answer within {:.0f} s and was stopped", deadline.seconds());
      else
        error.message += " while it worked on this request";
      lose(error.message);
      return fail(std::move(error));
    }
    if (const Json* message = frame->head.find("error")) {
      const bool client = frame->head["client"].boolean();
      return fail(client ? Code::kInvalidArgument : Code::kInternal, "model_failed",
                  client ? std::string(message->text()) : fmt::format("the model failed: {}", message->text()));
    }
    auto outputs = parse_tensors(frame->head["outputs"], frame->rest);
    if (!outputs) lose(outputs.error().message);
    return outputs;
  }

 private:
  Result<Frame> exchange(const std::vector<Tensor>& inputs, Duration until) {
    std::vector<std::string> packed;
    std::vector<std::string_view> chunks;
    Json head = Json::object({{"inputs", describe(inputs, packed, chunks)}});
    MK_OK(write_frame(channel_, head, chunks, until));
    return read_frame(channel_, until);
  }

  os::Program make_program(int channel) const {
    os::Program program;
    const std::string script = options_.sandboxed ? kScript : std::string(embedded::python_worker());
    // Not sandboxed there is no private /tmp to hold the script: it goes in as text.
    program.argv = {options_.environment + "/bin/python", "-I", "-B"};
    if (!options_.sandboxed) program.argv.push_back("-c");
    program.argv.push_back(script);
    program.argv.push_back(options_.loader);
    const std::string inside = options_.sandboxed ? kModelInside : options_.folder;
    program.argv.push_back(options_.file.empty() ? inside : inside + options_.file.substr(options_.folder.size()));
    program.env = {"PATH=/usr/bin:/bin", "HOME=/tmp", "TMPDIR=/tmp", "USER=model", "LOGNAME=model", "LANG=C.UTF-8",
                   // One request runs at a time; more threads than processors only wait for each other.
                   fmt::format("OMP_NUM_THREADS={}", sysconf(_SC_NPROCESSORS_ONLN)),
                   fmt::format("OPENBLAS_NUM_THREADS={}", sysconf(_SC_NPROCESSORS_ONLN)),
                   "MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=true", "MLFLOW_TRACKING_URI=file:///tmp/mlruns",
                   "MLFLOW_ENABLE_ASYNC_LOGGING=false", "PYTHONUNBUFFERED=1"};
    program.cwd = "/tmp";
    program.channel = channel;
    return program;
  }

  os::Sandbox make_sandbox() const {
    os::Sandbox sandbox = os::Sandbox::with_system();
    sandbox.binds.push_back({options_.environment, options_.environment});
    sandbox.binds.push_back({options_.folder, kModelInside});
    sandbox.files.push_back({kScript, std::string(embedded::python_worker())});
    sandbox.memory_bytes_max = options_.memory_bytes_max;
    sandbox.uid_for_root = kUidBase + static_cast<uint32_t>(getpid()) % kUidRange;
    return sandbox;
  }

  // Starts the process and waits for its first frame. Worker thread only.
  Result<void> start_and_load() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
      return fail(Code::kUnavailable, "no_descriptors", "cannot start a worker: no file descriptors are left");
    const os::Program program = make_program(ends[1]);
    auto pid = options_.sandboxed ? os::start_sandboxed(make_sandbox(), program) : os::start_trusted(program);
    close(ends[1]);
    if (!pid) {
      close(ends[0]);
      return fail(std::move(pid).error());
    }
    std::lock_guard lock(mutex_);
    pid_ = *pid;
    channel_ = ends[0];
    started_ = os::system_clock().monotonic();
    auto first = read_frame(channel_, started_ + options_.load_deadline);
    if (!first || !first->head["ready"].boolean()) {
      Error error = first ? failed_load(first->head) : std::move(first).error();
      if (error.code == Code::kDeadlineExceeded)
        error.message = fmt::format("the model did not load within {:.0f} s", options_.load_deadline.seconds());
      const auto status = end_process();
      if (error.reason == "worker_gone")
        error.message = fmt::format("its Python process ended with exit code {} before the model was loaded", status.code);
      return fail(std::move(error));
    }
    if (!std::exchange(described_, true)) {  // once: others read it without a lock
      platform_ = first->head["platform"].text();
      signature_.inputs = parse_specs(first->head["inputs"]);
      signature_.outputs = parse_specs(first->head["outputs"]);
    }
    alive_.store(true, std::memory_order_release);
    return {};
  }

  static Error failed_load(const Json& head) {
    Error error{Code::kFailedPrecondition, "model_failed_to_load", std::string(head["failed"].text("no reason given"))};
    if (const auto module = head["missing_module"].text(); !module.empty()) {
      error.reason = "module_missing";
      error.hint = fmt::format("its environment lacks the module {}", module);
    }
    return error;
  }

  // With mutex_ held. The watch starts it again.
  void lose(const std::string& why) {
    alive_ = false;
    const auto status = end_process();
    std::lock_guard lock(reason_mutex_);
    reason_ = why;
    log::warn("the model's worker ended", {{"why", why}, {"exit_code", int64_t{status.code}}});
  }

  os::ExitStatus end_process() {
    if (channel_ >= 0) close(std::exchange(channel_, -1));
    return pid_ > 0 ? os::reap(std::exchange(pid_, -1), true) : os::ExitStatus{};
  }

  // Worker thread: notices a worker that ended while idle, and starts a lost one again.
  void watch() {
    if (stopping_) return;
    Duration pause = kWatchPeriod;
    if (alive_) {
      std::unique_lock lock(mutex_, std::try_to_lock);  // held: a request is running and notices by itself
      char byte = 0;
      if (lock && alive_ && recv(channel_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
        lose("its process ended by itself");
    } else {
      pause = restart();
    }
    if (!stopping_) thread_->post_after(pause, [this] { watch(); });
  }

  Duration restart() {
    if (os::system_clock().monotonic() - started_ > kHealthyAfter) pause_ = kPauseFirst;
    auto outcome = start_and_load();
    if (outcome) {
      log::info("the model's worker runs again");
    } else {
      std::lock_guard lock(reason_mutex_);
      reason_ = outcome.error().message;
      log::warn("the model's worker does not start", {{"why", reason_}});
    }
    return std::exchange(pause_, std::min(pause_ * 2, kPauseMax));
  }

  const WorkerOptions options_;
  Signature signature_;
  std::string platform_ = "python";
  bool described_ = false;
  std::mutex mutex_;  // the channel and the process: one request at a time
  int pid_ = -1;
  int channel_ = -1;
  int in_use_ = -1;
  Duration started_;
  Duration pause_ = kPauseFirst;  // worker thread only
  std::atomic<bool> alive_ = false, stopping_ = false;
  mutable std::mutex reason_mutex_;
  std::string reason_;
  std::unique_ptr<os::Executor> thread_;
};

}  // namespace

Result<std::unique_ptr<Engine>> start_worker(WorkerOptions options) {
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
  auto worker = std::make_unique<Worker>(std::move(options));
  MK_OK(worker->start_first());
  return worker;
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
  MK_TRY(auto worker, start_worker(std::move(options)));
  return {};
}

}  // namespace mk::dataplane::python

#include "dataplane/engines/python/process.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/format.h"
#include "dataplane/engines/python/limits.h"
#include "embedded/python_worker.h"
#include "os/clock.h"

namespace mk::dataplane::python {
namespace {

constexpr const char* kScript = "/tmp/modelkit_worker.py";
constexpr const char* kModelInside = "/model";
constexpr uint32_t kUidBase = 2'000'000'000;  // far from people, services and Pods
constexpr uint32_t kUidRange = 1u << 20;

Error failed_load(const Json& head) {
  Error error{Code::kFailedPrecondition, "model_failed_to_load", std::string(head["failed"].text("no reason given"))};
  if (const auto module = head["missing_module"].text(); !module.empty()) {
    error.reason = "module_missing";
    error.hint = fmt::format("its environment lacks the module {}", module);
  }
  return error;
}

}  // namespace

os::Program Process::make_program(int channel) const {
  os::Program program;
  const std::string script = options_.sandboxed ? kScript : std::string(embedded::python_worker());
  // Not sandboxed there is no private /tmp to hold the script: it goes in as text.
  program.argv = {options_.environment + "/bin/python", "-I", "-B"};
  if (!options_.sandboxed) program.argv.push_back("-c");
  program.argv.push_back(script);
  program.argv.push_back(options_.loader);
  const std::string inside = options_.sandboxed ? kModelInside : options_.folder;
  program.argv.push_back(options_.file.empty() ? inside : inside + options_.file.substr(options_.folder.size()));
  // One request runs at a time in each; more threads than processors only wait for each other.
  const long threads = std::max(1L, sysconf(_SC_NPROCESSORS_ONLN) / options_.processes_max);
  program.env = {"PATH=/usr/bin:/bin", "HOME=/tmp", "TMPDIR=/tmp", "USER=model", "LOGNAME=model", "LANG=C.UTF-8",
                 fmt::format("OMP_NUM_THREADS={}", threads), fmt::format("OPENBLAS_NUM_THREADS={}", threads),
                 "MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=true", "MLFLOW_TRACKING_URI=file:///tmp/mlruns",
                 "MLFLOW_ENABLE_ASYNC_LOGGING=false", "PYTHONUNBUFFERED=1"};
  program.cwd = "/tmp";
  program.channel = channel;
  return program;
}

os::Sandbox Process::make_sandbox() const {
  os::Sandbox sandbox = os::Sandbox::with_system();
  sandbox.binds.push_back({options_.environment, options_.environment});
  sandbox.binds.push_back({options_.folder, kModelInside});
  sandbox.files.push_back({kScript, std::string(embedded::python_worker())});
  sandbox.memory_bytes_max = options_.memory_bytes_max;
  // Each its own: the kernel counts processes by user.
  const auto own = static_cast<uint32_t>(getpid()) * kProcessesMax + static_cast<uint32_t>(number_);
  sandbox.uid_for_root = kUidBase + own % kUidRange;
  return sandbox;
}

Result<Frame> Process::start() {
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
  pid_ = *pid;
  {
    std::lock_guard lock(mutex_);
    channel_ = ends[0];
    if (interrupted_) shutdown(channel_, SHUT_RDWR);
  }
  auto first = read_frame(channel_, os::system_clock().monotonic() + options_.load_deadline);
  if (first && first->head["ready"].boolean()) return first;
  Error error = first ? failed_load(first->head) : std::move(first).error();
  const auto status = end();
  if (error.code == Code::kDeadlineExceeded)
    error.message = fmt::format("the model did not load within {:.0f} s", options_.load_deadline.seconds());
  if (error.reason == "worker_gone")
    error.message = fmt::format("its Python process ended with exit code {} before the model was loaded", status.code);
  return fail(std::move(error));
}

Result<Frame> Process::ask(const std::vector<Tensor>& inputs, Duration until) {
  std::vector<std::string> packed;
  std::vector<std::string_view> chunks;
  Json head = Json::object({{"inputs", describe(inputs, packed, chunks)}});
  MK_OK(write_frame(channel_, head, chunks, until));
  return read_frame(channel_, until);
}

bool Process::lives() const {
  char byte = 0;
  // It says nothing unasked: bytes that wait are as much its end as the end of the stream.
  return channel_ >= 0 && recv(channel_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EINTR);
}

os::ExitStatus Process::end() {
  {
    std::lock_guard lock(mutex_);
    if (channel_ >= 0) close(std::exchange(channel_, -1));
  }
  return pid_ > 0 ? os::reap(std::exchange(pid_, -1), true) : os::ExitStatus{};
}

void Process::interrupt() {
  std::lock_guard lock(mutex_);
  interrupted_ = true;
  if (channel_ >= 0) shutdown(channel_, SHUT_RDWR);
}

}  // namespace mk::dataplane::python

#include "app/gateway_process.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "base/format.h"
#include "base/log.h"
#include "dataplane/gateway/gateway.h"
#include "os/files.h"

namespace mk::app {

namespace {

constexpr Duration kGrace = Duration::from_seconds(35);  // longer than the gateway's own drain
constexpr Duration kUndoWait = Duration::from_seconds(10);
constexpr int kBackOffDoublingsMax = 5;  // 100 ms to 3.2 s between starts
constexpr Duration kWellAfter = Duration::from_seconds(10);

}  // namespace

struct GatewayProcess::State : std::enable_shared_from_this<State> {
  State(GatewayWish what, os::Processes& with, os::Executor& on)
      : wish(std::move(what)), processes(with), executor(on), run(wish.folder + "/run") {}

  bool running_as_wished() {
    if (!processes.look(run).running()) return false;
    const auto listening = gateway::read_listening(wish.folder);
    if (!listening) return false;
    // A program that was built or installed anew since reads as another path here ("... (deleted)").
    std::error_code code;
    const auto program = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", listening->pid), code);
    return !code && program == wish.program && listening->error.empty() &&
           listening->version == MODELKIT_VERSION && listening->address == wish.address &&
           (wish.port == 0 || listening->port == wish.port);
  }

  Result<void> launch() {
    if (processes.look(run).running()) {
      log::info("the gateway that runs is not as wished and is replaced", {});
      MK_OK(processes.stop(run, kGrace));
      for (int i = 0; i < 20'000 && processes.look(run).running(); ++i) ::usleep(2'000);
    }
    MK_OK(os::remove_all(run));
    MK_OK(os::make_folder(run, 0700));
    ::unlink(fmt::format("{}/{}", wish.folder, gateway::kListeningFile).c_str());
    os::ProcessSpec spec;
    spec.pod = "gateway";
    spec.argv = {wish.program, "gateway",    "--folder", wish.folder,
                 "--address",  wish.address, "--port",   fmt::format("{}", wish.port)};
    spec.env = {"LC_ALL=C.UTF-8"};
    spec.grace = kGrace;
    started = executor.clock().monotonic();
    MK_TRY(const os::ProcessState state, processes.start(run, spec));
    launched = true;
    if (!state.running())
      return fail(Code::kUnavailable, "gateway", "the gateway does not start: " + state.message);
    return {};
  }

  void exited() {
    const std::lock_guard lock(mutex);
    if (stopping) return;
    const bool was_well = executor.clock().monotonic() - started > kWellAfter;
    failures = was_well ? 0 : std::min(failures + 1, kBackOffDoublingsMax);
    const Duration wait = Duration::from_ms(was_well ? 0 : 100 << failures);
    log::warn("the gateway ended and is started again", {{"wait_ms", wait.ms()}});
    executor.post_after(wait, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      const std::lock_guard inner(self->mutex);
      if (self->stopping || self->processes.look(self->run).running()) return;
      if (const auto again = self->launch(); !again) log::error(again.error().message, {});
    });
  }

  GatewayWish wish;
  os::Processes& processes;
  os::Executor& executor;
  const std::string run;
  std::mutex mutex;  // guards the rest and the run folder
  bool stopping = false;
  bool launched = false;  // by us, not found
  int failures = 0;
  Duration started;
};

GatewayProcess::GatewayProcess(GatewayWish wish, os::Processes& processes, os::Executor& executor)
    : state_(std::make_shared<State>(std::move(wish), processes, executor)) {
  processes.on_exit([weak = std::weak_ptr(state_)](const std::string& folder) {
    const auto state = weak.lock();
    if (state && folder == state->run) state->exited();
  });
}

GatewayProcess::~GatewayProcess() {
  state_->processes.on_exit(nullptr);
  const std::lock_guard lock(state_->mutex);
  state_->stopping = true;
}

Result<void> GatewayProcess::start() {
  const std::lock_guard lock(state_->mutex);
  state_->started = state_->executor.clock().monotonic();
  if (state_->running_as_wished()) return {};
  return state_->launch();
}

Result<uint16_t> GatewayProcess::wait_ready(Duration deadline) {
  const os::Clock& clock = state_->executor.clock();
  const Duration end = clock.monotonic() + deadline;
  while (true) {
    const auto listening = gateway::read_listening(state_->wish.folder);
    if (listening && !listening->error.empty()) {
      return fail(Code::kUnavailable, "gateway", "the gateway cannot start: " + listening->error);
    }
    if (listening && listening->port != 0) {
      const std::lock_guard lock(state_->mutex);
      state_->wish.port = listening->port;  // clients know it now: a new one takes the same
      return listening->port;
    }
    if (clock.monotonic() >= end) return fail(Code::kUnavailable, "gateway", "the gateway does not answer");
    ::usleep(500);
  }
}

void GatewayProcess::undo_start() {
  bool ours = false;
  {
    const std::lock_guard lock(state_->mutex);
    ours = state_->launched;
  }
  if (!ours) return;
  stop();
  // It has served nobody, so it ends at once; whoever tries again wants its port.
  if (state_->processes.wait(state_->run, kUndoWait).running())
    log::warn("the gateway takes long to stop", {{"folder", state_->run}});
}

void GatewayProcess::stop() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  if (const auto stopped = state_->processes.stop(state_->run, kGrace); !stopped) {
    log::warn("the gateway was not stopped", {{"error", stopped.error().message}});
  }
}

}  // namespace mk::app

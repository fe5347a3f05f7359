#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/encoding.h"
#include "base/format.h"
#include "embedded/modelkit_shim.h"
#include "os/exit_watcher.h"
#include "os/files.h"
#include "os/leftovers.h"
#include "os/processes.h"
#include "os/run_text.h"
#include "os/shim_protocol.h"
#include "os/shim_socket.h"

namespace mk::os {
namespace {

constexpr int kReadyTimeoutMs = 20'000;  // until the program runs; a slow disk, never a slow program
constexpr int kCutOffPauseMs = 2;        // a start that our own end cut off: until its shim has decided
constexpr int kCutOffTriesMax = 2'500;

uint64_t start_ticks(int pid) {
  auto stat = read_file(fmt::format("/proc/{}/stat", pid));
  if (!stat) return 0;
  size_t at = stat->rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = stat->find(' ', at + 1);
  return at == std::string::npos ? 0 : static_cast<uint64_t>(leading_number(std::string_view(*stat).substr(at + 1)));
}

const std::string& boot_id() {
  static const std::string id = [] {
    auto text = read_file("/proc/sys/kernel/random/boot_id");
    return text ? text->substr(0, 36) : std::string();
  }();
  return id;
}

int pidfd_open_of(int pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

class ShimProcesses final : public Processes {
 public:
  explicit ShimProcesses(ShimSettings settings) : settings_(std::move(settings)) {}

  Result<ProcessState> start(const std::string& folder, const ProcessSpec& spec) override {
    MK_TRY(std::string text, write_run_spec(spec));
    text += fmt::format("env {}\n", run_mark(folder));
    if (spec.beside.empty()) {
      MK_TRY(const Cgroup group, settings_.cgroups.make(folder_id(folder), spec.bounds));
      text += write_run_groups(group);
    } else {
      text += joined_lines(spec.beside);
    }
    MK_OK(write_file(folder + "/" + shim::kSpecFile, text));
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0)
      return fail(Code::kUnavailable, "process_start", "no file descriptor is left");
    auto pid = spawn(folder, ready[1], spec.uid ? settings_.user_namespace : -1);
    close(ready[1]);
    if (!pid) {
      close(ready[0]);
      return fail(std::move(pid).error());
    }
    const std::string answer = read_answer(ready[0]);
    close(ready[0]);
    const auto shim = static_cast<pid_t>(leading_number(answer));
    if (answer.empty()) kill(*pid, SIGKILL);
    if (shim != *pid) reap(*pid);
    if (shim > 0) watch(shim, folder);
    if (!answer.empty()) return look(folder);
    return fail(Code::kUnavailable, "process_start", "the process's shim gave no answer");
  }

  ProcessState look(const std::string& folder) override {
    for (int tries = 0; tries < kCutOffTriesMax; ++tries) {
      // `state` before `exit`: a run that ends in between is seen as ended.
      auto state = read_file(folder + "/" + shim::kStateFile);
      if (auto ended = read_file(folder + "/" + shim::kExitFile)) return read_run_exit(*ended);
      if (state) {
        if (auto live = adopt(folder, *state)) return *live;
        return bury(folder);
      }
      if (!exists(folder + "/" + shim::kSpecFile)) return {};
      // Asked to start, nothing known: either a shim is about to write its state, or there is none.
      if (!locked(folder)) return bury(folder);
      poll(nullptr, 0, kCutOffPauseMs);
    }
    return {};
  }

  ProcessState wait(const std::string& folder, Duration limit) override {
    const Duration until = system_clock().monotonic() + limit;
    ProcessState state = look(folder);
    while (state.running() && system_clock().monotonic() < until) {
      poll(nullptr, 0, kCutOffPauseMs);
      state = look(folder);
    }
    return state;
  }

  Result<ProcessSpec> spec_of(const std::string& folder) override {
    MK_TRY(const std::string text, read_file(folder + "/" + shim::kSpecFile));
    return read_run_spec(text);
  }

  Result<void> stop(const std::string& folder, Duration grace) override {
    return ask(folder, fmt::format("stop {}\n", grace.ms()));
  }
  Result<void> signal(const std::string& folder, int number) override {
    return ask(folder, fmt::format("signal {}\n", number));
  }
  void on_exit(std::function<void(const std::string&)> call) override { watcher_.on_exit(std::move(call)); }

 private:
  Result<pid_t> spawn(const std::string& folder, int ready, int user_namespace) {
    // Only these and /dev/null go along: everything of ours is close-on-exec.
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ready, 3);
    int next = 4;
    const auto pass = [&](int descriptor) {
      if (descriptor < 0) return std::string("-1");
      posix_spawn_file_actions_adddup2(&actions, descriptor, next);
      return fmt::format("{}", next++);
    };
    std::string name = "modelkit-shim", where = folder, fd = "3";
    std::string space = pass(user_namespace), kept = pass(settings_.kept);
    posix_spawn_file_actions_addclosefrom_np(&actions, next);
    char* argv[] = {name.data(), where.data(), fd.data(), space.data(), kept.data(), nullptr};
    char* envp[] = {nullptr};
    pid_t pid = 0;
    const int error = posix_spawn(&pid, settings_.shim.c_str(), &actions, nullptr, argv, envp);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
      return fail(Code::kUnavailable, "process_start",
                  fmt::format("cannot start the process's shim: {}", strerrordesc_np(error)));
    return pid;
  }

  static std::string read_answer(int fd) {
    std::string answer;
    pollfd waiting{fd, POLLIN, 0};
    while (poll(&waiting, 1, kReadyTimeoutMs) > 0) {
      char chunk[1024];
      const ssize_t n = read(fd, chunk, sizeof chunk);
      if (n <= 0) break;
      answer.append(chunk, static_cast<size_t>(n));
    }
    return answer;
  }

  static void reap(pid_t pid) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  static std::vector<std::string> groups_of(const std::string& folder) {
    return read_run_groups(read_file(folder + "/" + shim::kSpecFile).value_or(""));
  }

  // The lines that let a run join the groups of another, and its pid namespace if that has one.
  static std::string joined_lines(const std::string& folder) {
    std::string text;
    for (const std::string& group : groups_of(folder)) text += fmt::format("cgroup {}\n", escape_line(group));
    auto values = read_run_lines(read_file(folder + "/" + shim::kStateFile).value_or(""), shim::kStateHeader);
    return values["own_pids"] == "1" ? text + fmt::format("join_pids {}\n", values["shim"]) : text;
  }

  void watch(pid_t pid, const std::string& folder) {
    const int pidfd = pidfd_open_of(pid);
    if (pidfd >= 0) watcher_.add(pidfd, folder);
  }

  // The live run that `state` tells of, by boot, pid and start time.
  std::optional<ProcessState> adopt(const std::string& folder, const std::string& text) {
    auto values = read_run_lines(text, shim::kStateHeader);
    if (values["boot"] != boot_id()) return {};
    const std::string_view line = values["shim"];
    const int pid = static_cast<int>(leading_number(line));
    const size_t space = line.find(' ');
    const int pidfd = pidfd_open_of(pid);
    if (pidfd < 0) return {};
    // With the pidfd held, the start time cannot change under us.
    pollfd ended{pidfd, POLLIN, 0};
    if (space == std::string_view::npos ||
        start_ticks(pid) != static_cast<uint64_t>(leading_number(line.substr(space + 1))) ||
        poll(&ended, 1, 0) != 0) {
      close(pidfd);
      return {};
    }
    watcher_.add(pidfd, folder);
    ProcessState state;
    state.phase = ProcessState::Phase::kRunning;
    state.pid = static_cast<int>(leading_number(values["process"]));
    state.started = {leading_number(values["started"])};
    return state;
  }

  static bool locked(const std::string& folder) {
    const int lock = open((folder + "/" + shim::kLockFile).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) return false;
    const bool held = flock(lock, LOCK_EX | LOCK_NB) != 0;
    close(lock);
    return held;
  }

  // No shim will ever write this run's end: write it, unless one does hold the lock after all.
  static ProcessState bury(const std::string& folder) {
    const int lock = open((folder + "/" + shim::kLockFile).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) return {};
    flock(lock, LOCK_EX);  // a shim in its last moments lets go soon
    if (!exists(folder + "/" + shim::kExitFile)) {
      auto state = read_run_lines(read_file(folder + "/" + shim::kStateFile).value_or(""), shim::kStateHeader);
      if (state["own_pids"] != "1") end_leftovers(folder);
      for (const std::string& group : groups_of(folder)) remove_cgroup(group);
      const int64_t now = system_clock().now().nanoseconds;
      const std::string text = fmt::format(
          "{}\ncode 137\nsignal 9\nreason Lost\nmessage its supervisor was killed or the machine restarted\n"
          "started {}\nfinished {}\n",
          shim::kExitHeader, now, now);
      if (!write_file(folder + "/" + shim::kExitFile, text, 0600, true)) {
        close(lock);
        return {};
      }
    }
    close(lock);
    auto ended = read_file(folder + "/" + shim::kExitFile);
    return ended ? read_run_exit(*ended) : ProcessState{};
  }

  static Result<void> ask(const std::string& folder, std::string_view request) {
    if (ask_shim(folder, request, nullptr)) return {};
    if (exists(folder + "/" + shim::kExitFile)) return {};  // it ended meanwhile
    return fail(Code::kUnavailable, "process_control", "the process's shim does not answer");
  }

  ShimSettings settings_;
  ExitWatcher watcher_;
};

}  // namespace

std::unique_ptr<Processes> make_shim_processes(ShimSettings settings) {
  return std::make_unique<ShimProcesses>(std::move(settings));
}

int kept_by_run(const std::string& folder) {
  int descriptor = -1;
  // Most folders are of runs that have ended: they have no socket.
  if (exists(folder + "/" + shim::kSocketFile)) (void)ask_shim(folder, "kept\n", &descriptor);
  return descriptor;
}

Result<std::string> install_shim(const std::string& folder) {
  const std::string_view bytes = embedded::modelkit_shim();
  // FNV-1a: names a version, guards nothing.
  static const uint64_t hash = [&] {
    uint64_t value = 0xcbf29ce484222325u;
    for (const char c : bytes) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return value;
  }();
  const std::string home = fmt::format("{}/{:016x}", folder, hash);
  const std::string path = home + "/modelkit-shim";
  MK_OK(make_folder(home));
  struct stat info{};
  if (stat(path.c_str(), &info) == 0 && static_cast<size_t>(info.st_size) == bytes.size()) return path;
  MK_OK(write_file(path, bytes, 0700, true));
  return path;
}

}  // namespace mk::os

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

#include "base/encoding.h"
#include "base/format.h"
#include "embedded/modelkit_shim.h"
#include "os/files.h"
#include "os/leftovers.h"
#include "os/processes.h"
#include "os/shim_protocol.h"

namespace mk::os {
namespace {

constexpr int kReadyTimeoutMs = 20'000;  // until the program runs; a slow disk, never a slow program
constexpr int kAnswerTimeoutMs = 2'000;  // the shim answers from memory
constexpr int kCutOffPauseMs = 2;        // a start that our own end cut off: until its shim has decided
constexpr int kCutOffTriesMax = 2'500;

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\\')
      out += "\\\\";
    else
      out += c;
  }
  return out;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size())
      out += text[++i] == 'n' ? '\n' : text[i];
    else
      out += text[i];
  }
  return out;
}

Result<std::string> spec_text(const ProcessSpec& spec) {
  std::string text = fmt::format("{}\npod {}\n", shim::kSpecHeader, escape(spec.pod));
  const auto has_nul = [](std::string_view value) { return value.find('\0') != std::string_view::npos; };
  for (const std::string& arg : spec.argv) {
    if (has_nul(arg)) return invalid("a command argument holds a NUL byte");
    text += fmt::format("arg {}\n", escape(arg));
  }
  for (const std::string& variable : spec.env) {
    if (has_nul(variable)) return invalid("an environment variable holds a NUL byte");
    text += fmt::format("env {}\n", escape(variable));
  }
  text += fmt::format("cwd {}\ngrace_ms {}\nlog_bytes_max {}\nlog_files_max {}\n", escape(spec.cwd),
                      spec.grace.ms(), spec.log_bytes_max, spec.log_files_max);
  if (spec.uid) text += fmt::format("uid {}\ngid {}\n", *spec.uid, *spec.uid);
  if (spec.own_pids && spec.beside.empty()) text += "own_pids 1\n";
  if (spec.open_exec) text += "open_exec 1\n";
  for (const std::string& folder : spec.hidden) text += fmt::format("hide {}\n", escape(folder));
  for (const auto& mount : spec.mounts)
    text += fmt::format("{} {}\t{}{}{}\n", mount.read_only ? "mount_ro" : "mount_rw", escape(mount.source),
                        escape(mount.target), mount.beneath.empty() ? "" : "\t", escape(mount.beneath));
  for (const auto& limit : spec.limits)
    text += fmt::format("rlimit {} {} {}\n", limit.name, limit.soft, limit.hard);
  if (text.size() > shim::kSpecBytesMax)
    return fail(Code::kTooLarge, "process_spec", "command and environment together are larger than 4 MiB");
  return text;
}

// "key value" lines under a known header; empty when the header is another one.
std::map<std::string, std::string, std::less<>> parse_lines(std::string_view text, std::string_view header) {
  std::map<std::string, std::string, std::less<>> values;
  bool first = true;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (first && line != header) return {};
    const size_t space = line.find(' ');
    if (!first && space != std::string_view::npos)
      values.emplace(line.substr(0, space), unescape(line.substr(space + 1)));
    first = false;
  }
  return values;
}

int64_t number(std::string_view text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// The reverse of spec_text, for runs beside the first one.
ProcessSpec parse_spec(std::string_view text) {
  ProcessSpec spec;
  while (!text.empty()) {
    const size_t end = text.find('\n'), space = text.find(' ');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (space >= line.size()) continue;
    const std::string_view key = line.substr(0, space), value = line.substr(space + 1);
    if (key == "pod") spec.pod = unescape(value);
    if (key == "arg") spec.argv.push_back(unescape(value));
    if (key == "env" && !value.starts_with(kMarkName)) spec.env.push_back(unescape(value));
    if (key == "cwd") spec.cwd = unescape(value);
    if (key == "uid") spec.uid = static_cast<uint32_t>(number(value));
    if (key == "hide") spec.hidden.push_back(unescape(value));
    if (key == "own_pids") spec.own_pids = value == "1";
    if (key == "open_exec") spec.open_exec = value == "1";
    const size_t tab = value.find('\t');
    if (key.starts_with("mount_") && tab != std::string_view::npos) {
      const size_t second_tab = std::min(value.find('\t', tab + 1), value.size());
      spec.mounts.push_back({unescape(value.substr(0, tab)), unescape(value.substr(tab + 1, second_tab - tab - 1)),
                             key == "mount_ro", unescape(value.substr(std::min(second_tab + 1, value.size())))});
    }
    const size_t first = value.find(' '), second = value.find(' ', first + 1);
    if (key == "rlimit" && second != std::string_view::npos)
      spec.limits.push_back({std::string(value.substr(0, first)),
                             static_cast<uint64_t>(number(value.substr(first + 1))),
                             static_cast<uint64_t>(number(value.substr(second + 1)))});
  }
  return spec;
}

uint64_t start_ticks(int pid) {
  auto stat = read_file(fmt::format("/proc/{}/stat", pid));
  if (!stat) return 0;
  size_t at = stat->rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = stat->find(' ', at + 1);
  return at == std::string::npos ? 0 : static_cast<uint64_t>(number(std::string_view(*stat).substr(at + 1)));
}

const std::string& boot_id() {
  static const std::string id = [] {
    auto text = read_file("/proc/sys/kernel/random/boot_id");
    return text ? text->substr(0, 36) : std::string();
  }();
  return id;
}

ProcessState exit_state(std::string_view text) {
  ProcessState state;
  auto values = parse_lines(text, shim::kExitHeader);
  state.phase = ProcessState::Phase::kExited;
  state.exit_code = static_cast<int>(number(values["code"]));
  state.signal = static_cast<int>(number(values["signal"]));
  state.reason = values.empty() ? "Unknown" : values["reason"];
  state.message = values["message"];
  state.started = {number(values["started"])};
  state.finished = {number(values["finished"])};
  return state;
}

// Watches shims by pidfd, ours and adopted ones alike, and tells when one is gone.
class Watcher {
 public:
  Watcher() : epoll_(epoll_create1(EPOLL_CLOEXEC)), stop_(eventfd(0, EFD_CLOEXEC)) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = stop_}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, stop_, &event);
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), "processes");
  }
  ~Watcher() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = write(stop_, &one, sizeof one);
    thread_.join();
    for (const auto& [fd, folder] : folders_) close(fd);
    close(epoll_);
    close(stop_);
  }

  void on_exit(std::function<void(const std::string&)> call) {
    std::lock_guard lock(call_mutex_);
    call_ = std::move(call);
  }
  // Takes `pidfd`. A folder that is watched already is not watched twice.
  void add(int pidfd, const std::string& folder) {
    std::lock_guard lock(mutex_);
    if (!watched_.insert(folder).second) {
      close(pidfd);
      return;
    }
    folders_[pidfd] = folder;
    epoll_event event{.events = EPOLLIN, .data = {.fd = pidfd}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, pidfd, &event);
  }
  bool watches(const std::string& folder) {
    std::lock_guard lock(mutex_);
    return watched_.contains(folder);
  }

 private:
  void run() {
    while (true) {
      epoll_event events[32];
      const int count = epoll_wait(epoll_, events, 32, -1);
      for (int i = 0; i < count; ++i) {
        if (events[i].data.fd == stop_) return;
        ended(events[i].data.fd);
      }
    }
  }
  void ended(int pidfd) {
    siginfo_t info{};
    waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG);  // ours: leaves no zombie behind
    std::string folder;
    {
      std::lock_guard lock(mutex_);
      const auto found = folders_.find(pidfd);
      if (found == folders_.end()) return;
      folder = std::move(found->second);
      folders_.erase(found);
      watched_.erase(folder);
    }
    // Closing alone would not take it out while a forked child still holds a copy, and the next event would then
    // close whatever has got this number since.
    epoll_ctl(epoll_, EPOLL_CTL_DEL, pidfd, nullptr);
    close(pidfd);
    std::lock_guard lock(call_mutex_);
    if (call_) call_(folder);
  }

  int epoll_, stop_;
  std::mutex mutex_;
  std::mutex call_mutex_;  // held while calling: after on_exit({}) returns, nobody is called any more
  std::function<void(const std::string&)> call_;
  std::unordered_map<int, std::string> folders_;
  std::set<std::string> watched_;
  std::thread thread_;
};

int pidfd_open_of(int pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

// Whether the shim of a run answers with ok; a descriptor that comes with the answer is put into `passed`.
bool ask_shim(const std::string& folder, std::string_view request, int* passed) {
  // Through /proc/self/fd the address fits whatever the folder's length.
  const int where = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (where < 0) return false;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", where, shim::kSocketFile);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const bool connected =
      fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size());
  close(where);
  char reply[600];
  iovec part{reply, sizeof reply};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  pollfd waiting{fd, POLLIN, 0};
  ssize_t got = 0;
  if (connected && poll(&waiting, 1, kAnswerTimeoutMs) > 0) got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (fd >= 0) close(fd);
  const cmsghdr* header = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    if (passed != nullptr)
      *passed = descriptor;
    else
      close(descriptor);
  }
  return got >= 2 && std::string_view(reply, 2) == "ok";
}

class ShimProcesses final : public Processes {
 public:
  explicit ShimProcesses(ShimSettings settings) : settings_(std::move(settings)) {}

  Result<ProcessState> start(const std::string& folder, const ProcessSpec& spec) override {
    MK_TRY(std::string text, spec_text(spec));
    text += fmt::format("env {}\n", run_mark(folder));
    if (spec.beside.empty()) {
      MK_TRY(const Cgroup group, settings_.cgroups.make(folder_id(folder), spec.bounds));
      text += group_lines(group);
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
    const auto shim = static_cast<pid_t>(number(answer));
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
      if (auto ended = read_file(folder + "/" + shim::kExitFile)) return exit_state(*ended);
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
    return parse_spec(text);
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

  static std::string group_lines(const Cgroup& group) {
    std::string text = group.folders.empty() ? "" : "own_cgroup 1\n";
    for (const std::string& folder : group.folders) text += fmt::format("cgroup {}\n", escape(folder));
    if (!group.oom_file.empty()) text += fmt::format("oom {}\n", escape(group.oom_file));
    return text;
  }

  static std::vector<std::string> groups_of(const std::string& folder) {
    const std::string text = read_file(folder + "/" + shim::kSpecFile).value_or("");
    std::vector<std::string> groups;
    constexpr std::string_view kKey = "\ncgroup ";
    for (size_t at = text.find(kKey); at != text.npos; at = text.find(kKey, at + 1))
      groups.push_back(unescape(std::string_view(text).substr(at + kKey.size(), text.find('\n', at + 1) - at - kKey.size())));
    return groups;
  }

  // The lines that let a run join the groups of another, and its pid namespace if that has one.
  static std::string joined_lines(const std::string& folder) {
    std::string text;
    for (const std::string& group : groups_of(folder)) text += fmt::format("cgroup {}\n", escape(group));
    auto values = parse_lines(read_file(folder + "/" + shim::kStateFile).value_or(""), shim::kStateHeader);
    return values["own_pids"] == "1" ? text + fmt::format("join_pids {}\n", values["shim"]) : text;
  }

  void watch(pid_t pid, const std::string& folder) {
    const int pidfd = pidfd_open_of(pid);
    if (pidfd >= 0) watcher_.add(pidfd, folder);
  }

  // The live run that `state` tells of, by boot, pid and start time.
  std::optional<ProcessState> adopt(const std::string& folder, const std::string& text) {
    auto values = parse_lines(text, shim::kStateHeader);
    if (values["boot"] != boot_id()) return {};
    const std::string_view line = values["shim"];
    const int pid = static_cast<int>(number(line));
    const size_t space = line.find(' ');
    const int pidfd = pidfd_open_of(pid);
    if (pidfd < 0) return {};
    // With the pidfd held, the start time cannot change under us.
    pollfd ended{pidfd, POLLIN, 0};
    if (space == std::string_view::npos ||
        start_ticks(pid) != static_cast<uint64_t>(number(line.substr(space + 1))) ||
        poll(&ended, 1, 0) != 0) {
      close(pidfd);
      return {};
    }
    watcher_.add(pidfd, folder);
    ProcessState state;
    state.phase = ProcessState::Phase::kRunning;
    state.pid = static_cast<int>(number(values["process"]));
    state.started = {number(values["started"])};
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
      auto state = parse_lines(read_file(folder + "/" + shim::kStateFile).value_or(""), shim::kStateHeader);
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
    return ended ? exit_state(*ended) : ProcessState{};
  }

  static Result<void> ask(const std::string& folder, std::string_view request) {
    if (ask_shim(folder, request, nullptr)) return {};
    if (exists(folder + "/" + shim::kExitFile)) return {};  // it ended meanwhile
    return fail(Code::kUnavailable, "process_control", "the process's shim does not answer");
  }

  ShimSettings settings_;
  Watcher watcher_;
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

// modelkit-shim: stays with one container of one Pod from its start to its end, whatever happens to modelkit.
// It owns the process's pipes and log files, reaps its orphans, records how it ended and answers on a socket.
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "os/shim_protocol.h"
#include "shim/child.h"
#include "shim/control.h"
#include "shim/errand.h"
#include "shim/log_file.h"
#include "shim/namespaces.h"
#include "shim/spec.h"
#include "shim/text.h"

namespace mk::shim {
namespace {

constexpr int64_t kDrainMs = 2'000;  // for output that is still in the pipes after the end
constexpr int64_t kKillPauseMs = 5;
constexpr int kGroupTries = 40;      // to take a control group away: the last of its processes may still be going
constexpr int64_t kReapMs = 10'000;  // descendants that do not die within this are in the kernel's hands

struct Run {
  Spec spec;
  Child child;
  bool main_ended = false, stopping = false;
  int wait_status = 0;
  int64_t kill_at_ms = 0;  // monotonic; valid while stopping
};

// Static: the streams' buffers and the spec's tables are too large for a stack that should stay in one page.
Run g_run;
Control g_control;

void reap() {
  int status = 0;
  pid_t pid = 0;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid != g_run.child.pid) continue;
    g_run.main_ended = true;
    g_run.wait_status = status;
  }
}

void signal_group(int number) {
  if (g_run.main_ended) return;  // its pid may already be someone else's
  if (kill(-g_run.child.pid, number) != 0) kill(g_run.child.pid, number);
}

void stop(int64_t grace_ms) {
  const int64_t at = monotonic_ms() + (grace_ms < 0 ? 0 : grace_ms);
  if (!g_run.stopping || at < g_run.kill_at_ms) g_run.kill_at_ms = at;
  if (!g_run.stopping && grace_ms > 0) signal_group(SIGTERM);
  g_run.stopping = true;
}

// Kills every direct child; their children then become ours (we are the subreaper) and are found the next
// time.
void kill_children() {
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return;
  while (const dirent* entry = readdir(proc)) {
    const int pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    Text<32> path;
    path.add("/proc/").number(pid).add("/stat");
    char stat[512];
    if (read_small(path.c_str(), stat, sizeof stat) <= 0) continue;
    const char* after = std::strrchr(stat, ')');
    if (after == nullptr || after[1] == 0 || after[2] == 0) continue;
    if (std::atoi(after + 3) == getpid()) kill(pid, SIGKILL);
  }
  closedir(proc);
}

// The main process is gone: no descendant stays behind.
void end_descendants() {
  const int64_t until = monotonic_ms() + kReapMs;
  kill(-g_run.child.pid, SIGKILL);
  while (monotonic_ms() < until) {
    pid_t pid = 0;
    do pid = waitpid(-1, nullptr, WNOHANG);
    while (pid > 0);
    if (pid < 0) return;  // no children
    if (g_run.spec.own_pids)
      kill(-1, SIGKILL);  // all of our namespace but us, who are its process 1
    else
      kill_children();
    poll(nullptr, 0, kKillPauseMs);
  }
}

void answer(void*, char* request, char* reply, size_t reply_size) {
  Text<512> text;
  char* argument = std::strchr(request, ' ');
  if (argument != nullptr) *argument++ = 0;
  if (std::strcmp(request, "status") == 0) {
    text.add("ok version=").number(os::shim::kProtocolVersion).add(" pod=").add(g_run.spec.pod);
    text.add(" pid=").number(g_run.child.machine_pid).add(" started=").number(g_run.child.started_ns);
    text.add(" phase=").add(g_run.main_ended ? "ended" : g_run.stopping ? "stopping" : "running").add("\n");
  } else if (std::strcmp(request, "signal") == 0 && argument != nullptr && std::atoi(argument) > 0) {
    signal_group(std::atoi(argument));
    text.add("ok\n");
  } else if (std::strcmp(request, "stop") == 0) {
    stop(argument == nullptr ? g_run.spec.grace_ms : std::strtoll(argument, nullptr, 10));
    text.add("ok\n");
  } else {
    text.add("error unknown request\n");
  }
  std::memcpy(reply, text.c_str(), text.size() < reply_size ? text.size() + 1 : reply_size - 1);
}

void write_state() {
  char boot[64];
  if (read_small("/proc/sys/kernel/random/boot_id", boot, sizeof boot) > 36) boot[36] = 0;
  Text<1024> text;
  text.add(os::shim::kStateHeader).add("\nboot ").add(boot).add("\npod ").escaped(g_run.spec.pod);
  const int shim = machine_pid(), process = g_run.child.machine_pid;
  text.add("\nshim ").number(shim).add(' ').number(static_cast<int64_t>(start_ticks(shim)));
  text.add("\nprocess ").number(process).add(' ').number(static_cast<int64_t>(start_ticks(process)));
  text.add("\nown_pids ").number(g_run.spec.own_pids ? 1 : 0);
  text.add("\nstarted ").number(g_run.child.started_ns).add('\n');
  replace_file(os::shim::kStateFile, text.c_str(), text.size(), false);
}

void write_exit(int code, int signal_number, const char* reason, const char* message) {
  Text<2048> text;
  text.add(os::shim::kExitHeader).add("\ncode ").number(code).add("\nsignal ").number(signal_number);
  text.add("\nreason ").add(reason).add("\nmessage ").escaped(message);
  text.add("\nstarted ").number(g_run.child.started_ns).add("\nfinished ").number(now_ns()).add('\n');
  // A full disk must not lose the exit: try again until there is room (or the folder was removed).
  while (!replace_file(os::shim::kExitFile, text.c_str(), text.size(), true) && errno != ENOENT)
    poll(nullptr, 0, 1000);
}

void watch(int signals, Stream& out, Stream& err) {
  int64_t drain_until = 0;
  while (true) {
    if (g_run.main_ended && drain_until == 0) {
      end_descendants();
      drain_until = monotonic_ms() + kDrainMs;
    }
    const bool open = g_run.child.out >= 0 || g_run.child.err >= 0;
    if (drain_until != 0 && (!open || monotonic_ms() >= drain_until)) return;
    int64_t wait = -1;
    if (drain_until != 0)
      wait = drain_until - monotonic_ms();
    else if (g_run.stopping)
      wait = g_run.kill_at_ms - monotonic_ms();
    pollfd fds[4 + Control::kClientsMax];
    fds[0] = {signals, POLLIN, 0};
    fds[1] = {g_run.child.out, POLLIN, 0};
    fds[2] = {g_run.child.err, POLLIN, 0};
    const int count = g_control.fill(fds + 3);
    poll(fds, static_cast<nfds_t>(3 + count), wait < -1 ? 0 : static_cast<int>(wait));
    if (fds[1].revents != 0 && !out.pump(g_run.child.out)) {
      close(g_run.child.out);
      g_run.child.out = -1;
    }
    if (fds[2].revents != 0 && !err.pump(g_run.child.err)) {
      close(g_run.child.err);
      g_run.child.err = -1;
    }
    if (fds[0].revents != 0) {
      signalfd_siginfo info{};
      while (read(signals, &info, sizeof info) > 0)
        if (info.ssi_signo == SIGTERM) stop(g_run.spec.grace_ms);
      if (!g_run.main_ended) reap();
    }
    g_control.serve(fds + 3, count, answer, nullptr);
    if (g_run.stopping && !g_run.main_ended && monotonic_ms() >= g_run.kill_at_ms) {
      signal_group(SIGKILL);
      g_run.kill_at_ms = monotonic_ms() + 1000;
    }
  }
}

void finish_ready(int ready, const char* word, const char* text) {
  if (ready < 0) return;
  Text<640> line;
  line.number(machine_pid()).add(' ').add(word).escaped(text).add('\n');
  write_all(ready, line.c_str(), line.size());
  close(ready);
}

int take_signals() {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGCHLD);
  sigaddset(&wanted, SIGTERM);
  sigprocmask(SIG_SETMASK, &wanted, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

// Whoever holds the lock decides about the run; with an exit file it is decided already.
bool take_lock() {
  const int lock = open(os::shim::kLockFile, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  return lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 && access(os::shim::kExitFile, F_OK) != 0;
}

// Whether the kernel has killed a process of the run because there was no memory for it.
bool was_out_of_memory() {
  char text[4096];
  if (g_run.spec.oom_file == nullptr || read_small(g_run.spec.oom_file, text, sizeof text) <= 0) return false;
  const char* key = "oom_kill ";
  for (const char* line = text; line != nullptr; line = std::strchr(line, '\n')) {
    if (*line == '\n') ++line;
    if (std::strncmp(line, key, std::strlen(key)) == 0) return std::atoll(line + std::strlen(key)) > 0;
  }
  return false;
}

// The run's groups and the folders above them that nobody uses any more.
void remove_groups() {
  for (size_t i = 0; g_run.spec.own_cgroup && i < g_run.spec.cgroup_count; ++i) {
    Text<4200> path;
    path.add(g_run.spec.cgroups[i]);
    bool gone = false;
    for (int tries = 0; !gone && tries < kGroupTries; ++tries) {
      gone = rmdir(path.c_str()) == 0 || errno != EBUSY;
      if (!gone) poll(nullptr, 0, kKillPauseMs);
    }
    for (int level = 0; gone && level < 2; ++level) {
      const char* slash = std::strrchr(path.c_str(), '/');
      Text<4200> above;
      above.add(path.c_str(), static_cast<size_t>(slash - path.c_str()));
      path = above;
      gone = rmdir(path.c_str()) == 0;
    }
  }
}

int give_up_start(int ready, const char* why) {
  remove_groups();
  write_exit(128, 0, "StartError", why);
  finish_ready(ready, "error ", why);
  return 1;
}

int give_up_start(int ready, const char* step, int error) {
  Text<400> text;
  text.add("cannot ").add(step).add(": ").add(strerrordesc_np(error));
  return give_up_start(ready, text.c_str());
}

int supervise(int ready) {
  static LogFile log(g_run.spec.log_bytes_max, g_run.spec.log_files_max);
  static Stream out("stdout", log), err("stderr", log);
  const int signals = take_signals();
  if (signals < 0 || !log.open() || !g_control.listen()) return give_up_start(ready, "prepare the run folder", errno);
  StartFailure failure;
  g_run.child = start_child(g_run.spec, failure);
  if (g_run.child.pid < 0) {
    g_control.close();
    return give_up_start(ready, failure.step, failure.error);
  }
  write_state();
  finish_ready(ready, "ok", "");
  watch(signals, out, err);
  const int status = g_run.wait_status;
  const int by = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  const int code = by != 0 ? 128 + by : WEXITSTATUS(status);
  const char* reason = code == 0 ? "Completed" : was_out_of_memory() ? "OOMKilled" : "Error";
  remove_groups();
  write_exit(code, by, reason, "");
  g_control.close();
  return 0;
}

int run(int ready, int user_namespace) {
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  if (const char* wrong = read_spec(g_run.spec)) return give_up_start(ready, wrong);
  if (const char* step = enter_namespaces(g_run.spec, user_namespace)) return give_up_start(ready, step, errno);
  return supervise(ready);
}

}  // namespace
}  // namespace mk::shim

int main(int argc, char** argv) {
  if (argc > 1 && argv[1][0] == '-') return mk::shim::run_errand(argc, argv);
  if (argc < 3 || chdir(argv[1]) != 0) return 2;
  const int ready = std::atoi(argv[2]), user_namespace = argc > 3 ? std::atoi(argv[3]) : -1;
  const int kept = argc > 4 ? std::atoi(argv[4]) : -1;
  if (kept >= 0) fcntl(kept, F_SETFD, FD_CLOEXEC);
  mk::shim::g_control.keep(kept);
  if (ready >= 0) fcntl(ready, F_SETFD, FD_CLOEXEC);
  if (!mk::shim::take_lock()) return 3;
  return mk::shim::run(ready, user_namespace);
}

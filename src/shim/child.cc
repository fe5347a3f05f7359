#include "shim/child.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "shim/rootfs.h"
#include "shim/text.h"

namespace mk::shim {
namespace {

[[noreturn]] void give_up(int report, const char* step, const char* which = "") {
  StartFailure failure;
  failure.error = errno;
  Text<sizeof failure.step> text;
  text.add(step).add(which);
  std::memcpy(failure.step, text.c_str(), text.size() + 1);
  write_all(report, reinterpret_cast<const char*>(&failure), sizeof failure);
  _exit(127);
}

const char* variable(char** env, const char* name) {
  const size_t size = std::strlen(name);
  for (; *env != nullptr; ++env)
    if (std::strncmp(*env, name, size) == 0 && (*env)[size] == '=') return *env + size + 1;
  return nullptr;
}

// exec by the program's own PATH, not by ours.
void run(const Spec& spec, int opened) {
  if (opened >= 0) {
    syscall(SYS_execveat, opened, "", spec.argv, spec.envp, AT_EMPTY_PATH);
    return;
  }
  const char* name = spec.argv[0];
  if (std::strchr(name, '/') != nullptr) {
    execve(name, spec.argv, spec.envp);
    return;
  }
  const char* path = variable(spec.envp, "PATH");
  int worst = ENOENT;
  while (path != nullptr && *path != 0) {
    const size_t size = std::strcspn(path, ":");
    Text<4200> candidate;
    candidate.add(path, size).add('/').add(name);
    execve(candidate.c_str(), spec.argv, spec.envp);
    if (errno != ENOENT && errno != ENOTDIR) worst = errno;
    path += size + (path[size] == ':' ? 1 : 0);
  }
  errno = worst;
}

void reset_signals() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number = 1; number < 65; ++number) signal(number, SIG_DFL);
}

// Only what the change of user has not taken: from one uid of a namespace to another it takes nothing.
bool drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  return syscall(SYS_capset, &header, none) == 0;
}

// Before the change of user and of the view of the files.
bool join_cgroups(const Spec& spec) {
  for (size_t i = 0; i < spec.cgroup_count; ++i) {
    Text<4200> path;
    path.add(spec.cgroups[i]).add("/cgroup.procs");
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const bool ok = fd >= 0 && write_all(fd, "0", 1);
    if (fd >= 0) close(fd);
    if (!ok) return false;
  }
  return true;
}

[[noreturn]] void become(const Spec& spec, int out, int err, int report) {
  const pid_t self = machine_pid();
  write_all(report, reinterpret_cast<const char*>(&self), sizeof self);
  setsid();
  reset_signals();
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
    give_up(report, "connect its output");
  if (!join_cgroups(spec)) give_up(report, "join its control group");
  int opened = -1;
  if (spec.open_exec) {
    opened = open(spec.argv[0], O_PATH | O_CLOEXEC);
    if (opened < 0) give_up(report, "open ", spec.argv[0]);
  }
  for (size_t i = 0; i < spec.limit_count; ++i)
    if (setrlimit(static_cast<__rlimit_resource_t>(spec.limits[i].resource), &spec.limits[i].value) != 0)
      give_up(report, "set its limits");
  if (spec.mount_count + spec.hidden_count > 0 || spec.own_pids || spec.join_pid > 0)
    if (const char* step = enter_rootfs(spec)) give_up(report, step);
  if (spec.has_ids) {
    if (setgroups(0, nullptr) != 0 || setresgid(spec.gid, spec.gid, spec.gid) != 0 ||
        setresuid(spec.uid, spec.uid, spec.uid) != 0 || !drop_capabilities())
      give_up(report, "take its own user id");
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(report, "give up new privileges");
  // After the change of user, which clears it. Should the shim be killed, its process must not run on unseen.
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  umask(022);
  if (chdir(spec.cwd) != 0) give_up(report, "enter its working folder ", spec.cwd);
  run(spec, opened);
  give_up(report, "run ", spec.argv[0]);
}

}  // namespace

Child start_child(const Spec& spec, StartFailure& failure) {
  Child child;
  int out[2], err[2], report[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
    failure.error = errno;
    std::strcpy(failure.step, "make pipes");
    return child;
  }
  child.started_ns = now_ns();
  child.pid = fork();
  if (child.pid == 0) become(spec, out[1], err[1], report[1]);
  close(out[1]);
  close(err[1]);
  close(report[1]);
  if (child.pid < 0) {
    failure.error = errno;
    std::strcpy(failure.step, "fork");
    return child;
  }
  ssize_t got = 0;
  do got = read(report[0], &child.machine_pid, sizeof child.machine_pid);
  while (got < 0 && errno == EINTR);
  do got = read(report[0], &failure, sizeof failure);
  while (got < 0 && errno == EINTR);
  close(report[0]);
  if (got > 0) {
    waitpid(child.pid, nullptr, 0);
    child.pid = -1;
    return child;
  }
  fcntl(out[0], F_SETFL, O_NONBLOCK);
  fcntl(err[0], F_SETFL, O_NONBLOCK);
  child.out = out[0];
  child.err = err[0];
  return child;
}

}  // namespace mk::shim

#include "shim/namespaces.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>

#include "shim/text.h"

namespace mk::shim {
namespace {

bool write_text(const char* path, const char* text, size_t size) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool ok = write_all(fd, text, size);
  close(fd);
  return ok;
}

// Neither root nor given other users: a namespace of our own uid alone is enough for mounts and pids.
bool own_user_namespace() {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  if (unshare(CLONE_NEWUSER) != 0 || !write_text("/proc/self/setgroups", "deny", 4)) return false;
  Text<64> map;
  map.number(uid).add(' ').number(uid).add(" 1\n");
  if (!write_text("/proc/self/uid_map", map.c_str(), map.size())) return false;
  map.clear();
  map.number(gid).add(' ').number(gid).add(" 1\n");
  return write_text("/proc/self/gid_map", map.c_str(), map.size());
}

// The children that we get from now on live in the namespace of another run's shim. Its user namespace is not ours when
// each run has its own.
bool join_pids(int pid, uint64_t ticks, bool and_user) {
  const auto other = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (other < 0) return false;
  // With the pidfd held, the start time cannot change under us.
  const bool same = start_ticks(pid) == ticks;
  const bool ok = same && setns(other, CLONE_NEWPID | (and_user ? CLONE_NEWUSER : 0)) == 0;
  const int error = same ? errno : ESRCH;
  close(other);
  errno = error;
  return ok;
}

}  // namespace

const char* enter_namespaces(Spec& spec, int user_namespace) {
  const bool needs = spec.own_pids || spec.mount_count + spec.hidden_count > 0;
  const bool joins = spec.join_pid > 0, ordinary = geteuid() != 0 && user_namespace < 0;
  if (user_namespace >= 0) {
    if (setns(user_namespace, CLONE_NEWUSER) != 0) return "join the namespace of Pods' users";
    close(user_namespace);
  } else if (ordinary && needs && !joins && !own_user_namespace()) {
    if (spec.mount_count + spec.hidden_count > 0) return "take a user namespace, which its volumes need";
    spec.own_pids = false;
  }
  if (joins && !join_pids(spec.join_pid, spec.join_ticks, ordinary)) return "join the container's processes";
  if (!spec.own_pids) return nullptr;
  const long shim = syscall(SYS_clone, CLONE_NEWPID | CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
  if (shim > 0) _exit(0);
  if (shim < 0) spec.own_pids = false;
  if (shim == 0) setsid();
  return nullptr;
}

}  // namespace mk::shim

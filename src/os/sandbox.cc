#include "os/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <set>
#include <tuple>

#include "base/format.h"
#include "os/sandbox_filter.h"

namespace mk::os {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStaging = "/tmp";      // any folder that exists: the new root is put together on top of it
constexpr uint32_t kUidInside = 1000;         // of a user namespace; not 0, so that exec drops every capability
constexpr uint64_t kAddressSpaceSlack = uint64_t{16} << 30;  // libraries reserve far more than they use
constexpr const char* kDevices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};

// What the child says when a step fails; the parent makes the sentence.
struct StepFailure {
  char step[64];
  int error;
};

struct Mount {
  std::string source;
  std::string target;  // relative to the new root
  bool folder = true;
  bool writable = false;
  int tree = -1;
};

// Everything that the child needs, made before the fork: between fork and exec of a process with threads nothing may
// allocate or lock.
struct Plan {
  std::vector<Mount> mounts;
  std::vector<std::string> folders;                         // relative, parents first
  std::vector<std::pair<std::string, std::string>> links;   // target, relative path
  std::vector<Sandbox::File> files;                         // relative paths
  std::string tmp_options;
  std::string uid_map, gid_map;
  std::vector<sock_filter> filter;
  std::vector<char*> argv, env;
  const Program* program = nullptr;
  const Sandbox* sandbox = nullptr;
  bool root = false;
  uid_t uid = 0;
  gid_t gid = 0;
  int log = 2;
  int status = -1;
};

std::string relative_to_root(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  return std::string(path);
}

bool lies_beneath(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/');
}

void plan_mounts(Plan& plan) {
  std::vector<Sandbox::Bind> binds = plan.sandbox->binds;
  for (const char* device : kDevices) binds.push_back({device, device, true});
  std::ranges::sort(binds, {}, [](const Sandbox::Bind& b) { return std::tie(b.target, b.source); });
  std::set<std::string> folders;
  for (const auto& bind : binds) {
    std::error_code failed;
    const auto status = fs::status(bind.source, failed);
    if (failed || status.type() == fs::file_type::not_found) continue;
    const std::string target = relative_to_root(bind.target);
    // Already visible through a wider bind of the same place.
    const bool covered = std::ranges::any_of(plan.mounts, [&](const Mount& wider) {
      return wider.folder && lies_beneath(target, wider.target) && wider.writable == bind.writable &&
             bind.source == wider.source + target.substr(wider.target.size());
    });
    if (covered) continue;
    const bool folder = fs::is_directory(status);
    for (auto parent = folder ? fs::path(target) : fs::path(target).parent_path(); !parent.empty();
         parent = parent.parent_path())
      folders.insert(parent);
    plan.mounts.push_back({bind.source, target, folder, bind.writable});
  }
  // Sorted by name, a parent comes before what lies in it.
  plan.folders.assign(folders.begin(), folders.end());
}

// /bin, /lib and the like are links into /usr on Debian.
void plan_links(Plan& plan) {
  for (const char* name : {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}) {
    std::error_code failed;
    const auto link = fs::read_symlink(std::string("/") + name, failed);
    if (!failed) plan.links.emplace_back(link, name);
  }
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

[[noreturn]] void give_up(const Plan& plan, const char* step) {
  StepFailure failure{};
  failure.error = errno;
  for (size_t i = 0; step[i] && i + 1 < sizeof failure.step; ++i) failure.step[i] = step[i];
  [[maybe_unused]] const auto written = write(plan.status, &failure, sizeof failure);
  _exit(126);
}

void write_all(const Plan& plan, const char* path, const char* bytes, size_t size, int flags, mode_t mode,
               const char* step) {
  const int fd = open(path, flags | O_WRONLY | O_CLOEXEC, mode);
  if (fd < 0) give_up(plan, step);
  while (size > 0) {
    const ssize_t n = write(fd, bytes, size);
    if (n < 0) give_up(plan, step);
    bytes += n;
    size -= static_cast<size_t>(n);
  }
  close(fd);
}

// Maps our own uid to one inside, so that this process may mount in its namespaces.
void enter_user_namespace(const Plan& plan) {
  const char deny[] = "deny";
  write_all(plan, "/proc/self/setgroups", deny, sizeof deny - 1, 0, 0, "user namespace");
  write_all(plan, "/proc/self/uid_map", plan.uid_map.data(), plan.uid_map.size(), 0, 0, "user namespace");
  write_all(plan, "/proc/self/gid_map", plan.gid_map.data(), plan.gid_map.size(), 0, 0, "user namespace");
}

void build_root(Plan& plan) {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr)) give_up(plan, "private mounts");
  for (auto& m : plan.mounts) {
    m.tree = static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, m.source.c_str(),
                                      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
    if (m.tree < 0) give_up(plan, m.source.c_str());
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_NOSUID | (m.folder ? MOUNT_ATTR_NODEV : 0) | (m.writable ? 0 : MOUNT_ATTR_RDONLY);
    if (syscall(SYS_mount_setattr, m.tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes))
      give_up(plan, m.source.c_str());
  }
  if (mount("tmpfs", kStaging, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m") || chdir(kStaging))
    give_up(plan, "a root of its own");
  // The private folders come first: a bind may lie beneath /tmp.
  for (const char* folder : {"proc", "dev", "dev/shm", "tmp"})
    if (mkdir(folder, 0755)) give_up(plan, "a root of its own");
  // Without a /proc most programs work too, and see less; some containers forbid a fresh one.
  mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  if (mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, plan.tmp_options.c_str()) ||
      mount("tmpfs", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, plan.tmp_options.c_str()))
    give_up(plan, "a private /tmp");
  for (const auto& folder : plan.folders)
    if (mkdir(folder.c_str(), 0755) && errno != EEXIST) give_up(plan, folder.c_str());
  for (const auto& [target, path] : plan.links)
    if (symlink(target.c_str(), path.c_str()) && errno != EEXIST) give_up(plan, path.c_str());
  for (const auto& m : plan.mounts) {
    if (!m.folder) {
      const int fd = open(m.target.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
      if (fd < 0 && errno != EEXIST) give_up(plan, m.target.c_str());
      close(fd);
    }
    if (syscall(SYS_move_mount, m.tree, "", AT_FDCWD, m.target.c_str(), MOVE_MOUNT_F_EMPTY_PATH))
      give_up(plan, m.target.c_str());
    close(m.tree);
  }
  for (const auto& file : plan.files)
    write_all(plan, file.path.c_str(), file.content.data(), file.content.size(), O_CREAT | O_TRUNC,
              file.executable ? 0755 : 0644, file.path.c_str());
}

void enter_root(const Plan& plan) {
  // The old root lands on top of the new one and is taken away at once.
  if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/")) give_up(plan, "a root of its own");
  mount_attr read_only{};
  read_only.attr_set = MOUNT_ATTR_RDONLY;
  if (syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &read_only, sizeof read_only)) give_up(plan, "a read-only root");
}

void limit(const Plan& plan, decltype(RLIMIT_AS) what, uint64_t value, const char* step) {
  const rlimit bounds{value, value};
  rlimit now{};
  getrlimit(what, &now);
  if (now.rlim_max < value) return;  // already tighter
  if (setrlimit(what, &bounds)) give_up(plan, step);
}

void drop_privileges(const Plan& plan) {
  for (unsigned long capability = 0; capability <= 63; ++capability)
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) && errno != EINVAL) give_up(plan, "dropping capabilities");
  if (plan.root) {
    // Raw calls: the library's would ask threads that do not exist here to follow.
    if (syscall(SYS_setgroups, 0, nullptr) || syscall(SYS_setresgid, plan.gid, plan.gid, plan.gid) ||
        syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid))
      give_up(plan, "a uid of its own");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL)) give_up(plan, "dying with the parent");  // a change of uid clears it
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> none{};
  if (syscall(SYS_capset, &header, none.data())) give_up(plan, "dropping capabilities");
}

void apply_limits(const Plan& plan) {
  const Sandbox& s = *plan.sandbox;
  limit(plan, RLIMIT_CORE, 0, "limits");
  limit(plan, RLIMIT_NPROC, s.processes_max, "limits");
  limit(plan, RLIMIT_NOFILE, s.open_files_max, "limits");
  if (s.memory_bytes_max) {
    limit(plan, RLIMIT_DATA, s.memory_bytes_max, "limits");
    limit(plan, RLIMIT_AS, s.memory_bytes_max + kAddressSpaceSlack, "limits");
  }
  if (s.cpu_seconds_max) limit(plan, RLIMIT_CPU, s.cpu_seconds_max, "limits");
}

void apply_filter(const Plan& plan) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) give_up(plan, "no new privileges");
  const sock_fprog program{static_cast<unsigned short>(plan.filter.size()),
                           const_cast<sock_filter*>(plan.filter.data())};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)) give_up(plan, "the system call filter");
}

// 0 = nothing to read, 1 and 2 = the log, 3 = the channel; everything else closes at exec.
void place_descriptors(Plan& plan) {
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  constexpr int kAbove = 64;  // out of the way of the places below
  const int log = fcntl(plan.log, F_DUPFD_CLOEXEC, kAbove);
  const int channel = plan.program->channel < 0 ? -1 : fcntl(plan.program->channel, F_DUPFD_CLOEXEC, kAbove);
  const int status = fcntl(plan.status, F_DUPFD_CLOEXEC, kAbove);
  if (null < 0 || log < 0 || status < 0) give_up(plan, "descriptors");
  plan.status = status;
  if (dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) give_up(plan, "descriptors");
  if (channel >= 0 && dup2(channel, 3) < 0) give_up(plan, "descriptors");
  syscall(SYS_close_range, channel >= 0 ? 4 : 3, ~0u, CLOSE_RANGE_CLOEXEC);
}

[[noreturn]] void run_child(Plan& plan) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setsid();
  if (prctl(PR_SET_PDEATHSIG, SIGKILL)) give_up(plan, "dying with the parent");
  if (plan.sandbox) {
    if (!plan.root) enter_user_namespace(plan);
    constexpr std::string_view kHostName = "sandbox";
    syscall(SYS_sethostname, kHostName.data(), kHostName.size());
    build_root(plan);
    enter_root(plan);
    // Before the uid changes: descriptors of our own log may not be openable afterwards.
    place_descriptors(plan);
    drop_privileges(plan);
    apply_limits(plan);
    apply_filter(plan);
  } else {
    place_descriptors(plan);
  }
  if (chdir(plan.program->cwd.c_str())) give_up(plan, plan.program->cwd.c_str());
  execve(plan.argv[0], plan.argv.data(), plan.env.data());
  give_up(plan, plan.argv[0]);
}

Result<int> start(Plan& plan, unsigned long namespaces) {
  const Program& program = *plan.program;
  plan.argv = pointers(program.argv);
  plan.env = pointers(program.env);
  plan.log = program.output < 0 ? 2 : program.output;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC))
    return fail(Code::kUnavailable, "no_descriptors", "cannot start a process: no file descriptors are left");
  plan.status = ends[1];
  // Raw, as fork runs handlers that wait for locks of other threads.
  const long pid = syscall(SYS_clone, namespaces | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) run_child(plan);
  const int error = errno;
  close(ends[1]);
  StepFailure failure{};
  const ssize_t got = pid < 0 ? 0 : read(ends[0], &failure, sizeof failure);
  close(ends[0]);
  if (pid > 0 && got <= 0) return static_cast<int>(pid);
  if (pid > 0) reap(static_cast<int>(pid), true);
  const std::string step = pid < 0 ? "namespaces" : std::string(failure.step, strnlen(failure.step, sizeof failure.step));
  return fail(Error{Code::kUnavailable, "no_sandbox",
                    fmt::format("cannot start {} in a sandbox: {} failed: {}", program.argv[0], step,
                                strerrordesc_np(pid < 0 ? error : failure.error))}
                  .with_hint("user namespaces must be allowed (sysctl kernel.unprivileged_userns_clone=1)"));
}

}  // namespace

Sandbox Sandbox::with_system() {
  Sandbox sandbox;
  for (const char* path : {"/usr", "/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/mime.types"})
    sandbox.binds.push_back({path, path});
  for (const char* path : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"})
    if (!fs::is_symlink(path)) sandbox.binds.push_back({path, path});
  return sandbox;
}

Result<int> start_sandboxed(const Sandbox& sandbox, const Program& program) {
  Plan plan;
  plan.program = &program;
  plan.sandbox = &sandbox;
  plan.root = geteuid() == 0;
  plan.uid = plan.root ? sandbox.uid_for_root : geteuid();
  plan.gid = plan.root ? sandbox.uid_for_root : getegid();
  plan.uid_map = fmt::format("{} {} 1\n", kUidInside, geteuid());
  plan.gid_map = fmt::format("{} {} 1\n", kUidInside, getegid());
  plan.tmp_options = fmt::format("mode=1777,size={}", sandbox.tmp_bytes_max);
  plan.filter = make_system_call_filter(sandbox.network);
  plan.files = sandbox.files;
  for (auto& file : plan.files) file.path = relative_to_root(file.path);
  plan_mounts(plan);
  plan_links(plan);
  unsigned long namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
  if (!plan.root) namespaces |= CLONE_NEWUSER;
  if (!sandbox.network) namespaces |= CLONE_NEWNET;
  return start(plan, namespaces);
}

Result<int> start_trusted(const Program& program) {
  Plan plan;
  plan.program = &program;
  return start(plan, 0);
}

ExitStatus reap(int pid, bool kill) {
  if (kill) ::kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return {};
  if (WIFSIGNALED(status)) return {128 + WTERMSIG(status), WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

}  // namespace mk::os

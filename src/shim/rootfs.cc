#include "shim/rootfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

#include "shim/text.h"

namespace mk::shim {
namespace {

using Path = Text<4200>;
constexpr int kLayersMax = 64;     // folders that we covered with a tmpfs
constexpr int kEntriesMax = 4096;  // beside one mount point

dev_t g_layers[kLayersMax];  // devices of our own tmpfs mounts: there we may create mount points
int g_layer_count = 0;

bool is_ours(const char* path) {
  struct stat info{};
  if (stat(path, &info) != 0) return false;
  for (int i = 0; i < g_layer_count; ++i)
    if (g_layers[i] == info.st_dev) return true;
  return false;
}

bool mount_layer(const char* path) {
  struct stat info{};
  if (g_layer_count == kLayersMax) {
    errno = E2BIG;
    return false;
  }
  if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") != 0 || stat(path, &info) != 0)
    return false;
  g_layers[g_layer_count++] = info.st_dev;
  return true;
}

Path fd_path(int fd) {
  Path path;
  path.add("/proc/self/fd/").number(fd);
  return path;
}

bool bind(const char* source, const char* target) {
  return mount(source, target, nullptr, MS_BIND | MS_REC, nullptr) == 0;
}

// One entry of a covered folder again, by symlink or bind.
bool replicate(int folder, const dirent& entry, const char* target) {
  char link[4096];
  if (entry.d_type == DT_LNK) {
    const ssize_t size = readlinkat(folder, entry.d_name, link, sizeof link - 1);
    if (size < 0) return false;
    link[size] = 0;
    return symlink(link, target) == 0;
  }
  bool made = false;
  if (entry.d_type == DT_DIR) {
    made = mkdir(target, 0755) == 0;
  } else {
    const int fd = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    made = fd >= 0 && close(fd) == 0;
  }
  Path source = fd_path(folder);
  source.add('/').add(entry.d_name);
  // What may not be bound (another user's FUSE mount) is left empty rather than refusing the Pod.
  return made && (bind(source.c_str(), target) || errno == EACCES || errno == EPERM || errno == EINVAL ||
                  errno == ENOENT);
}

// Covers the folder open as `old` with a tmpfs at `path` that shows the same entries.
bool layer_over(int old, const char* path) {
  if (!mount_layer(path)) return false;
  const int list = openat(old, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* entries = list < 0 ? nullptr : fdopendir(list);
  if (entries == nullptr) return false;
  int count = 0;
  bool ok = true;
  while (const dirent* entry = ok ? readdir(entries) : nullptr) {
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    Path target;
    target.add(path).add('/').add(entry->d_name);
    ok = ++count <= kEntriesMax && replicate(old, *entry, target.c_str());
  }
  if (count > kEntriesMax) errno = E2BIG;
  closedir(entries);
  return ok;
}

// Makes `path` exist (folder, or empty file), layering over the deepest folder that exists.
bool make_target(const char* path, bool folder) {
  Path current;
  while (*path != 0) {
    while (*path == '/') ++path;
    const size_t size = std::strcspn(path, "/");
    if (size == 0) break;
    const bool last = path[size + std::strspn(path + size, "/")] == 0;
    Path next = current;
    next.add('/').add(path, size);
    struct stat info{};
    if (stat(next.c_str(), &info) != 0) {
      const char* parent = current.size() == 0 ? "/" : current.c_str();
      if (!is_ours(parent)) {
        const int old = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (old < 0 || !layer_over(old, parent)) return false;
        close(old);
      }
      if (last && !folder) {
        const int fd = open(next.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        if (fd < 0) return false;
        close(fd);
      } else if (mkdir(next.c_str(), 0755) != 0) {
        return false;
      }
    }
    current = next;
    path += size;
  }
  return true;
}

// The file or folder `path` in the folder open as `top`, wherever links lead that do not leave it; else -1.
int open_in(int top, const char* path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, top, path, &how, sizeof how));
}

// What a mount shows: its source, or a part of it, which is made when it may be and is missing.
int open_source(const Mount& mount) {
  const int top = open(mount.source, O_PATH | O_CLOEXEC);
  if (top < 0 || mount.beneath == nullptr) return top;
  Path path;
  int found = -1;
  for (const char* rest = mount.beneath; *rest != 0;) {
    const int parent = found < 0 ? top : found;
    const size_t size = std::strcspn(rest, "/");
    Path name;
    name.add(rest, size);
    path.add(path.size() == 0 ? "" : "/").add(rest, size);
    rest += size + std::strspn(rest + size, "/");
    int next = open_in(top, path.c_str());
    if (next < 0 && errno == ENOENT && !mount.read_only) {
      const mode_t before = umask(0);
      const bool made = mkdirat(parent, name.c_str(), 0777) == 0 || errno == EEXIST;
      umask(before);
      if (made) next = open_in(top, path.c_str());
    }
    const int error = errno;
    if (found >= 0) close(found);
    errno = error;
    found = next;
    if (found < 0) break;
  }
  const int error = errno;
  close(top);
  errno = error;
  return found;
}

// A detached copy of the mount at the source. Taken before the root changes: later its own mount is gone.
int clone_mount(const Mount& mount) {
  const bool read_only = mount.read_only;
  const int source = open_source(mount);
  if (source < 0) return -1;
  const long fd =
      syscall(SYS_open_tree, source, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  close(source);
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (read_only ? MOUNT_ATTR_RDONLY : 0u);
  if (fd >= 0 &&
      syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) != 0)
    return -1;
  return static_cast<int>(fd);
}

bool change_root() {
  if (mkdir("root", 0755) != 0 && errno != EEXIST) return false;
  const int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  char here[4096];
  if (old < 0 || getcwd(here, sizeof here - 8) == nullptr) return false;
  Path fresh;
  fresh.add(here).add("/root");
  // Unbindable: the copy of the root below must not hold itself.
  if (!mount_layer(fresh.c_str()) || mount(nullptr, fresh.c_str(), nullptr, MS_UNBINDABLE, nullptr) != 0)
    return false;
  DIR* entries = fdopendir(openat(old, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (entries == nullptr) return false;
  bool ok = true;
  while (const dirent* entry = ok ? readdir(entries) : nullptr) {
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    Path target = fresh;
    target.add('/').add(entry->d_name);
    ok = replicate(old, *entry, target.c_str());
  }
  closedir(entries);
  close(old);
  if (!ok || chdir(fresh.c_str()) != 0) return false;
  if (syscall(SYS_pivot_root, ".", ".") == 0) return umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
  // An initial ramfs cannot be pivoted away: cover it instead.
  return mount(".", "/", nullptr, MS_MOVE, nullptr) == 0 && chroot(".") == 0 && chdir("/") == 0;
}

}  // namespace

const char* enter_rootfs(const Spec& spec) {
  if (unshare(CLONE_NEWNS) != 0) return "take a mount namespace of its own";
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "make its mounts private";
  int sources[kMountsMax];
  for (size_t i = 0; i < spec.mount_count; ++i) {
    sources[i] = clone_mount(spec.mounts[i]);
    if (sources[i] < 0) return "open a volume";
  }
  if (spec.mount_count + spec.hidden_count > 0 && !change_root()) return "change its root";
  // The processes of its own pid namespace; some containers allow no fresh one, then the machine's is seen on.
  if (spec.own_pids || spec.join_pid > 0) mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  for (size_t i = 0; i < spec.hidden_count; ++i) {
    struct stat info{};
    if (stat(spec.hidden[i], &info) == 0 && S_ISDIR(info.st_mode) && !mount_layer(spec.hidden[i]))
      return "hide a private folder";
  }
  for (size_t i = 0; i < spec.mount_count; ++i) {
    const Mount& wanted = spec.mounts[i];
    struct stat info{};
    if (fstat(sources[i], &info) != 0 || !make_target(wanted.target, S_ISDIR(info.st_mode)))
      return "make a mount point";
    if (syscall(SYS_move_mount, sources[i], "", AT_FDCWD, wanted.target, MOVE_MOUNT_F_EMPTY_PATH) != 0)
      return "mount a volume";
    close(sources[i]);
  }
  return nullptr;
}

}  // namespace mk::shim

// Artifacts in a local folder. Names are resolved by the kernel beneath the root and never through a link;
// uploads and removals pass through a folder of our own inside the root, so that each becomes visible in one
// rename.
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/format.h"
#include "base/log.h"
#include "blob/blob.h"
#include "blob/limits.h"
#include "os/random.h"

namespace mk::blob {

namespace {

constexpr mode_t kFolderMode = 0755, kFileMode = 0644;  // behind a root of 0700

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Our own small wrapper: glibc 2.36 has none for this call.
int open_beneath(int folder, const char* path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  for (int attempt = 0; attempt < 16; ++attempt) {  // EAGAIN: something was renamed meanwhile
    fd = ::syscall(SYS_openat2, folder, path, &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN) break;
  }
  return static_cast<int>(fd);
}

Failure failure(int error, const Path& path) {
  const std::string& name = path.text();
  switch (error) {
    case ENOENT:
      return fail(Code::kNotFound, "artifact_not_found", fmt::format("there is no artifact '{}'", name));
    case ENOTDIR:
      return fail(Code::kFailedPrecondition, "artifact_is_file",
                  fmt::format("'{}', or a part of its path, is a file", name));
    case EISDIR:
      return fail(Code::kFailedPrecondition, "artifact_is_folder", fmt::format("'{}' is a folder", name));
    case ELOOP:
    case EXDEV:
      return fail(Code::kFailedPrecondition, "artifact_is_link",
                  fmt::format("'{}' leads through a symbolic link", name));
    case ENAMETOOLONG:
      return fail(Code::kInvalidArgument, "invalid_path", "the path is not allowed: it is too long");
    case ENOSPC:
    case EDQUOT:
      return fail(Error{Code::kUnavailable, "disk_full", "the disk is full; nothing was stored",
                        "free some space and try again"});
    case EROFS:
      return fail(Error{Code::kUnavailable, "disk_read_only",
                        "the disk with the artifacts is mounted read-only; nothing was stored",
                        "mount it for writing and try again"});
    case EMFILE:
    case ENFILE:
      return fail(Code::kResourceExhausted, "too_many_files", "too many files are open; try again later");
    default:
      log::error("artifact storage failed", {{"path", name}, {"error", std::strerror(error)}});
      return fail(Code::kUnavailable, "disk_failed", "the artifact storage failed; see the log");
  }
}

// Removes what `name` in `folder` is, with all below it; links are removed, not followed. 0 or an errno.
int remove_tree(int folder, const char* name, int depth = 0) {
  if (::unlinkat(folder, name, 0) == 0) return 0;
  if (errno != EISDIR && errno != EPERM) return errno;
  if (depth == kRemoveDepthMax) return ELOOP;
  const int fd = ::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno;
  DIR* stream = ::fdopendir(fd);
  int error = 0;
  while (const dirent* entry = error == 0 ? ::readdir(stream) : nullptr) {
    const std::string_view child = entry->d_name;
    if (child != "." && child != "..") error = remove_tree(fd, entry->d_name, depth + 1);
  }
  ::closedir(stream);
  if (error == 0 && ::unlinkat(folder, name, AT_REMOVEDIR) != 0) error = errno;
  return error;
}

class LocalUpload;

class LocalBlobs final : public Blobs {
 public:
  LocalBlobs(std::string root, Fd folder, Fd transit)
      : root_(std::move(root)), folder_(std::move(folder)), transit_(std::move(transit)) {}

  Result<std::unique_ptr<Upload>> create(const Path& path) override;
  Result<OpenFile> open(const Path& path) const override;
  Result<std::vector<Entry>> list(const Path& folder) const override;
  Result<void> remove(const Path& path) override;
  Result<std::string> local_folder(const Path& folder) const override;

  Result<void> publish(const std::string& temporary, const Path& path);
  void drop(const std::string& temporary) { ::unlinkat(transit_.get(), temporary.c_str(), 0); }
  void clear_transit();

 private:
  Result<Fd> look_up(const Path& path, uint64_t flags) const;
  Result<Fd> make_folders(const Path& folder);

  const std::string root_;
  Fd folder_, transit_;
};

class LocalUpload final : public Upload {
 public:
  LocalUpload(LocalBlobs& blobs, Path path, std::string temporary, Fd file)
      : blobs_(blobs), path_(std::move(path)), temporary_(std::move(temporary)), file_(std::move(file)) {}
  ~LocalUpload() override {
    if (!committed_) blobs_.drop(temporary_);
  }
  int fd() const override { return file_.get(); }
  Result<void> commit() override {
    if (::fsync(file_.get()) != 0) return failure(errno, path_);
    MK_OK(blobs_.publish(temporary_, path_));
    committed_ = true;
    return {};
  }

 private:
  LocalBlobs& blobs_;
  const Path path_;
  const std::string temporary_;
  Fd file_;
  bool committed_ = false;
};

Result<void> check_not_ours(const Path& path) {
  const std::string_view text = path.text();
  if (text.substr(0, text.find('/')) != kTransit) return {};
  return fail(Code::kInvalidArgument, "invalid_path", "the path is not allowed: its first part is reserved");
}

Result<Fd> LocalBlobs::look_up(const Path& path, uint64_t flags) const {
  MK_OK(check_not_ours(path));
  Fd fd(open_beneath(folder_.get(), path.is_root() ? "." : path.text().c_str(), flags));
  if (fd.get() < 0) return failure(errno, path);
  return fd;
}

Result<std::unique_ptr<Upload>> LocalBlobs::create(const Path& path) {
  if (path.is_root()) return failure(EISDIR, path);
  MK_OK(check_not_ours(path));
  std::string temporary = os::system_random().hex(32);
  Fd file(::openat(transit_.get(), temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                   kFileMode));
  if (file.get() < 0) return failure(errno, path);
  ::fchmod(file.get(), kFileMode);         // whatever the umask
  ::flock(file.get(), LOCK_EX | LOCK_NB);  // tells clear_transit of another process that somebody is writing
  return std::make_unique<LocalUpload>(*this, path, std::move(temporary), std::move(file));
}

// The folder, with those above it; each new name is made durable in its parent.
Result<Fd> LocalBlobs::make_folders(const Path& folder) {
  auto there = look_up(folder, O_RDONLY | O_DIRECTORY);
  if (there || there.error().code != Code::kNotFound || folder.is_root()) return there;
  MK_TRY(Fd parent, make_folders(folder.parent()));
  const std::string name(folder.name());
  if (::mkdirat(parent.get(), name.c_str(), kFolderMode) == 0) {
    ::fchmodat(parent.get(), name.c_str(), kFolderMode, 0);
    if (::fsync(parent.get()) != 0) return failure(errno, folder);
  } else if (errno != EEXIST) {
    return failure(errno, folder);
  }
  return look_up(folder, O_RDONLY | O_DIRECTORY);
}

Result<void> LocalBlobs::publish(const std::string& temporary, const Path& path) {
  const std::string name(path.name());
  for (int attempt = 0;; ++attempt) {
    MK_TRY(Fd parent, make_folders(path.parent()));
    if (::renameat(transit_.get(), temporary.c_str(), parent.get(), name.c_str()) == 0) {
      if (::fsync(parent.get()) != 0) return failure(errno, path);
      return {};
    }
    // The folder was removed between the two calls: make it again.
    if (errno != ENOENT || attempt == 8) return failure(errno, path);
  }
}

Result<OpenFile> LocalBlobs::open(const Path& path) const {
  // Not blocking: the name could be a pipe, which nobody of us made.
  MK_TRY(Fd fd, look_up(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return failure(errno, path);
  if (S_ISDIR(status.st_mode)) return failure(EISDIR, path);
  if (!S_ISREG(status.st_mode)) return failure(ENOENT, path);
  return OpenFile{fd.release(), static_cast<uint64_t>(status.st_size)};
}

Result<std::vector<Entry>> LocalBlobs::list(const Path& folder) const {
  MK_TRY(Fd fd, look_up(folder, O_RDONLY | O_DIRECTORY));
  DIR* stream = ::fdopendir(fd.get());
  if (!stream) return failure(errno, folder);
  const int at = fd.release();
  std::vector<Entry> out;
  while (const dirent* entry = out.size() <= kEntriesMax ? ::readdir(stream) : nullptr) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || (folder.is_root() && name == kTransit)) continue;
    struct stat status{};
    if (::fstatat(at, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;  // removed meanwhile
    const bool is_folder = S_ISDIR(status.st_mode);
    if (!is_folder && !S_ISREG(status.st_mode)) continue;
    out.push_back({std::string(name), is_folder, is_folder ? 0 : static_cast<uint64_t>(status.st_size)});
  }
  ::closedir(stream);
  if (out.size() > kEntriesMax) {
    return fail(Code::kTooLarge, "folder_too_large",
                fmt::format("'{}' has more than {} entries", folder.text(), kEntriesMax));
  }
  std::ranges::sort(out, {}, &Entry::name);
  return out;
}

Result<void> LocalBlobs::remove(const Path& path) {
  if (path.is_root())
    return fail(Code::kInvalidArgument, "invalid_path", "the root of all artifacts cannot be removed");
  MK_OK(check_not_ours(path));
  MK_TRY(Fd parent, look_up(path.parent(), O_RDONLY | O_DIRECTORY));
  const std::string gone = os::system_random().hex(32);
  if (::renameat(parent.get(), std::string(path.name()).c_str(), transit_.get(), gone.c_str()) != 0) {
    return failure(errno, path);
  }
  if (::fsync(parent.get()) != 0) return failure(errno, path);
  if (int error = remove_tree(transit_.get(), gone.c_str()); error != 0) {
    log::warn("a removed artifact still takes space",
              {{"path", path.text()}, {"error", std::strerror(error)}});
  }
  return {};
}

Result<std::string> LocalBlobs::local_folder(const Path& folder) const {
  MK_TRY(Fd fd, look_up(folder, O_PATH | O_DIRECTORY));
  return folder.is_root() ? root_ : root_ + "/" + folder.text();
}

// What a process that died left behind.
void LocalBlobs::clear_transit() {
  const int fd = ::openat(transit_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = fd < 0 ? nullptr : ::fdopendir(fd);
  if (!stream) return;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    Fd file(::openat(fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file.get() >= 0 && ::flock(file.get(), LOCK_EX | LOCK_NB) != 0)
      continue;  // being written by another process
    remove_tree(fd, entry->d_name);
  }
  ::closedir(stream);
}

}  // namespace

Result<std::unique_ptr<Blobs>> open_local(std::string root) {
  auto cannot = [&](const char* verb, int error) {
    return fail(Code::kFailedPrecondition, "artifact_folder",
                fmt::format("cannot {} {}: {}", verb, root, std::strerror(error)));
  };
  std::error_code code;
  std::filesystem::create_directories(std::filesystem::path(root).parent_path(), code);
  if (::mkdir(root.c_str(), 0700) != 0 && errno != EEXIST) return cannot("make", errno);
  const std::string real = std::filesystem::canonical(root, code);
  if (code) return cannot("find", code.value());
  Fd folder(::open(real.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return cannot("open", errno);
  if (::fchmod(folder.get(), 0700) != 0) return cannot("close to others", errno);
  if (::mkdirat(folder.get(), kTransit, 0700) != 0 && errno != EEXIST) return cannot("write to", errno);
  Fd transit(open_beneath(folder.get(), kTransit, O_RDONLY | O_DIRECTORY));
  if (transit.get() < 0 && errno == ENOSYS) return cannot("guard (needs Linux 5.6 or later)", errno);
  if (transit.get() < 0) return cannot("open the transit folder of", errno);
  auto blobs = std::make_unique<LocalBlobs>(real, std::move(folder), std::move(transit));
  blobs->clear_transit();
  return blobs;
}

}  // namespace mk::blob

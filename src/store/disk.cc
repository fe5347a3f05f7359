#include "store/disk.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/format.h"
#include "base/log.h"
#include "store/limits.h"

namespace mk::store {

namespace {

constexpr mode_t kOwnerOnly = 0600;

Failure cannot(const char* verb, const std::string& path, int error) {
  return fail(Code::kFailedPrecondition, "data_folder",
              fmt::format("cannot {} {}: {}", verb, path, std::strerror(error)));
}

// A new name is durable only when its folder is.
void sync_folder(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); fd >= 0) {
    ::fsync(fd);
    ::close(fd);
  }
}

// Room that is really taken. File systems without fallocate get zeros written.
bool fill(int fd, int64_t bytes) {
  if (::fallocate(fd, 0, 0, bytes) == 0) return true;
  if (errno != EOPNOTSUPP && errno != ENOSYS) return false;
  const std::vector<char> zeros(1 << 20);
  for (int64_t done = 0; done < bytes;) {
    const ssize_t n = ::write(fd, zeros.data(), zeros.size());
    if (n <= 0) return false;
    done += n;
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<Disk>> Disk::claim(const std::string& path) {
  auto disk = std::unique_ptr<Disk>(new Disk(path));
  const std::string lock_path = path + ".lock";
  disk->lock_ = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kOwnerOnly);
  if (disk->lock_ < 0) return cannot("open", lock_path, errno);
  if (::flock(disk->lock_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return cannot("lock", lock_path, errno);
    char pid[24] = {};
    const ssize_t n = ::pread(disk->lock_, pid, sizeof pid - 1, 0);
    const std::string who =
        n > 0 ? fmt::format("process {}", std::string_view(pid, strcspn(pid, "\n"))) : "another process";
    return fail(Error{Code::kFailedPrecondition, "data_folder_in_use",
                      fmt::format("{} is in use by {}", path, who),
                      "stop it first, or choose another data folder"});
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(disk->lock_, 0) != 0 || ::pwrite(disk->lock_, pid.data(), pid.size(), 0) < 0) {
    log::warn("the lock file cannot name this process",
              {{"path", lock_path}});  // a full disk: the lock holds anyway
  }
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kOwnerOnly);
  if (fd < 0) return cannot("open", path, errno);
  struct stat status{};
  const bool ours = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  // SQLite gives its log and index file the mode of the database.
  const bool closed = ours && ((status.st_mode & 077) == 0 || ::fchmod(fd, kOwnerOnly) == 0);
  ::close(fd);
  if (!closed)
    return fail(Code::kFailedPrecondition, "data_folder", path + " is not a regular file of this user");
  if (status.st_size == 0) sync_folder(path);
  return disk;
}

Disk::~Disk() {
  if (lock_ >= 0)
    ::close(lock_);  // the file stays: removing it would let two processes lock two different ones
}

bool Disk::keep_reserve() {
  const std::string reserve = path_ + ".reserve";
  const int fd = ::open(reserve.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kOwnerOnly);
  if (fd < 0) return false;
  struct stat status{};
  const bool stands =
      ::fstat(fd, &status) == 0 && status.st_size >= kReserveBytes && status.st_blocks * 512 >= kReserveBytes;
  // Not the last room there is: a start writes some small files, too.
  struct statvfs disk{};
  const bool room = ::fstatvfs(fd, &disk) != 0 ||
                    static_cast<int64_t>(disk.f_bavail * disk.f_frsize) >= kReserveBytes + kReserveSpareBytes;
  const bool kept = stands || (room && fill(fd, kReserveBytes));
  ::close(fd);
  if (!kept) ::unlink(reserve.c_str());
  return kept;
}

void Disk::release_reserve() {
  ::unlink((path_ + ".reserve").c_str());
}

}  // namespace mk::store

#include "blob/pinned.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/format.h"
#include "blob/limits.h"
#include "os/files.h"
#include "os/random.h"

namespace mk::blob {

namespace fs = std::filesystem;

namespace {

Failure cannot(const char* verb, const std::string& path, int error) {
  return fail(Code::kUnavailable, "artifact_folder",
              fmt::format("cannot {} {}: {}", verb, path, std::strerror(error)));
}

}  // namespace

Result<std::unique_ptr<Pinned>> Pinned::make(const std::string& root) {
  auto pinned = std::unique_ptr<Pinned>(new Pinned(root));
  if (!os::exists(root)) return pinned;
  pinned->folder_ = fmt::format("{}/{}/pinned-{}", root, kTransit, os::system_random().hex(16));
  MK_OK(os::make_folder(pinned->folder_));
  pinned->lock_ = ::open(pinned->folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (pinned->lock_ < 0 || ::flock(pinned->lock_, LOCK_EX | LOCK_NB) != 0)
    return cannot("hold", pinned->folder_, errno);
  return pinned;
}

Pinned::~Pinned() {
  if (!folder_.empty()) (void)os::remove_all(folder_);
  if (lock_ >= 0) ::close(lock_);
}

Result<void> Pinned::hold(const std::string& path) {
  const std::string place = fmt::format("{}/{}", folder_, files_.size());
  const std::string from = root_ + "/" + path;
  if (::link(from.c_str(), place.c_str()) != 0) {
    if (errno == ENOENT) return {};  // removed meanwhile
    return cannot("link", from, errno);
  }
  struct stat status{};
  if (::lstat(place.c_str(), &status) != 0) return cannot("look at", place, errno);
  if (!S_ISREG(status.st_mode)) return {};
  files_[path] = {static_cast<uint64_t>(status.st_size),
                  int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec, place};
  return {};
}

Result<void> Pinned::add() {
  if (folder_.empty()) return {};
  std::error_code error;
  auto at = fs::recursive_directory_iterator(root_, error);
  for (const auto end = fs::recursive_directory_iterator(); !error && at != end; at.increment(error)) {
    const std::string path = at->path().string().substr(root_.size() + 1);
    if (path == kTransit) {
      at.disable_recursion_pending();
      continue;
    }
    std::error_code gone;
    if (!at->is_symlink(gone) && at->is_regular_file(gone) && !files_.contains(path)) MK_OK(hold(path));
  }
  // A folder that was removed under the iterator ends it; what else is there is found in another round.
  if (error == std::errc::no_such_file_or_directory) return add();
  if (error) return cannot("read", root_, error.value());
  return {};
}

}  // namespace mk::blob

#include "os/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/format.h"

namespace mk::os {
namespace {

// Paths of our own stay out of messages that may reach a client; the system's word does not.
Failure system_failure(std::string_view what) {
  const int error = errno;
  const Code code = error == ENOENT                      ? Code::kNotFound
                    : error == ENOSPC || error == EDQUOT ? Code::kResourceExhausted
                                                         : Code::kUnavailable;
  return fail(code, "file", fmt::format("cannot {}: {}", what, strerrordesc_np(error)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

bool write_bytes(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

Result<std::string> read_file(const std::string& path, size_t bytes_max) {
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return system_failure("open a file");
  std::string bytes;
  char chunk[16 << 10];
  while (true) {
    const ssize_t n = read(file.get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure("read a file");
    if (n == 0) return bytes;
    bytes.append(chunk, static_cast<size_t>(n));
    if (bytes.size() > bytes_max)
      return fail(Code::kTooLarge, "file", fmt::format("a file has more than {} bytes", bytes_max));
  }
}

Result<void> write_file(const std::string& path, std::string_view bytes, uint32_t mode, bool durable) {
  const std::string fresh = path + ".new";
  Descriptor file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, static_cast<mode_t>(mode)));
  if (file.get() < 0 || fchmod(file.get(), static_cast<mode_t>(mode)) != 0)
    return system_failure("create a file");
  if (!write_bytes(file.get(), bytes) || (durable && fsync(file.get()) != 0) || !file.close())
    return system_failure("write a file");
  if (rename(fresh.c_str(), path.c_str()) != 0) return system_failure("replace a file");
  if (durable) {
    const std::string parent = std::filesystem::path(path).parent_path().string();
    Descriptor folder(open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0 || fsync(folder.get()) != 0) return system_failure("sync a folder");
  }
  return {};
}

Result<void> make_folder(const std::string& path, uint32_t mode) {
  for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), static_cast<mode_t>(mode)) != 0 && errno != EEXIST)
      return system_failure("make a folder");
    if (at == std::string::npos) return {};
  }
}

Result<void> remove_all(const std::string& path) {
  std::error_code error;
  // Something else may remove the same files meanwhile: what is gone is gone.
  for (int tries = 0; tries < 10; ++tries) {
    std::filesystem::remove_all(path, error);
    if (error != std::errc::no_such_file_or_directory) break;
  }
  if (error) {
    errno = error.value();
    return system_failure("remove a folder");
  }
  return {};
}

std::vector<std::string> list_folder(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error))
    names.push_back(it->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

bool exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

}  // namespace mk::os

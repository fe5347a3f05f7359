// One name for the bytes of a folder: SHA-256 over the sorted list of its files with each one's SHA-256.
// A file that has not changed since (size, time, inode) is not read again. Thread-safe; blocks on the disk.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"

namespace mk::registry {

class FolderDigests {
 public:
  // Hexadecimal. Errors: an empty folder, a symbolic link or a special file in it, more files than the
  // bounds.
  Result<std::string> of(const std::string& folder);

 private:
  struct Known {
    int64_t bytes = 0, modified_ns = 0;
    uint64_t inode = 0;
    std::string sha256;
    bool operator==(const Known&) const = default;
  };
  Result<std::string> of_file(const std::string& path);

  std::mutex mutex_;
  std::map<std::string, Known, std::less<>> known_;  // under mutex_, by path
};

}  // namespace mk::registry

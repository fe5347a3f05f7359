// The folder around the database file: one process at a time, files only for their owner, and a reserve of
// space.
#pragma once
#include <memory>
#include <string>

#include "base/error.h"

namespace mk::store {

class Disk {
 public:
  // Locks `path` for this process (kFailedPrecondition names who has it) and makes the file with mode 0600 if
  // absent.
  static Result<std::unique_ptr<Disk>> claim(const std::string& path);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // Makes the reserve unless it stands. False when there is no room for it; nothing is left then.
  bool keep_reserve();
  // Gives its space back to the file system, so that a full log can still be moved into the database.
  void release_reserve();

 private:
  explicit Disk(std::string path) : path_(std::move(path)) {}
  std::string path_;
  int lock_ = -1;
};

}  // namespace mk::store

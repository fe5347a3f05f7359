// The files beneath a root of open_local() as they are now, held by links of their own, so that they can be
// read at leisure although they are replaced or removed meanwhile. Another process may be using the root.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/error.h"

namespace mk::blob {

class Pinned {
 public:
  struct File {
    uint64_t bytes = 0;
    int64_t modified_ns = 0;
    std::string held_at;  // a path of ours
  };
  // An absent root has no files.
  static Result<std::unique_ptr<Pinned>> make(const std::string& root);
  ~Pinned();  // lets all go
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;

  // Holds what is there and not held yet.
  Result<void> add();
  const std::map<std::string, File>& files() const { return files_; }  // by path beneath the root

 private:
  explicit Pinned(std::string root) : root_(std::move(root)) {}
  Result<void> hold(const std::string& path);

  const std::string root_;
  std::string folder_;  // in the root's transit folder; empty without a root
  int lock_ = -1;       // tells others that somebody uses the folder
  std::map<std::string, File> files_;
};

}  // namespace mk::blob

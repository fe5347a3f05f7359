// Artifacts: files of any size under path names. Drivers: a local folder (here), S3 (later).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mk::blob {

// A path that cannot escape: relative, '/'-separated, valid UTF-8, no empty, "." or ".." parts, no NUL,
// backslash, control character, drive letter, and no percent sign left (it was decoded exactly once before).
// Bounded in length and depth (limits.h). Parsed once at the door; everything below takes a Path.
class Path {
 public:
  static Result<Path> parse(std::string_view text);  // "" is the root
  const std::string& text() const { return text_; }
  bool is_root() const { return text_.empty(); }
  Path operator/(const Path& below) const;
  std::string_view name() const;  // the last part
  Path parent() const;
  bool operator==(const Path&) const = default;

 private:
  std::string text_;
};

struct Entry {
  std::string name;
  bool folder = false;
  uint64_t bytes = 0;
};

// An upload: write to fd(), then commit() makes it visible under its path in one step (fsync, rename, fsync
// of the folder); dropped, it leaves nothing.
class Upload {
 public:
  virtual ~Upload() = default;
  virtual int fd() const = 0;
  virtual Result<void> commit() = 0;
};

struct OpenFile {
  int fd = -1;  // owned by the receiver
  uint64_t bytes = 0;
};

class Blobs {
 public:
  virtual ~Blobs() = default;
  // Folders on the way are made on commit; a file that is there already is replaced.
  virtual Result<std::unique_ptr<Upload>> create(const Path& path) = 0;
  virtual Result<OpenFile> open(const Path& path) const = 0;  // regular files only; kNotFound when absent
  virtual Result<std::vector<Entry>> list(const Path& folder) const = 0;  // sorted; kNotFound when absent
  // A file, or a folder with all below it; out of sight in one step. kNotFound when absent.
  virtual Result<void> remove(const Path& path) = 0;
  // Where the files are, for processes of ours that read them directly (read-only bind into a sandbox).
  virtual Result<std::string> local_folder(const Path& folder) const = 0;
};

// Everything under `root` (made if absent); every lookup by openat2 with RESOLVE_BENEATH |
// RESOLVE_NO_SYMLINKS. The root is 0700, what is below it readable: nobody else comes in by the path, and a
// sandbox under another user can read the one folder that is bound into it. Thread-safe.
Result<std::unique_ptr<Blobs>> open_local(std::string root);

}  // namespace mk::blob

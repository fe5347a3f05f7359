// Turns what the process prints into CRI log lines in a bounded set of files.
#pragma once
#include <cstddef>
#include <cstdint>

#include "os/shim_protocol.h"

namespace mk::shim {

class LogFile {
 public:
  LogFile(uint64_t bytes_max, uint64_t files_max) : bytes_max_(bytes_max), files_max_(files_max) {}
  bool open();
  // Writes whole lines; rotates first when they would not fit. What the disk refuses is counted, never waited
  // for.
  void write(const char* lines, size_t size);
  uint64_t lost_bytes() const { return lost_bytes_; }

 private:
  void rotate();

  uint64_t bytes_max_, files_max_, size_ = 0, lost_bytes_ = 0;
  int fd_ = -1;
};

// One of stdout and stderr: cuts the bytes into lines, and lines over kLogPartBytes into parts marked P.
class Stream {
 public:
  Stream(const char* name, LogFile& file) : name_(name), file_(file) {}
  // Reads once from `fd`; false at its end (the last unfinished line is written then).
  bool pump(int fd);

 private:
  void line(const char* text, size_t size, char mark);
  void flush();

  const char* name_;  // "stdout" or "stderr"
  LogFile& file_;
  char pending_[os::shim::kLogPartBytes];
  size_t pending_size_ = 0;
  char out_[2 * os::shim::kLogPartBytes];
  size_t out_size_ = 0;
};

}  // namespace mk::shim

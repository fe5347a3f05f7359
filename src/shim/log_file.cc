#include "shim/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "shim/text.h"

namespace mk::shim {
namespace {
constexpr size_t kPrefixBytes = 30 + 1 + 6 + 1 + 1 + 1;  // "TIME stdout F "
}

bool LogFile::open() {
  fd_ = ::open(os::shim::kLogFile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  struct stat info{};
  if (fd_ < 0 || fstat(fd_, &info) != 0) return false;
  size_ = static_cast<uint64_t>(info.st_size);
  return true;
}

void LogFile::rotate() {
  for (uint64_t i = files_max_; i-- > 1;) {
    Text<32> from, to;
    from.add(os::shim::kLogFile);
    if (i > 1) from.add('.').number(static_cast<int64_t>(i - 1));
    to.add(os::shim::kLogFile).add('.').number(static_cast<int64_t>(i));
    ::rename(from.c_str(), to.c_str());
  }
  if (files_max_ == 1) unlink(os::shim::kLogFile);
  close(fd_);
  size_ = 0;
  if (!open()) fd_ = -1;
}

void LogFile::write(const char* lines, size_t size) {
  if (size_ > 0 && size_ + size > bytes_max_) rotate();
  if (fd_ >= 0 && write_all(fd_, lines, size))
    size_ += size;
  else
    lost_bytes_ += size;
}

void Stream::flush() {
  if (out_size_ > 0) file_.write(out_, out_size_);
  out_size_ = 0;
}

void Stream::line(const char* text, size_t size, char mark) {
  if (out_size_ + kPrefixBytes + size + 1 > sizeof out_) flush();
  char* at = out_ + out_size_;
  write_timestamp(now_ns(), at);
  at[30] = ' ';
  std::memcpy(at + 31, name_, 6);
  at[37] = ' ';
  at[38] = mark;
  at[39] = ' ';
  std::memcpy(at + kPrefixBytes, text, size);
  at[kPrefixBytes + size] = '\n';
  out_size_ += kPrefixBytes + size + 1;
}

bool Stream::pump(int fd) {
  const ssize_t got = read(fd, pending_ + pending_size_, sizeof pending_ - pending_size_);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) {
    if (pending_size_ > 0) line(pending_, pending_size_, 'F');
    pending_size_ = 0;
    flush();
    return false;
  }
  pending_size_ += static_cast<size_t>(got);
  const char* at = pending_;
  const char* const end = pending_ + pending_size_;
  while (const void* found = std::memchr(at, '\n', static_cast<size_t>(end - at))) {
    const char* newline = static_cast<const char*>(found);
    line(at, static_cast<size_t>(newline - at), 'F');
    at = newline + 1;
  }
  pending_size_ = static_cast<size_t>(end - at);
  if (pending_size_ == sizeof pending_) {
    line(at, pending_size_, 'P');
    pending_size_ = 0;
  } else {
    std::memmove(pending_, at, pending_size_);
  }
  flush();
  return true;
}

}  // namespace mk::shim

// Text without the standard library's weight: the shim lives as long as its Pod, once for each, so it stays
// small.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mk::shim {

// A bounded text buffer on the stack; what does not fit is cut off.
template <size_t N>
class Text {
 public:
  Text& add(const char* text) { return add(text, std::strlen(text)); }
  Text& add(const char* text, size_t size) {
    if (size > N - 1 - size_) size = N - 1 - size_;
    std::memcpy(data_ + size_, text, size);
    size_ += size;
    data_[size_] = 0;
    return *this;
  }
  Text& add(char c) { return add(&c, 1); }
  Text& number(int64_t value) {
    if (value < 0) {
      add('-');
      value = -value;
    }
    return padded(static_cast<uint64_t>(value), 1);
  }
  Text& padded(uint64_t value, int digits) {
    char reversed[24];
    int count = 0;
    while (value != 0 || count < digits) {
      reversed[count++] = static_cast<char>('0' + value % 10);
      value /= 10;
    }
    while (count > 0) add(reversed[--count]);
    return *this;
  }
  // Newlines and backslashes as \n and \\ : a value of a "key value" line.
  Text& escaped(const char* text) {
    for (; *text != 0; ++text) {
      if (*text == '\n')
        add("\\n");
      else if (*text == '\\')
        add("\\\\");
      else
        add(*text);
    }
    return *this;
  }
  const char* c_str() const { return data_; }
  size_t size() const { return size_; }
  void clear() { data_[size_ = 0] = 0; }

 private:
  char data_[N] = {};
  size_t size_ = 0;
};

int64_t now_ns();  // wall clock
int64_t monotonic_ms();
// RFC 3339 with nanoseconds into exactly 30 bytes: 2026-11-21T09:30:00.123456789Z
void write_timestamp(int64_t ns, char* out);
// A whole small file into `out`, NUL-terminated; its size or -1.
long read_small(const char* path, char* out, size_t size);
// Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat); 0 when gone.
uint64_t start_ticks(int pid);
// Our own pid as the machine's /proc has it, which differs from getpid() in a pid namespace.
int machine_pid();
// Atomically replaces `path`; `durable` also waits for the disk.
bool replace_file(const char* path, const char* text, size_t size, bool durable);
bool write_all(int fd, const char* data, size_t size);

}  // namespace mk::shim

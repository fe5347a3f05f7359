#include "shim/text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace mk::shim {

int64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

int64_t monotonic_ms() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1'000'000;
}

void write_timestamp(int64_t ns, char* out) {
  const int64_t seconds = ns / 1'000'000'000;
  const int64_t days = seconds / 86'400, rest = seconds % 86'400;
  // Days since 1970 to year, month, day (proleptic Gregorian, eras of 400 years).
  const int64_t z = days + 719'468, era = z / 146'097, of_era = z % 146'097;
  const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const int64_t day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * shifted + 2) / 5 + 1;
  const int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  Text<40> text;
  const auto part = [&](int64_t value, int digits, char after) {
    text.padded(static_cast<uint64_t>(value), digits).add(after);
  };
  part(year, 4, '-');
  part(month, 2, '-');
  part(day, 2, 'T');
  part(rest / 3600, 2, ':');
  part(rest / 60 % 60, 2, ':');
  part(rest % 60, 2, '.');
  part(ns % 1'000'000'000, 9, 'Z');
  std::memcpy(out, text.c_str(), 30);
}

long read_small(const char* path, char* out, size_t size) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  size_t got = 0;
  while (got < size - 1) {
    const ssize_t n = read(fd, out + got, size - 1 - got);
    if (n <= 0) break;
    got += static_cast<size_t>(n);
  }
  close(fd);
  out[got] = 0;
  return static_cast<long>(got);
}

uint64_t start_ticks(int pid) {
  Text<32> path;
  path.add("/proc/").number(pid).add("/stat");
  char stat[1024];
  if (read_small(path.c_str(), stat, sizeof stat) <= 0) return 0;
  // The name may hold spaces and parentheses: count fields after its last ')'.
  const char* at = std::strrchr(stat, ')');
  for (int field = 2; at != nullptr && field < 22; ++field) at = std::strchr(at + 1, ' ');
  return at == nullptr ? 0 : std::strtoull(at + 1, nullptr, 10);
}

bool write_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t n = write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

int machine_pid() {
  char link[24] = {};
  return readlink("/proc/self", link, sizeof link - 1) > 0 ? std::atoi(link) : getpid();
}

bool replace_file(const char* path, const char* text, size_t size, bool durable) {
  Text<64> fresh;
  fresh.add(path).add(".new");
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  bool ok = write_all(fd, text, size) && (!durable || fsync(fd) == 0);
  ok = close(fd) == 0 && ok;
  if (!ok || rename(fresh.c_str(), path) != 0) return false;
  if (durable) {
    const int folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return false;
    ok = fsync(folder) == 0;
    close(folder);
  }
  return ok;
}

}  // namespace mk::shim

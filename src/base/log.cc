#include "base/log.h"

#include <time.h>
#include <unistd.h>

#include <atomic>

#include "base/time.h"

namespace mk::log {
namespace {
std::atomic<Level> g_level{Level::kInfo};
constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};
}  // namespace

void set_level(Level level) { g_level = level; }

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (level < g_level) return;
  timespec now{};  // the one clock read outside os/: a log line must not depend on anything that can fail
  clock_gettime(CLOCK_REALTIME, &now);
  const std::string stamp = Time{now.tv_sec * 1'000'000'000 + now.tv_nsec}.rfc3339_micro();
  static const bool terminal = isatty(STDERR_FILENO) == 1;
  std::string line;
  if (terminal) {
    line.append(stamp, 11, 12).append(" ").append(kNames[static_cast<size_t>(level)]).append(" ");
    line += message;
    for (const auto& [key, value] : fields) {
      line.append(" ").append(key).append("=");
      value.dump_to(line);
    }
  } else {
    line.append("{\"ts\":\"").append(stamp).append("\",\"level\":\"");
    line.append(kNames[static_cast<size_t>(level)]).append("\",\"msg\":");
    append_json_string(line, message);
    for (const auto& [key, value] : fields) {
      line += ',';
      append_json_string(line, key);
      line += ':';
      value.dump_to(line);
    }
    line += '}';
  }
  line += '\n';
  // A full or closed stderr must not stop the work.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace mk::log

#include "os/leftovers.h"

#include <poll.h>
#include <signal.h>

#include <charconv>

#include "base/format.h"
#include "base/log.h"
#include "os/files.h"

namespace mk::os {
namespace {

constexpr int kPassesMax = 100;
constexpr int kPauseMs = 2;

bool bears(const std::string& pid, std::string_view mark) {
  const auto environment = read_file("/proc/" + pid + "/environ");
  if (!environment) return false;
  std::string_view rest = *environment;
  while (!rest.empty()) {
    const size_t end = rest.find('\0');
    if (rest.substr(0, end) == mark) return true;
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  }
  return false;
}

}  // namespace

std::string folder_id(std::string_view folder) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : folder) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return fmt::format("{:016x}", hash);
}

std::string run_mark(const std::string& folder) {
  return fmt::format("{}{}", kMarkName, folder_id(folder));
}

void end_leftovers(const std::string& folder) {
  const std::string mark = run_mark(folder);
  for (int pass = 0; pass < kPassesMax; ++pass) {
    bool any = false;
    for (const std::string& name : list_folder("/proc")) {
      pid_t pid = 0;
      if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc() || !bears(name, mark)) continue;
      any = true;
      kill(pid, SIGKILL);
    }
    if (!any) return;
    poll(nullptr, 0, kPauseMs);
  }
  log::error("processes of a run whose supervisor was killed do not end", {{"run", folder}});
}

}  // namespace mk::os

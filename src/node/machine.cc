#include "node/machine.h"

#include <sched.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>

#include "os/files.h"

namespace mk::node {
namespace {

std::string first_line(const std::string& path) {
  auto text = os::read_file(path);
  return text ? text->substr(0, text->find('\n')) : std::string();
}

// The value of KEY= in /etc/os-release, without quotes.
std::string os_name() {
  const std::string text = os::read_file("/etc/os-release").value_or("");
  const std::string key = "PRETTY_NAME=\"";
  const size_t at = text.find(key);
  if (at == std::string::npos) return "Linux";
  return text.substr(at + key.size(), text.find('"', at + key.size()) - at - key.size());
}

int64_t usable_cpus() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

std::string object_name(std::string_view host) {
  std::string name;
  for (const char c : host) {
    const char low = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool plain = (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9') || low == '.';
    name += plain ? low : '-';
  }
  while (!name.empty() && (name.front() == '-' || name.front() == '.')) name.erase(0, 1);
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name.empty() ? "localhost" : name.substr(0, 63);
}

}  // namespace

Machine read_machine(const std::string& data_folder) {
  Machine machine;
  utsname names{};
  uname(&names);
  machine.host_name = object_name(names.nodename);
  machine.kernel = names.release;
  const std::string_view word = names.machine;
  machine.architecture = word == "x86_64" ? "amd64" : word == "aarch64" ? "arm64" : std::string(word);
  machine.cpus = usable_cpus();
  const std::string memory = os::read_file("/proc/meminfo").value_or("");
  if (const size_t at = memory.find("MemTotal:"); at != std::string::npos)
    machine.memory_kib = std::strtoll(memory.c_str() + at + 9, nullptr, 10);
  struct statvfs disk{};
  if (statvfs(data_folder.c_str(), &disk) == 0)
    machine.disk_bytes = static_cast<int64_t>(disk.f_blocks) * static_cast<int64_t>(disk.f_frsize);
  machine.os_image = os_name();
  machine.machine_id = first_line("/etc/machine-id");
  machine.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  return machine;
}

}  // namespace mk::node

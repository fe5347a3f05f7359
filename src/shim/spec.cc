#include "shim/spec.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cstdlib>
#include <cstring>

#include "os/shim_protocol.h"

namespace mk::shim {
namespace {

void unescape(char* text) {
  char* out = text;
  for (; *text != 0; ++text) {
    if (*text == '\\' && text[1] != 0) {
      ++text;
      *out++ = *text == 'n' ? '\n' : *text;
    } else {
      *out++ = *text;
    }
  }
  *out = 0;
}

// Splits "a b c" at the first space; null when there is none.
char* split(char* text, char at) {
  char* found = std::strchr(text, at);
  if (found != nullptr) *found++ = 0;
  return found;
}

struct NamedLimit {
  const char* name;
  int resource;
};
constexpr NamedLimit kLimits[] = {
    {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"core", RLIMIT_CORE},
    {"as", RLIMIT_AS},         {"fsize", RLIMIT_FSIZE}, {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},
};

const char* add_limit(Spec& spec, char* value) {
  char* soft = split(value, ' ');
  char* hard = soft == nullptr ? nullptr : split(soft, ' ');
  if (hard == nullptr || spec.limit_count == kLimitsMax) return "a bad rlimit line";
  for (const NamedLimit& known : kLimits) {
    if (std::strcmp(known.name, value) != 0) continue;
    spec.limits[spec.limit_count++] = {known.resource,
                                       {std::strtoull(soft, nullptr, 10), std::strtoull(hard, nullptr, 10)}};
    return nullptr;
  }
  return nullptr;  // a limit of a later version
}

const char* add_mount(Spec& spec, char* value, bool read_only) {
  char* target = split(value, '\t');
  if (target == nullptr || spec.mount_count == kMountsMax) return "a bad mount line";
  char* beneath = split(target, '\t');
  unescape(value);
  unescape(target);
  if (beneath != nullptr) unescape(beneath);
  spec.mounts[spec.mount_count++] = {value, target, read_only, beneath};
  return nullptr;
}

const char* add_line(Spec& spec, char* key, char* value, size_t& args, size_t& envs) {
  const auto is = [key](const char* name) { return std::strcmp(key, name) == 0; };
  if (is("mount_ro")) return add_mount(spec, value, true);
  if (is("mount_rw")) return add_mount(spec, value, false);
  if (is("rlimit")) return add_limit(spec, value);
  unescape(value);
  if (is("arg")) {
    spec.argv[args++] = value;
  } else if (is("env")) {
    spec.envp[envs++] = value;
  } else if (is("pod")) {
    spec.pod = value;
  } else if (is("cwd")) {
    spec.cwd = value;
  } else if (is("uid")) {
    spec.has_ids = true;
    spec.uid = static_cast<uid_t>(std::strtoul(value, nullptr, 10));
  } else if (is("gid")) {
    spec.gid = static_cast<gid_t>(std::strtoul(value, nullptr, 10));
  } else if (is("cgroup")) {
    if (spec.cgroup_count == kCgroupsMax) return "too many cgroup lines";
    spec.cgroups[spec.cgroup_count++] = value;
  } else if (is("own_cgroup")) {
    spec.own_cgroup = value[0] == '1';
  } else if (is("oom")) {
    spec.oom_file = value;
  } else if (is("own_pids")) {
    spec.own_pids = value[0] == '1';
  } else if (is("join_pids")) {
    char* ticks = split(value, ' ');
    spec.join_pid = std::atoi(value);
    spec.join_ticks = ticks == nullptr ? 0 : std::strtoull(ticks, nullptr, 10);
  } else if (is("open_exec")) {
    spec.open_exec = value[0] == '1';
  } else if (is("log_bytes_max")) {
    spec.log_bytes_max = std::strtoull(value, nullptr, 10);
  } else if (is("log_files_max")) {
    spec.log_files_max = std::strtoull(value, nullptr, 10);
  } else if (is("grace_ms")) {
    spec.grace_ms = std::strtoll(value, nullptr, 10);
  } else if (is("hide")) {
    if (spec.hidden_count == kHiddenMax) return "too many hide lines";
    spec.hidden[spec.hidden_count++] = value;
  }
  return nullptr;
}

char* read_whole(size_t& size) {
  const int fd = open(os::shim::kSpecFile, O_RDONLY | O_CLOEXEC);
  struct stat info{};
  if (fd < 0 || fstat(fd, &info) != 0 || info.st_size > static_cast<off_t>(os::shim::kSpecBytesMax))
    return nullptr;
  char* text = static_cast<char*>(std::malloc(static_cast<size_t>(info.st_size) + 1));
  if (text == nullptr) return nullptr;
  while (size < static_cast<size_t>(info.st_size)) {
    const ssize_t n = read(fd, text + size, static_cast<size_t>(info.st_size) - size);
    if (n <= 0) break;
    size += static_cast<size_t>(n);
  }
  close(fd);
  text[size] = 0;
  return text;
}

}  // namespace

const char* read_spec(Spec& spec) {
  size_t size = 0, lines = 1;
  char* text = read_whole(size);
  if (text == nullptr) return "the spec file cannot be read";
  for (size_t i = 0; i < size; ++i) lines += text[i] == '\n';
  spec.argv = static_cast<char**>(std::calloc(lines + 1, sizeof(char*)));
  spec.envp = static_cast<char**>(std::calloc(lines + 1, sizeof(char*)));
  if (spec.argv == nullptr || spec.envp == nullptr) return "out of memory";
  spec.log_bytes_max = os::shim::kLogBytesDefault;
  spec.log_files_max = os::shim::kLogFilesDefault;
  char* line = text;
  char* next = split(line, '\n');
  if (std::strcmp(line, os::shim::kSpecHeader) != 0)
    return "the spec file has a version that this shim does not know";
  size_t args = 0, envs = 0;
  for (line = next; line != nullptr && *line != 0; line = next) {
    next = split(line, '\n');
    char* value = split(line, ' ');
    if (value == nullptr) continue;
    if (const char* wrong = add_line(spec, line, value, args, envs)) return wrong;
  }
  if (args == 0) return "the spec file names no command";
  if (spec.log_bytes_max < 2 * os::shim::kLogPartBytes) spec.log_bytes_max = 2 * os::shim::kLogPartBytes;
  if (spec.log_files_max < 1) spec.log_files_max = 1;
  if (spec.log_files_max > os::shim::kLogFilesMax) spec.log_files_max = os::shim::kLogFilesMax;
  return nullptr;
}

}  // namespace mk::shim

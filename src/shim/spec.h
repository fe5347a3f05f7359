// What to run, read from the run folder's spec file (os/shim_protocol.h).
#pragma once
#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace mk::shim {

inline constexpr size_t kMountsMax = 64;
inline constexpr size_t kHiddenMax = 16;
inline constexpr size_t kLimitsMax = 16;
inline constexpr size_t kCgroupsMax = 8;

struct Mount {
  const char* source = nullptr;
  const char* target = nullptr;
  bool read_only = true;
  const char* beneath = nullptr;  // a path in the source
};

struct Limit {
  int resource = 0;
  rlimit value{};
};

struct Spec {
  char** argv = nullptr;  // NULL-terminated
  char** envp = nullptr;
  const char* pod = "";  // the Pod's uid, for people and ps
  const char* cwd = "/";
  bool has_ids = false;
  uid_t uid = 0;
  gid_t gid = 0;
  bool own_pids = false;  // a pid namespace for this run: its processes end with the shim
  int join_pid = 0;       // the shim whose pid namespace the process joins; its start time tells it from a later process
  uint64_t join_ticks = 0;
  bool open_exec = false;  // argv[0] is opened before the process loses sight of it
  uint64_t log_bytes_max = 0, log_files_max = 0;
  int64_t grace_ms = 30'000;
  Mount mounts[kMountsMax];
  size_t mount_count = 0;
  const char* hidden[kHiddenMax] = {};
  size_t hidden_count = 0;
  Limit limits[kLimitsMax];
  size_t limit_count = 0;
  const char* cgroups[kCgroupsMax] = {};  // folders whose cgroup.procs the process joins
  size_t cgroup_count = 0;
  bool own_cgroup = false;        // nobody else's: taken away at the end
  const char* oom_file = nullptr;  // its line "oom_kill N" counts those that were killed for want of memory
};

// Reads "spec" in the working folder. Null, or what is wrong with it. The text lives as long as the process.
const char* read_spec(Spec& spec);

}  // namespace mk::shim

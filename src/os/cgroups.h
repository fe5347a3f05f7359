// Bounds that the kernel keeps for all processes of a run together: memory, CPU time, number of tasks. Through whichever
// hierarchies of control groups this machine gives: version 1, 2, or some of each; asked once, by really doing it.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mk::os {

struct CgroupBounds {  // 0 = none
  uint64_t memory_bytes = 0;
  uint64_t cpu_millis = 0;  // thousandths of a CPU
  uint64_t tasks = 0;       // processes and threads
  bool operator==(const CgroupBounds&) const = default;
};

// One group of a run: a folder in each hierarchy that takes part.
struct Cgroup {
  std::vector<std::string> folders;  // a process joins by writing 0 to cgroup.procs in each
  std::string oom_file;              // its line "oom_kill N" counts processes killed for want of memory; may be empty
};

enum class CgroupController : uint8_t { kMemory, kCpu, kTasks };
inline constexpr size_t kCgroupControllers = 3;

// Immutable, thread-safe.
class Cgroups {
 public:
  struct Place {
    int version = 0;     // 0 = not to be had
    std::string folder;  // where our groups are made
    bool operator==(const Place&) const = default;
  };
  using Places = std::array<Place, kCgroupControllers>;
  // `name`: of one data folder; groups lie in PLACE/modelkit/NAME/RUN.
  Cgroups(std::string name, Places places) : name_(std::move(name)), places_(std::move(places)) {}
  Cgroups() = default;

  bool keeps(CgroupController controller) const { return places_[static_cast<size_t>(controller)].version != 0; }
  // "limits of containers are kept: memory, cpu by cgroup v1; ..."; says also what is not. `tasks_by_user`: each Pod has a user
  // of its own, whose tasks RLIMIT_NPROC counts.
  std::string sentence(bool tasks_by_user) const;
  // An empty group with the bounds that can be kept. For a process to join it takes the kernel some 10 ms (a grace period),
  // so ask for what is needed only.
  Result<Cgroup> make(std::string_view run, const CgroupBounds& bounds) const;

 private:
  std::string name_;
  Places places_;
};

// Looks for places that work and proves each with a process of its own.
Cgroups open_cgroups(std::string name);
// Takes an empty group away, and the folders above it when they are empty.
void remove_cgroup(const std::string& folder);

// A mounted hierarchy, as /proc/self/mountinfo and /proc/self/cgroup tell. Pure.
struct CgroupHierarchy {
  int version = 0;
  std::vector<std::string> controllers;  // of version 1
  std::string mount, own;                // folders: where it is mounted, and where we are in it
  bool operator==(const CgroupHierarchy&) const = default;
};
std::vector<CgroupHierarchy> find_cgroups(std::string_view mountinfo, std::string_view self);

}  // namespace mk::os

// What processes use of this machine, by /proc.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace mk::os {

struct Usage {
  Duration cpu;               // since the start; of processes that have ended, too
  uint64_t memory_bytes = 0;  // now in memory, what is shared with others counted for each
};

// Of the runs (os/processes.h) in these folders, each with all its descendants; those that do not run are
// left out. Walks /proc once for all of them.
std::map<std::string, Usage> usage_of_runs(const std::vector<std::string>& folders);
// Of everything on this machine since it started; memory that can be had at once is not used.
Usage usage_of_machine();

// ---- pure

struct ProcessFigures {
  int parent = 0;
  uint64_t own_ticks = 0, ended_ticks = 0;  // of itself, and of children that were waited for
  uint64_t pages = 0;                       // in memory
};
std::optional<ProcessFigures> read_process_figures(std::string_view stat);  // /proc/PID/stat
// `root` itself supervises and counts for nothing, but what it has waited for does.
Usage sum_of_tree(int root, const std::map<int, ProcessFigures>& all, uint64_t ticks_a_second,
                  uint64_t page_bytes);
Usage read_machine_usage(std::string_view stat, std::string_view meminfo, uint64_t ticks_a_second);

}  // namespace mk::os

// The texts of a run folder that we and its shim write for each other (shim_protocol.h). Pure.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "os/cgroups.h"
#include "os/processes.h"

namespace mk::os {

// A value on a line of its own: without line feeds.
std::string escape_line(std::string_view text);
int64_t leading_number(std::string_view text);  // 0 when there is none

// "key value" lines under a known header; empty when the header is another one.
using RunLines = std::map<std::string, std::string, std::less<>>;
RunLines read_run_lines(std::string_view text, std::string_view header);

Result<std::string> write_run_spec(const ProcessSpec& spec);
ProcessSpec read_run_spec(std::string_view text);  // for runs beside the first one
// What a spec says of control groups: the run's own, and which one finds there again.
std::string write_run_groups(const Cgroup& group);
std::vector<std::string> read_run_groups(std::string_view spec);

ProcessState read_run_exit(std::string_view text);

}  // namespace mk::os

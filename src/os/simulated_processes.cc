#include "base/format.h"
#include "os/processes.h"

namespace mk::os {

Result<ProcessState> SimulatedProcesses::start(const std::string& folder, const ProcessSpec& spec) {
  if (!fail_start.empty()) return fail(Code::kTooLarge, "process_spec", fail_start);
  if (const auto before = runs.find(folder); before != runs.end()) {
    MK_CHECK(!before->second.state.running());
    runs.erase(before);
  }
  Run run{spec, {}};
  run.state.started = clock_.now();
  if (refuse_start.empty()) {
    run.state.phase = ProcessState::Phase::kRunning;
    run.state.pid = ++next_pid_;
  } else {
    run.state.phase = ProcessState::Phase::kExited;
    run.state.finished = clock_.now();
    run.state.exit_code = 128;
    run.state.reason = "StartError";
    run.state.message = refuse_start;
  }
  return runs.emplace(folder, std::move(run)).first->second.state;
}

ProcessState SimulatedProcesses::look(const std::string& folder) {
  const auto found = runs.find(folder);
  return found == runs.end() ? ProcessState{} : found->second.state;
}

Result<ProcessSpec> SimulatedProcesses::spec_of(const std::string& folder) {
  const auto found = runs.find(folder);
  if (found == runs.end()) return fail(Code::kNotFound, "process_spec", "no such run");
  return found->second.spec;
}

Result<void> SimulatedProcesses::stop(const std::string& folder, Duration) {
  const auto found = runs.find(folder);
  if (found == runs.end() || !found->second.state.running()) return {};
  found->second.stop_asked = true;
  if (obey_stop) exit(folder, 143);
  return {};
}

Result<void> SimulatedProcesses::signal(const std::string& folder, int number) {
  exit(folder, 128 + number);
  return {};
}

void SimulatedProcesses::exit(const std::string& folder, int code) {
  ProcessState& state = runs.at(folder).state;
  if (!state.running()) return;
  state.phase = ProcessState::Phase::kExited;
  state.finished = clock_.now();
  state.exit_code = code;
  state.signal = code > 128 ? code - 128 : 0;
  state.reason = code == 0 ? "Completed" : "Error";
  if (on_exit_) on_exit_(folder);
}

std::vector<std::string> SimulatedProcesses::running() const {
  std::vector<std::string> folders;
  for (const auto& [folder, run] : runs)
    if (run.state.running()) folders.push_back(folder);
  return folders;
}

}  // namespace mk::os

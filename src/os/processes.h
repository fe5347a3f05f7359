// Processes that outlive us: each runs under a modelkit-shim in a run folder of its own, which is all there
// is to know about it. Real: ShimProcesses. Simulated: SimulatedProcesses.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "os/cgroups.h"
#include "os/clock.h"

namespace mk::os {

struct ProcessSpec {
  struct Mount {
    std::string source, target;
    bool read_only = true;
    // A part of the source instead, made when missing and not read_only. What lies in the source may be another's: links
    // that lead out of it are refused when the process starts.
    std::string beneath;
  };
  struct Limit {
    std::string name;  // "nofile", "nproc", "core", "as", "data", "fsize", "cpu"
    uint64_t soft = 0, hard = 0;
  };
  std::string pod;                     // whose it is; recorded and shown
  std::vector<std::string> argv, env;  // env as "NAME=value"
  std::string cwd = "/";
  std::optional<uint32_t> uid;  // also the gid; unset = ours
  // Its processes get a pid namespace where the machine allows one: they see no others and end with their shim, however
  // that ends.
  bool own_pids = false;
  std::string beside;           // a running run's folder, whose pid namespace this one joins if it has one
  bool open_exec = false;       // argv[0] need not be reachable for `uid`
  std::vector<Mount> mounts;    // in a mount namespace of its own, as are `hidden` folders
  std::vector<std::string> hidden;
  std::vector<Limit> limits;
  CgroupBounds bounds;          // of all its processes together, as far as the machine can keep them
  Duration grace = Duration::from_seconds(30);
  uint64_t log_bytes_max = 10u << 20;  // of one log file
  uint64_t log_files_max = 5;
};

struct ProcessState {
  enum class Phase : uint8_t { kAbsent, kRunning, kExited } phase = Phase::kAbsent;
  int pid = 0;
  Time started, finished;
  int exit_code = 0, signal = 0;  // a signal's exit code is 128 + signal
  std::string reason, message;    // "Completed", "Error", "OOMKilled", "StartError", "Lost"
  bool running() const { return phase == Phase::kRunning; }
  bool exited() const { return phase == Phase::kExited; }
};

// Thread-safe. A run folder is used for one run only.
class Processes {
 public:
  virtual ~Processes() = default;
  // Returns once the program runs, or with state kExited and reason StartError when it cannot; an Error only
  // when nothing was started. `folder` exists and is empty.
  virtual Result<ProcessState> start(const std::string& folder, const ProcessSpec& spec) = 0;
  // What is known of a run, whoever started it. Blocks shortly when a start was cut off by our own end.
  virtual ProcessState look(const std::string& folder) = 0;
  // Blocks until the run has ended, at most `limit`.
  virtual ProcessState wait(const std::string& folder, Duration limit) = 0;
  // What a run was started with.
  virtual Result<ProcessSpec> spec_of(const std::string& folder) = 0;
  // SIGTERM to its group, SIGKILL after `grace`; returns at once. Asking again may shorten the grace.
  virtual Result<void> stop(const std::string& folder, Duration grace) = 0;
  virtual Result<void> signal(const std::string& folder, int number) = 0;
  // Called on a thread of its own when a run that start() or look() has seen running ends.
  virtual void on_exit(std::function<void(const std::string& folder)> call) = 0;
};

struct ShimSettings {
  std::string shim;         // path of the shim's executable
  int user_namespace = -1;  // a descriptor of the one that specs' uids belong to (os/users.h), open meanwhile; -1 = ours
  int kept = -1;            // a descriptor that each shim keeps open as long as it lives
  Cgroups cgroups;          // where specs' bounds are kept
};
std::unique_ptr<Processes> make_shim_processes(ShimSettings settings);
// What the shim of a running run keeps (ShimSettings::kept), as a descriptor of the caller's; -1 when there is none.
int kept_by_run(const std::string& folder);
// Writes the embedded shim to `folder`/<hash>/modelkit-shim unless it is there; its path.
Result<std::string> install_shim(const std::string& folder);

// Keeps runs in memory; the test ends them.
class SimulatedProcesses final : public Processes {
 public:
  explicit SimulatedProcesses(const Clock& clock) : clock_(clock) {}
  Result<ProcessState> start(const std::string& folder, const ProcessSpec& spec) override;
  ProcessState look(const std::string& folder) override;
  ProcessState wait(const std::string& folder, Duration) override { return look(folder); }
  Result<ProcessSpec> spec_of(const std::string& folder) override;
  Result<void> stop(const std::string& folder, Duration grace) override;
  Result<void> signal(const std::string& folder, int number) override;
  void on_exit(std::function<void(const std::string&)> call) override { on_exit_ = std::move(call); }

  void exit(const std::string& folder, int code);
  std::vector<std::string> running() const;  // folders
  struct Run {
    ProcessSpec spec;
    ProcessState state;
    bool stop_asked = false;
  };
  std::map<std::string, Run> runs;
  std::string fail_start;    // not empty: start() itself fails
  std::string refuse_start;  // not empty: starts end at once with StartError and this message
  bool obey_stop = true;     // a stopped run ends at once with 143

 private:
  const Clock& clock_;
  std::function<void(const std::string&)> on_exit_;
  int next_pid_ = 1000;
};

}  // namespace mk::os

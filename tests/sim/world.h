// The machine and the control plane on it: the real store on a disk that fails, core, the controllers of
// workloads, scheduling and serving, and the node's agent with simulated processes. Lives end by kill or loss
// of power, anywhere; the machine, its disk and what people were promised go on.
#pragma once
#include <memory>
#include <string>

#include "core/objects.h"
#include "node/testing/pod_world.h"
#include "os/executor.h"
#include "os/processes.h"
#include "os/random.h"
#include "sim_store.h"

namespace mk::sim {

// Starting and ending a process are steps, too, before which the machine may go down.
class SteppedProcesses final : public os::Processes {
 public:
  explicit SteppedProcesses(os::SimulatedProcesses& real) : real_(real) {}
  Result<os::ProcessState> start(const std::string& folder, const os::ProcessSpec& spec) override;
  Result<void> stop(const std::string& folder, Duration grace) override;
  Result<void> signal(const std::string& folder, int number) override;
  os::ProcessState look(const std::string& folder) override { return real_.look(folder); }
  os::ProcessState wait(const std::string& folder, Duration limit) override { return real_.wait(folder, limit); }
  Result<os::ProcessSpec> spec_of(const std::string& folder) override { return real_.spec_of(folder); }
  void on_exit(std::function<void(const std::string&)> call) override { real_.on_exit(std::move(call)); }

 private:
  os::SimulatedProcesses& real_;
};

struct Options {
  uint64_t seed = 1;
  Bug bug = Bug::kNone;
  bool verbose = false;
  std::string folder;  // empty, for this run alone; on a file system in memory
};

class World {
 public:
  explicit World(const Options& options);
  ~World();

  // Time passes. Whoever dies meanwhile is started again.
  void run_for(Duration span);
  // From now on nothing more goes wrong.
  void end_faults();

  // What goes wrong, at once or in a while.
  void crash();                  // between two tasks
  void crash_within(int steps);  // before one of the next writes to the disk
  void fail_sync();              // the next sync of the log fails; somebody restarts later
  void lose_agent();             // the node's agent stops; it is back some seconds later
  void end_some_process();
  void sicken(bool all) { probes->all_sick = all; }

  core::Objects& objects();
  const node::PodRecords& records() const;
  bool idle() const;  // no controller has a key in hand
  std::string published_routes() const;

  const Options options;
  os::SimulatedExecutor executor;
  os::SeededRandom random;  // what goes wrong, and when
  Complaints complaints;
  Model model;
  os::SimulatedProcesses processes;
  SteppedProcesses stepped{processes};  // as the agent has them
  std::shared_ptr<node::testing::SaidProbes> probes;
  uint64_t lives = 0;

 private:
  struct Life;
  void start();  // until a life stands
  bool try_start();
  void end_life();
  void lose_power();
  void note(const std::string& what);
  std::shared_ptr<os::Executor> shared_executor();

  const bool laggy_;  // controllers see a view that is late, merges and relists
  const size_t ring_max_;
  bool calm_ = false, read_only_seen_ = false, crashed_in_task_ = false;
  os::SeededRandom ids_;  // uids and names
  std::unique_ptr<Life> life_;
};

}  // namespace mk::sim

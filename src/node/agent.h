// The node: makes the processes of this machine match the Pods that are bound to it. A controller of Pods on
// the embedded store; what it knows beside the objects lies in PodRecords and the run folders, so that
// another instance takes over where this one ended.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/controller.h"
#include "node/container_start.h"
#include "node/pod_plan.h"
#include "node/pod_records.h"
#include "node/pod_status.h"
#include "node/prober.h"
#include "os/executor.h"
#include "os/processes.h"

namespace mk::node {

struct AgentSettings {
  std::string node_name;
  std::string host_ip = "127.0.0.1";
  std::string data;                  // the data folder, hidden from Pods that have their own user
  std::vector<std::string> visible;  // folders beneath it that Pods may read
  std::string self;                  // this program, for images of its own
  os::Users* users = nullptr;        // each Pod gets one; null = they run as us
  std::string not_isolated;          // why there are none and what to do: only where a namespace allows it Pods run as us
  uint32_t user = 0;                 // ours
  std::shared_ptr<const AccountAccess> access;  // how Pods call the control plane; null = they are not told
  os::Cgroups bounds_kept;           // what the machine can bound for a whole container
};

class Agent {
 public:
  static constexpr const char* kControllerName = "node-pods";

  Agent(AgentSettings settings, PodRecords records, os::Processes& processes,
        std::shared_ptr<ProbeRunner> probes, std::shared_ptr<os::Executor> executor);
  ~Agent();

  // Before the controllers start: finds the Pods of an earlier instance. `wake` is called on any thread when
  // a Pod needs a look that no object tells of.
  Result<void> adopt(std::function<void(const store::Key&)> wake);
  core::Controller controller();
  // After the controllers have started: Pods that are remembered but no longer declared.
  void wake_all();
  // Ends every process, declared or not, and waits for it: SIGKILL after `limit`. Nothing is written: the
  // Pods start again with the next instance. Call it when the controllers have stopped.
  void stop_everything(Duration limit);
  // Writes new tokens into the volumes of Pods whose tokens near their end. Any thread, every minute or so.
  void refresh_tokens(const core::Reader& objects);
  const PodRecords& records() const { return records_; }

 private:
  struct LivePod;
  using PodRef = std::shared_ptr<LivePod>;

  Result<core::Again> reconcile(core::World& world, const store::Key& key);
  Result<core::Again> reconcile_declared(core::World& world, const store::ObjectRef& object, const Json& pod,
                                         const PodSpec& spec);
  core::Again wind_down_orphan(core::World& world, const PodRef& live);
  Result<PodRef> take(core::World& world, const PodSpec& spec);
  void see(core::World& world, const PodRef& live, const Json& pod, const PodSpec& spec, Seen& seen);
  Life see_container(const PodRef& live, const PodSpec& spec, const Container& container, const Json& status);
  void prepare(core::World& world, const PodRef& live, const Json& pod, const PodSpec& spec, Seen& seen);
  Result<os::ProcessSpec> prepare_container(core::World& world, const PodRef& live, const Json& pod,
                                            const PodSpec& spec, const Container& container);
  Result<void> act(const PodRef& live, const PodSpec& spec, const Action& action);
  Result<void> start(const PodRef& live, const Container& container, const Action& action);
  Result<void> stop(const PodRef& live, const Container& container, Duration grace);
  void forget(const PodRef& live);
  Result<void> write_status(core::World& world, const PodRef& live, const store::ObjectRef& object,
                            const Json& pod, const PodSpec& spec, const Seen& seen, const Plan& plan);
  void note_doings(const PodRef& live, const PodSpec& spec, const Plan& plan);
  Ground ground_of(const PodRef& live) const;
  Result<void> check_isolation(core::World& world, const PodSpec& spec) const;
  PodRef find(std::string_view uid) const;
  std::vector<PodRef> find_named(const store::Key& key) const;

  AgentSettings settings_;
  PodRecords records_;
  os::Processes& processes_;
  std::shared_ptr<ProbeRunner> probes_;
  std::shared_ptr<os::Executor> executor_;
  std::string hidden_;

  struct Waker;
  std::shared_ptr<Waker> waker_;
  mutable std::mutex mutex_;  // guards pods_; a LivePod itself is only touched by its key's reconcile
  std::map<std::string, PodRef, std::less<>> pods_;
  uint32_t next_slot_ = 0;
};

}  // namespace mk::node

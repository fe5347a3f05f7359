// A World in which Pods run: the real agent on simulated processes and probes. For tests of everything that
// ends in Pods. Time moves only in run_for.
#pragma once
#include <stdlib.h>

#include <set>

#include "core/testing/world.h"
#include "node/agent.h"
#include "node/registration.h"
#include "os/files.h"

namespace mk::node::testing {

// Probes that say what the test says; unknown addresses answer yes.
class SaidProbes final : public ProbeRunner {
 public:
  void run(const Probe&, const Target& target, std::function<void(bool, std::string)> done) override {
    ++tries;
    const bool ok = !sick.contains(target.address) && !all_sick;
    done(ok, ok ? "" : "HTTP probe failed with statuscode: 503");
  }
  std::set<std::string> sick;  // addresses
  bool all_sick = false;
  int tries = 0;
};

class PodWorld {
 public:
  explicit PodWorld(core::testing::TestWorld::Options options = {})
      : world(options), processes(world.executor().clock()), probes(std::make_shared<SaidProbes>()) {
    char name[] = "/tmp/mk-pods-XXXXXX";
    folder_ = mkdtemp(name);
    executor_ = std::shared_ptr<os::Executor>(std::shared_ptr<void>(), &world.executor());
    open_agent();
    // The agent may be replaced while the world runs.
    core::Controller controller = agent_->controller();
    controller.reconcile = [this](core::World& w, const store::Key& key) {
      return agent_->controller().reconcile(w, key);
    };
    for (auto& related : controller.related)
      related.map = [this](const core::Reader& reader, const store::Object& object) {
        return agent_->controller().related[0].map(reader, object);
      };
    world.add(std::move(controller));
    world.add(registration(machine(), "test"));
  }
  ~PodWorld() {
    agent_.reset();
    (void)os::remove_all(folder_);
  }

  static Machine machine() {
    return {.host_name = "n1",
            .cpus = 4,
            .memory_kib = 8 << 20,
            .disk_bytes = 1 << 30,
            .kernel = "6",
            .os_image = "x"};
  }
  // Starts everything; call it after all controllers are added.
  void begin() {
    world.run_for(Duration::from_ms(1));
    world.host().wake("node", node_key(machine()));
    world.run_for(Duration::from_ms(100));
  }
  // As a kill -9 of modelkit and a new start: the processes go on.
  void restart() {
    agent_.reset();
    open_agent();
    world.restart();
    world.run_for(Duration::from_ms(1));
    agent_->wake_all();
    world.host().wake("node", node_key(machine()));
  }
  std::string run_folder(std::string_view pod, std::string_view container = "main", int life = 0) const {
    return agent_->records().run_folder(world.get("pods", pod).at({"metadata", "uid"}).text(), container,
                                        life);
  }
  std::string phase(std::string_view pod) const {
    return std::string(world.get("pods", pod).at({"status", "phase"}).text());
  }
  // "waiting CrashLoopBackOff", "running", "terminated Completed"
  std::string state(std::string_view pod, size_t container = 0) const {
    const Json object = world.get("pods", pod);
    for (const auto& [name, value] : object.at({"status", "containerStatuses"})[container]["state"].members())
      return value["reason"].text().empty() ? name : name + " " + std::string(value["reason"].text());
    return {};
  }
  bool ready(std::string_view pod) const {
    const Json object = world.get("pods", pod);
    for (const Json& condition : object.at({"status", "conditions"}).items())
      if (condition["type"].text() == "Ready") return condition["status"].text() == "True";
    return false;
  }

  core::testing::TestWorld world;
  os::SimulatedProcesses processes;
  std::shared_ptr<SaidProbes> probes;
  std::string not_isolated;  // of the agent, from the next restart on

 private:
  void open_agent() {
    AgentSettings settings;
    settings.node_name = "n1";
    settings.data = folder_;
    settings.self = "/usr/bin/true";
    settings.not_isolated = not_isolated;
    agent_ = std::make_unique<Agent>(settings, PodRecords(folder_ + "/pods"), processes, probes, executor_);
    if (!agent_->adopt([this](const store::Key& key) { world.host().wake(Agent::kControllerName, key); }))
      abort();
  }

  std::string folder_;
  std::shared_ptr<os::Executor> executor_;
  std::unique_ptr<Agent> agent_;
};

// A mapped image and a Pod that runs it on this world's node.
inline constexpr std::string_view kImage =
    "{apiVersion: modelkit.dev/v1, kind: Image, metadata: {name: any}, spec: {name: '*', environment: {name: "
    "machine}}}";

}  // namespace mk::node::testing

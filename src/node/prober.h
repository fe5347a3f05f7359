// Runs the probes of one container's life and keeps what they say.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "node/pod_spec.h"
#include "node/probe_plan.h"
#include "os/executor.h"

namespace mk::node {

// Makes one try. Real: probe_runner.h.
class ProbeRunner {
 public:
  struct Target {
    std::string address;     // of the Pod
    std::string run_folder;  // of the life, for exec probes
  };
  virtual ~ProbeRunner() = default;
  // `done` is called once, on any thread, at the latest shortly after the probe's timeout.
  virtual void run(const Probe& probe, const Target& target,
                   std::function<void(bool ok, std::string message)> done) = 0;
};

// From the start of a life to its end; dropping it ends the probing. Thread-safe.
class Health : public std::enable_shared_from_this<Health> {
 public:
  struct Failure {
    std::string_view probe;  // "Readiness", "Liveness", "Startup"
    std::string message;
  };
  // Shares runner and executor, so that a probe's late answer still finds them when the node is being closed.
  Health(const Container& container, ProbeRunner::Target target, std::shared_ptr<ProbeRunner> runner,
         std::shared_ptr<os::Executor> executor, std::function<void()> changed);
  // `started` and `ready`: what was known of an adopted life; it holds until a probe says otherwise.
  void begin(bool started = false, bool ready = false);
  bool started() const;
  bool ready() const;
  bool unhealthy() const;
  std::string_view blame() const;        // which probe gave up
  std::vector<Failure> take_failures();  // counted ones since the last call, bounded

 private:
  enum Which : size_t { kStartup, kLiveness, kReadiness };
  struct Track {
    Probe probe;
    ProbeState state;
  };
  void schedule(Which which, Duration wait);
  void attempt(Which which);
  void finish(Which which, bool ok, std::string message);
  void begin_after_startup();

  mutable std::mutex mutex_;
  Track tracks_[3];
  ProbeRunner::Target target_;
  std::shared_ptr<ProbeRunner> runner_;
  std::shared_ptr<os::Executor> executor_;
  std::function<void()> changed_;
  std::vector<Failure> failures_;
};

}  // namespace mk::node

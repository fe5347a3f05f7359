// What `kubectl top` reads: CPU and memory of the containers that run here, and of the machine. Nothing is
// measured while nobody asks: a figure is the mean since somebody asked before, or, the first time, since the
// container started.
#pragma once
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/ports.h"
#include "node/pod_records.h"
#include "os/clock.h"
#include "os/usage.h"

namespace mk::node {

class PodUsage final : public core::UsageMeter {
 public:
  PodUsage(std::string node_name, const PodRecords& records, const os::Clock& clock);
  std::map<store::Key, std::map<std::string, Amount>> pods(
      const std::vector<store::ObjectRef>& pods) override;
  Amount machine() override;
  std::string node_name() const override { return node_name_; }

  // One figure from two readings. Pure. `before` is replaced when it is old enough, so that those who ask
  // again and again all get a mean over some seconds.
  struct Reading {
    Duration at, cpu;  // `at`: monotonic
  };
  static Amount amount(Reading& before, const Reading& now, uint64_t memory_bytes);

 private:
  const std::string node_name_;
  const PodRecords& records_;
  const os::Clock& clock_;
  std::mutex mutex_;                       // guards the rest
  std::map<std::string, Reading> before_;  // by run folder
  Reading machine_before_;
};

}  // namespace mk::node

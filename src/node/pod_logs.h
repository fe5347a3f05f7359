// What `kubectl logs` reads: the shims' log files, over their rotation, while they grow.
#pragma once
#include <functional>
#include <string>

#include "core/controller.h"
#include "core/ports.h"
#include "node/pod_records.h"

namespace mk::node {

class PodLogs final : public core::PodIo {
 public:
  PodLogs(const core::Reader& objects, const PodRecords& records, const os::Clock& clock)
      : objects_(objects), records_(records), clock_(clock) {}
  Result<void> logs(const store::Key& pod, const LogOptions& options,
                    const std::function<bool(std::string_view)>& sink,
                    const std::function<bool()>& stopped) override;

 private:
  const core::Reader& objects_;
  const PodRecords& records_;
  const os::Clock& clock_;
};

// Of one run folder. `sink` gets whole lines; see PodIo::LogOptions. A folder without a log gives nothing.
Result<void> read_run_log(const std::string& folder, const core::PodIo::LogOptions& options, Time now,
                          const std::function<bool(std::string_view)>& sink,
                          const std::function<bool()>& stopped);

// The last lines of a run, at most `bytes_max` bytes of text.
std::string log_tail(const std::string& folder, size_t lines_max, size_t bytes_max);

}  // namespace mk::node

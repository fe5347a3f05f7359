// GET pods/NAME/log: text, followed as long as the client stays. A reader blocks a thread of a pool of its
// own, which exists from the first request on; when all are taken the next client is told so.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>

#include "api/kubernetes/target.h"
#include "api/route.h"
#include "core/objects.h"
#include "core/ports.h"
#include "os/executor.h"

namespace mk::api::kubernetes {

class PodLogs {
 public:
  PodLogs(core::Objects& objects, core::PodIo* pods);
  ~PodLogs();
  void stop();  // ends what is followed
  // Called on an I/O thread.
  void answer(const Target& target, const Place& place, const net::Request& request, const Caller& caller, net::Reply reply);

 private:
  struct State;
  core::Objects& objects_;
  core::PodIo* pods_;
  std::shared_ptr<State> state_;
  std::mutex mutex_;
  std::unique_ptr<os::Executor> pool_;
};

// container, follow, previous, timestamps, tailLines, sinceSeconds, sinceTime, limitBytes.
Result<core::PodIo::LogOptions> parse_log_query(const net::Query& query, const Json& pod, Time now);

}  // namespace mk::api::kubernetes

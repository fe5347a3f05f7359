// One Pod of this machine as the agent holds it in memory. Its key's reconcile owns it: a key never runs
// twice at a time.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/agent.h"

namespace mk::node {

struct Agent::LivePod {
  struct Program {
    int life = -1;                       // that the rest is about
    std::optional<Duration> stop_grace;  // asked to stop, with this much time
    bool told_backoff = false;
    std::shared_ptr<Health> health;
    std::optional<os::ProcessSpec> next;  // ready to start the life after
    std::string told_waiting;             // what the last event said is missing
    std::string refused;                  // why the last start could not even be tried
    Duration refused_until;               // monotonic: then it is tried again
  };
  struct Note {
    std::string_view type, reason;
    std::string message;
  };

  PodRecord record;
  bool seen_declared = false;             // by this instance
  std::optional<Duration> missing_since;  // monotonic: an adopted Pod that is not declared
  std::optional<Volumes> volumes;
  std::map<std::string, Program, std::less<>> programs;
  std::vector<Note> notes;  // events to write after the status

  store::Key key() const { return {"pods", record.space, record.name}; }
  void note(std::string_view type, std::string_view reason, std::string message) {
    notes.push_back({type, reason, std::move(message)});
  }
};

// What callbacks on other threads call; lives as long as one of them holds it.
struct Agent::Waker {
  std::mutex mutex;
  std::function<void(const store::Key&)> wake;
  void operator()(const store::Key& key) {
    std::lock_guard lock(mutex);
    if (wake) wake(key);
  }
};

}  // namespace mk::node

// Tells people what happened to an object, as Kubernetes Events: the same thing again counts up instead of
// making a new one, and many different messages of one reason are combined. Writing is in the background:
// recording never blocks and never fails the caller. Thread-safe.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "core/objects.h"

namespace mk::core {

class EventRecorder {
 public:
  // `component` is the reporter that people see ("modelkit").
  EventRecorder(Objects& objects, std::string component);
  ~EventRecorder();
  void record(const store::Object& about, std::string_view type, std::string_view reason,
              std::string_view message);

 private:
  struct State;
  std::shared_ptr<State> state_;  // outlives us while the store still completes writes
};

}  // namespace mk::core

// Bounds what piles up: Events and finished Pods, by age and number per namespace. See limits.h.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "core/objects.h"
#include "os/executor.h"

namespace mk::core {

// Pure: which of `entries` to remove so that none is older than `age_max` and no namespace has more than
// `number_max`.
struct Aged {
  Key key;
  Time time;
};
std::vector<Key> too_many(std::vector<Aged> entries, Time now, Duration age_max, size_t number_max);

// Sweeps on the executor every kRetentionPeriod until destroyed.
class Retention {
 public:
  Retention(Objects& objects, os::Executor& executor);
  ~Retention();
  void start();
  void sweep();  // once, now, on this thread

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mk::core

#include "os/clock.h"

#include <time.h>

namespace mk::os {
namespace {

int64_t read(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

class SystemClock final : public Clock {
 public:
  Time now() const override { return {read(CLOCK_REALTIME)}; }
  Duration monotonic() const override { return {read(CLOCK_MONOTONIC)}; }
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace mk::os

// The only source of the current time. Real: the system's clocks. Simulated: moved by hand.
#pragma once
#include "base/time.h"

namespace mk::os {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;              // wall clock
  virtual Duration monotonic() const = 0;    // since an arbitrary start; never goes back
};

// Thread-safe; lives for the whole process.
const Clock& system_clock();

class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(Time start = Time::from_ms(1'700'000'000'000)) : now_(start) {}
  Time now() const override { return now_ + set_by_; }
  Duration monotonic() const override { return {now_.nanoseconds}; }
  void advance(Duration d) { now_ = now_ + d; }
  void jump(Duration d) { set_by_ = set_by_ + d; }  // somebody sets the wall clock; may be negative

 private:
  Time now_;
  Duration set_by_;
};

}  // namespace mk::os

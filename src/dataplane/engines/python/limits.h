// Bounds of the Python workers.
#pragma once
#include "base/time.h"

namespace mk::dataplane::python {

inline constexpr int kProcessesMax = 64;         // of one model
inline constexpr int kProcessesUnasked = 4;      // unless more are asked for: each holds the model in memory
inline constexpr Duration kWatchPeriod = Duration::from_ms(500);  // an idle worker's end is noticed within
inline constexpr Duration kPauseFirst = Duration::from_ms(500);   // before a worker that answered nothing starts again
inline constexpr Duration kPauseMax = Duration::from_seconds(30);
inline constexpr Duration kAnswerDeadline = Duration::from_seconds(60);  // of requests without one

}  // namespace mk::dataplane::python

#pragma once
#include <cstddef>

#include "base/time.h"

namespace mk::scheduling {

inline constexpr Duration kLookAgain =
    Duration::from_seconds(30);                // at a Pod that fits nowhere, should nothing wake it
inline constexpr size_t kAssumedMax = 10'000;  // bindings that the reader has not shown yet

}  // namespace mk::scheduling

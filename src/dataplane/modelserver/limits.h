// Every bound of the model server, by name.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace mk::dataplane {

inline constexpr uint64_t kInferBodyBytesMax = 64u << 20;     // one request
inline constexpr uint64_t kOtherBodyBytesMax = 64u << 10;     // of requests that need no body
inline constexpr size_t kConnectionsMax = 1024;
inline constexpr size_t kWaitingMax = 1024;                   // requests parsed and not yet running
inline constexpr size_t kWaitingBytesMax = 512u << 20;        // of their tensors
inline constexpr size_t kModelFileBytesMax = 1u << 20;        // MLmodel
inline constexpr Duration kQuickRun = Duration::from_ms(1);       // such models run on the I/O thread itself
inline constexpr int64_t kQuickThreadsMax = 4;                    // of one run of them, unless told otherwise
inline constexpr Duration kThreadsPay = {40'000};     // a shorter run is not worth dividing
inline constexpr Duration kThreadsAwake = {80'000};  // until the next request; longer keeps clients from the processor
inline constexpr Duration kDrainDeadline = Duration::from_seconds(20);

}  // namespace mk::dataplane

// Every bound of the node, by name.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/time.h"

namespace mk::node {

// A namespace with this label = "allow" may run Pods as modelkit's own user where they can have none of their own.
inline constexpr std::string_view kShareOwner = "modelkit.dev/pods-as-owner";

inline constexpr int64_t kPodsMax = 250;                              // capacity.pods of the Node object
inline constexpr Duration kBackoffFirst = Duration::from_seconds(1);  // doubles with each crash in a row
inline constexpr Duration kBackoffMax = Duration::from_seconds(300);
inline constexpr Duration kBackoffForgiven =
    Duration::from_seconds(600);                                // after a life that long: from the start
inline constexpr Duration kProbeFirst = Duration::from_ms(20);  // until the first success probes come
inline constexpr int64_t kProbeFirstFactor = 2;                 // quickly, then at their own period
inline constexpr Duration kStartRetry = Duration::from_seconds(10);  // of a start that could not even be tried
inline constexpr size_t kThreads = 2;                           // that wait for probes
inline constexpr size_t kProbeBodyMax = 10u << 10;
inline constexpr Duration kHeartbeat = Duration::from_seconds(10);
inline constexpr int kLeaseSeconds = 40;
inline constexpr Duration kOrphanPatience = Duration::from_seconds(2);  // an adopted Pod that nobody declares
inline constexpr Duration kStopPatience = Duration::from_seconds(2);    // beyond the grace, when all must end
inline constexpr uint64_t kLogFileBytes = 10u << 20;
inline constexpr uint64_t kLogFiles = 5;
inline constexpr size_t kTerminationMessageMax = 2048;
inline constexpr size_t kTerminationMessageLines = 80;
inline constexpr uint64_t kOpenFilesMax = 16'384;
inline constexpr uint64_t kTasksMax = 4'096;  // processes and threads of one Pod's uid
inline constexpr size_t kVolumeFilesMax = 4'096;
inline constexpr size_t kVolumeBytesMax = 16u << 20;  // of one projected volume
inline constexpr uint32_t kSlots = 65'536;            // addresses and uids of one data folder, at most
inline constexpr uint32_t kSlotBlocks = 63;           // 127.64.0.0 .. 127.126.255.255

inline constexpr Duration kUsageWindow = Duration::from_seconds(10);  // over which use is averaged, at least when it is asked for again
inline constexpr Duration kUsageKept = Duration::from_seconds(600);   // how long what was read of a run is remembered

constexpr Duration kTokenPeriod = Duration::from_seconds(30);  // between looks at the age of Pods' tokens

}  // namespace mk::node

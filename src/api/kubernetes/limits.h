// Every bound of the Kubernetes door, by name.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/json.h"
#include "base/time.h"

namespace mk::api::kubernetes {

inline constexpr uint64_t kBodyBytesMax = 3u << 20;  // as kube-apiserver's
inline constexpr ParseLimits kBodyLimits{.bytes_max = kBodyBytesMax, .depth_max = 64, .nodes_max = 200'000};
inline constexpr size_t kPatchOperationsMax = 10'000;
inline constexpr size_t kPatchCopiedBytesMax = 3u << 20;  // what "copy" operations may add together
inline constexpr size_t kMergedItemsMax =
    5'000;  // of one list that a strategic patch merges; the work is quadratic
// Body and stored object together; a larger write is read, checked and printed on a worker.
inline constexpr size_t kWriteOnIoBytesMax = 64u << 10;
inline constexpr size_t kWaitingWritesMax = 1'024;  // for a worker
inline constexpr size_t kRemovedAtOnceMax = 256;    // of a collection: one commit or two
inline constexpr size_t kManagerBytesMax = 128;     // of fieldManager, as kube-apiserver
inline constexpr size_t kSelectorBytesMax = 8u << 10;
inline constexpr size_t kAcceptBytesMax = 2u << 10;
inline constexpr size_t kProtobufDepthMax = 64;
inline constexpr size_t kJsonPathStepsMax = 32;
inline constexpr size_t kWarningBytesMax = 4u << 10;  // of all Warning headers of one reply
inline constexpr size_t kWarningsMax = 32;

inline constexpr size_t kListObjectsOnIoMax = 100;       // longer lists are written by a worker, bit by bit
inline constexpr size_t kListWriteBytes = 128u << 10;    // handed to the connection in one piece
inline constexpr size_t kListQueuedBytesMax = 1u << 20;  // waiting for one client; then writing pauses

inline constexpr size_t kWatchersMax = 2'000;
inline constexpr size_t kWatchEventsAtOnce = 256;
inline constexpr size_t kWatchInitialObjectsAtOnce = 1'000;
inline constexpr size_t kWatchQueuedBytesMax = 1u << 20;  // waiting for one client; then its pumping pauses
inline constexpr size_t kWatchWriteBytes = 256u << 10;    // handed to the connection in one piece
inline constexpr size_t kWatchCrowd = 64;                 // from so many woken watches on, turns pause
inline constexpr Duration kWatchRoundPause = Duration::from_ms(4);
inline constexpr size_t kEventLinesKept = 256;           // printed events, shared by watchers
inline constexpr size_t kEventLineBytesMax = 64u << 10;  // longer ones are printed for each
inline constexpr Duration kBookmarkEvery = Duration::from_seconds(60);
inline constexpr Duration kWatchTimeoutDefault = Duration::from_seconds(1800);
inline constexpr int64_t kWatchTimeoutSecondsMax = 24 * 3600;

inline constexpr size_t kLogReadersMax = 64;            // followed and running log requests
inline constexpr size_t kLogQueuedBytesMax = 1u << 20;  // waiting for one slow reader; then reading pauses

}  // namespace mk::api::kubernetes

// Bounds of the store.
#pragma once
#include <cstddef>
#include <cstdint>

namespace mk::store {

constexpr size_t kBatchTxnsMax = 1024;       // transactions in one commit
constexpr size_t kBatchBytesMax = 4u << 20;  // their objects and segments together (one may be larger)
constexpr size_t kPendingTxnsMax = 20'000;   // submitted and not yet taken up; beyond it submit refuses
constexpr size_t kPendingBytesMax = 64u << 20;
constexpr size_t kObjectBytesMax = 3u << 20;    // one serialised object
constexpr size_t kSegmentBytesMax = 16u << 20;  // one segment
constexpr size_t kStatementsMax = 128;          // prepared statements kept by a connection

// The log is moved into the database file from kWalBytesGoal on, beside the writer; what is left when it is
// at most kWalBytesTail, the writer moves itself. At kWalBytesMax readers are held back and the writer waits
// until the log is empty again. The reserve must hold a whole log: moving a log on a full disk grows the
// database while the log still stands.
constexpr int64_t kWalBytesGoal = 4 << 20;
constexpr int64_t kWalBytesTail = 256 << 10;
constexpr int64_t kWalBytesMax = 8 << 20;
constexpr int64_t kReserveBytes = 16 << 20;
inline constexpr int64_t kReserveSpareBytes = 2 << 20;  // left free beside a reserve that is made
static_assert(kReserveBytes >= kWalBytesMax + static_cast<int64_t>(kBatchBytesMax));

constexpr int kWriterCacheKib = 4096;    // SQLite page cache, filled on demand
constexpr int kReaderCacheKib = 2048;    // each
constexpr int kCheckpointCacheKib = 64;  // pages go from file to file

// Pages of 4 KiB that nothing uses are given back to the file system, a step at a time while nobody writes,
// down to the larger of kSparePagesMin and an eighth of the file: those are used again soon.
constexpr int64_t kSparePagesMin = 256;
constexpr int64_t kSpareFraction = 8;
constexpr int64_t kVacuumStepPages = 128;

}  // namespace mk::store

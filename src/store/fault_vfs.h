// An SQLite file layer for tests: fails on demand, or keeps what is not synced out of the file, as a machine
// that loses power does. Registered once per process under kFaultVfs; what it does is set by fault_plan().
#pragma once
#include <atomic>
#include <cstdint>

namespace mk::store {

inline constexpr const char* kFaultVfs = "fault";

struct FaultPlan {
  // Counts down on every write or sync of the log; at zero, and from then on, it fails. Negative: never.
  std::atomic<int> writes_left = -1, syncs_left = -1;
  std::atomic<bool> as_disk_full = false;  // writes fail with SQLITE_FULL, else SQLITE_IOERR
  // Bytes reach the file only when synced. One block in `leak_one_in` gets there at once all the same (0:
  // none), in an order drawn from `seed`: power may be lost in the middle of a write-back. Set before the
  // first file is opened.
  std::atomic<bool> lose_unsynced = false;
  std::atomic<uint32_t> leak_one_in = 0;
  std::atomic<uint64_t> seed = 1;
  std::atomic<bool> ignore_syncs = false;  // a disk that lies: shows that the test would notice

  void reset();
};
FaultPlan& fault_plan();
void register_fault_vfs();

}  // namespace mk::store

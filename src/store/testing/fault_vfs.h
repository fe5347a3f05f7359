// An SQLite file layer for tests: fails on demand, or keeps what is not synced out of the file, as a machine
// that loses power does. Registered once per process under kFaultVfs; what it does is set by fault_plan().
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>

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
  // The machine goes down: counts down on every step: write, sync and truncation of any file; at zero, and from
  // then on, nothing reaches the disk and everything fails. Negative: never. `on_crash` is called at that
  // moment.
  std::atomic<int> steps_left = -1;
  std::function<void()> on_crash;
  bool crashed() const { return steps_left == 0; }
  // A step: true when the machine is down, or goes down now. For what else than files should not outlast it.
  bool step();

  void reset();
};
FaultPlan& fault_plan();
// The kernel writes everything back after all: what a killed process leaves, when the machine goes on.
void write_back_all();
void register_fault_vfs();

}  // namespace mk::store

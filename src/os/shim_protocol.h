// What modelkit and modelkit-shim agree on: the files of a run folder and the words on its socket.
//
// One folder a run (one life of one container). Every file is text, "key value" a line, first line "NAME
// VERSION"; unknown keys are skipped, so both sides may grow. `\n` and `\\` in values are escaped with a
// backslash.
//   spec   written before the start: what to run
//   lock   flock'ed by the shim for as long as it lives; whoever holds it decides the run's fate
//   state  written when the process runs: boot, pids and their start times
//   exit   written durably at the end; a run with an exit file is never started again
//   log    CRI lines "TIME STREAM F|P text"; log.1 is the newest of the rotated ones
//   sock   requests "status", "signal N", "stop GRACE_MS", "kept", one a line; replies "ok key=value ..." or "error
//   text"; with the one to "kept" comes the descriptor KEPT_FD, if it has one
//
// modelkit-shim FOLDER READY_FD [USER_NAMESPACE_FD [KEPT_FD]] (-1 = none): it writes "PID ok\n" or "PID error TEXT\n" to READY_FD once the process
// runs or cannot, and closes it. PID is the shim's, and the caller's child; the process that the caller has started may
// have been another, which has ended then. Its errands are in shim/errand.h.
#pragma once
#include <cstddef>
#include <cstdint>

namespace mk::os::shim {

inline constexpr char kSpecHeader[] = "modelkit-shim-spec 1";
inline constexpr char kStateHeader[] = "modelkit-shim-state 1";
inline constexpr char kExitHeader[] = "modelkit-shim-exit 1";
inline constexpr int kProtocolVersion = 1;

inline constexpr char kSpecFile[] = "spec";
inline constexpr char kLockFile[] = "lock";
inline constexpr char kStateFile[] = "state";
inline constexpr char kExitFile[] = "exit";
inline constexpr char kLogFile[] = "log";
inline constexpr char kSocketFile[] = "sock";

inline constexpr size_t kSpecBytesMax = 4u << 20;
inline constexpr size_t kLogPartBytes = 16u << 10;       // a longer line is written in parts, as CRI does
inline constexpr uint64_t kLogBytesDefault = 10u << 20;  // of one log file
inline constexpr uint64_t kLogFilesDefault = 5;
inline constexpr uint64_t kLogFilesMax = 20;

}  // namespace mk::os::shim

#pragma once
#include <cstdint>

namespace mk::workloads {

inline constexpr int64_t kReplicasMax = 1'000;  // of one ReplicaSet; more is refused by doing no more
inline constexpr int kWritesPerPass = 100;      // Pods made or removed for one ReplicaSet in one go

}  // namespace mk::workloads

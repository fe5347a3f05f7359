// Bounds of the routing snapshot.
#pragma once
#include <cstddef>

namespace mk::routing {

constexpr size_t kSnapshotBytesMax = 64u << 20;
constexpr size_t kSnapshotNodesMax = 4'000'000;
constexpr size_t kTakenBytesMax = 1u << 20;
constexpr int kWeightMax = 1'000'000;  // keeps sums of weights far from overflow

}  // namespace mk::routing

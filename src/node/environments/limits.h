// Every bound of building Python environments, by name.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace mk::node {

inline constexpr size_t kRequirementsBytesMax = 256u << 10;
inline constexpr size_t kRequirementsMax = 500;                      // lines
inline constexpr Duration kBuildDeadline = Duration::from_seconds(1800);
inline constexpr uint64_t kBuildProcessesMax = 512;                  // and threads
inline constexpr size_t kBuildLinesKept = 20;                        // of output, for the failure's sentence
inline constexpr size_t kEnvironmentsKept = 20;                      // the least recently used beyond them go
inline constexpr Duration kRetryFirst = Duration::from_seconds(30);  // after a failed build
inline constexpr Duration kRetryMax = Duration::from_seconds(1800);
inline constexpr size_t kModelsRemembered = 4096;

}  // namespace mk::node

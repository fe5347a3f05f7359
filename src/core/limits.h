// Every bound of core, by name.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace mk::core::limits {

inline constexpr int kModifyAttempts = 16;  // read-change-write rounds before kConflict is the answer
inline constexpr int kGenerateNameAttempts = 8;
inline constexpr size_t kAnnotationsBytesMax = 256 * 1024;  // as Kubernetes
inline constexpr size_t kObjectBytesMax = 1536 * 1024;      // as etcd's request limit
inline constexpr size_t kCausesMax = 100;                   // bad fields listed of one object
inline constexpr size_t kSelectorRequirementsMax = 100;

}  // namespace mk::core::limits

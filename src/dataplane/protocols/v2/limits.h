// Every bound of the V2 protocol, by name.
#pragma once
#include <cstddef>

namespace mk::dataplane::v2 {

inline constexpr size_t kNestingMax = 20;        // of brackets in "data": more than kRankMax is never meant
inline constexpr size_t kTensorsMax = 1024;      // inputs or outputs named in one request
inline constexpr size_t kNameBytesMax = 1024;    // of a tensor or an id
inline constexpr size_t kParserBytesKept = 8u << 20;  // a thread's parser gives memory above this back

}  // namespace mk::dataplane::v2

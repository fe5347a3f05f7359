// Bounds of artifacts, and the one name that is ours.
#pragma once
#include <cstddef>

namespace mk::blob {

constexpr size_t kPathBytesMax = 2048;
constexpr size_t kNameBytesMax = 255;  // of one part; Linux allows no more
constexpr size_t kPathPartsMax = 64;
constexpr size_t kEntriesMax = 100'000;  // of one folder that is listed
constexpr int kRemoveDepthMax = 256;     // folders in folders; deeper ones were not made by us

// In the root: uploads being written, removals being carried out, files held for a backup.
constexpr const char* kTransit = ".modelkit-transit";

}  // namespace mk::blob

// Kinds that come and go while we run. Few and rare: each change makes a new snapshot of all kinds.
// Thread-safe.
#pragma once
#include "base/time.h"
#include "kinds/kind.h"

namespace mk::kinds {

// How long a kind that was replaced or removed stays where calls that still use it find it.
inline constexpr Duration kReplacedKindKept = Duration::from_seconds(60);

// Adds a kind, or replaces the one of its resource. `now` is monotonic.
void install(Kind kind, Duration now);
void uninstall(std::string_view resource, Duration now);

// The kinds that the program brings.
const Kinds& built_in();

}  // namespace mk::kinds

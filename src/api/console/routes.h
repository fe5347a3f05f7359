// The console: one page and its two assets, embedded in the binary. Pages are chosen in the browser by the path.
#pragma once
#include <vector>

#include "api/route.h"

namespace mk::api::console {

std::vector<Route> routes();  // "/", "/ui/...", "/assets/..."

}  // namespace mk::api::console

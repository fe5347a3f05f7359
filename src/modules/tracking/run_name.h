// Names for runs that come without one: "calm-heron-417".
#pragma once
#include <string>

#include "os/random.h"

namespace mk::tracking {

std::string random_run_name(os::Random& random);

}  // namespace mk::tracking

// What must be true once faults have stopped and time has passed.
#pragma once
#include "world.h"

namespace mk::sim {

void check_convergence(World& world);

}  // namespace mk::sim

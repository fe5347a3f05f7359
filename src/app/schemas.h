#pragma once
#include <vector>

#include "store/store.h"

namespace mk::app {

// The tables of every module, in the order in which they are made.
std::vector<store::Schema> schemas();

}  // namespace mk::app

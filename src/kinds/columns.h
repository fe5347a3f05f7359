// What the columns of a kind print for one object, as a Kubernetes server computes them.
#pragma once
#include "base/json.h"
#include "base/time.h"
#include "kinds/kind.h"

namespace mk::kinds {

// A string, integer, boolean, or null for an empty cell. `now` turns times into ages.
Json cell(const Column& column, const Json& object, Time now);

}  // namespace mk::kinds

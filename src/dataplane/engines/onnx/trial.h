// Finds out by trial whether requests may share one run of a model.
#pragma once
#include <cstdint>
#include <optional>

#include "base/time.h"
#include "dataplane/engines/engine.h"

namespace mk::dataplane::onnx {

// True when every input and output grows along a free first dimension, and two rows computed together give what they
// give alone. A first dimension need not be a batch: in a sequence model it is time, and joining two clients'
// sequences would mix them. So the model itself is asked, with seeded values; it is its warm-up as well.
bool rows_are_independent(Engine& engine);

// The fastest of a few runs with one row, or of 30 ms of them until one is as fast as `wanted`: threads that share a
// processor at first are parted by the scheduler within some ms. Nothing when the model cannot be tried with made-up values.
std::optional<Duration> time_one_row(Engine& engine, Duration wanted = Duration{INT64_MAX});

}  // namespace mk::dataplane::onnx

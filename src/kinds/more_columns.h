// Computed columns of the kinds that hold workloads, volumes, quotas and networks; see columns.cc.
#pragma once
#include <span>
#include <string_view>

#include "base/json.h"
#include "base/time.h"

namespace mk::kinds {

struct ComputedColumn {
  std::string_view name;
  Json (*of)(const Json& object, Time now);
};

std::span<const ComputedColumn> more_columns();

}  // namespace mk::kinds

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
  // The same from the object's printed text, for what many rows ask of large objects. May be null.
  Json (*of_text)(std::string_view object) = nullptr;
};

std::span<const ComputedColumn> more_columns();

}  // namespace mk::kinds

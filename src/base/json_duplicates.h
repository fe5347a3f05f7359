// JSON in which a key may come twice, for protocols that tolerate it. Apart from json.h, which almost every
// file sees.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace mk {

// As Json::parse, but the last of equal keys counts; the path of each ("spec.items[0].name") is appended, up
// to a bound.
Result<Json> parse_with_duplicates(std::string_view text, const ParseLimits& limits,
                                   std::vector<std::string>& duplicates);

}  // namespace mk

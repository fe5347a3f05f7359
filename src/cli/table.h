// Prints aligned columns, two spaces apart, as kubectl does.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace mk::cli {

std::string align(const std::vector<std::vector<std::string>>& rows);

// A meta.k8s.io/v1 Table as text; wide columns (priority > 0) only when asked for.
std::string print_table(const Json& table, bool wide, bool with_namespace);

}  // namespace mk::cli

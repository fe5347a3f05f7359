// The kinds' schemas as OpenAPI v3, one document for each group and version. Pure; runs when the program is
// built (for its own kinds) and in it (for kinds that users bring).
#pragma once
#include <string>
#include <string_view>

#include "base/json.h"
#include "kinds/kind.h"

namespace mk::api::kubernetes {

// "api/v1", "apis/apps/v1": where a document stands beneath /openapi/v3.
std::string openapi_path(std::string_view group, std::string_view version);
Json openapi_v3(const kinds::Kinds& kinds, std::string_view group, std::string_view version);

}  // namespace mk::api::kubernetes

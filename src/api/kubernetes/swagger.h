// OpenAPI v2, which kubectl before 1.27 and some Python tools read, made from the v3 documents: as JSON, and
// as the protobuf that kubectl asks for (gnostic's openapi.v2.Document).
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace mk::api::kubernetes {

// One document of all groups and versions.
Json swagger(const std::vector<const Json*>& v3_documents);
std::string swagger_protobuf(const Json& swagger);

}  // namespace mk::api::kubernetes

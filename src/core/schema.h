// Structural schemas at work: what a kind's OpenAPI schema does to one object. Pure.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "core/objects.h"

namespace mk::core::schema {

// Removes fields that the schema does not know, naming each ("spec.foo"), and nulls, which mean "not given".
void prune(const Json& schema, Json& value, const std::string& path, std::vector<std::string>& unknown);
// Fills in defaults, and writes quantities given as numbers as text.
void fill_defaults(const Json& schema, Json& value);
// Appends everything that is wrong, up to a bound, in the order of the schema's fields.
void validate(const Json& schema, const Json& value, const std::string& path, std::vector<Cause>& causes);
// Fields marked x-modelkit-immutable must be equal.
void check_immutable(const Json& schema, const Json& old, const Json& value, const std::string& path,
                     std::vector<Cause>& causes);

// "spec" + "replicas" -> "spec.replicas".
std::string join(const std::string& path, std::string_view field);

}  // namespace mk::core::schema

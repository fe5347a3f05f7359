// Structural schemas at work: what a kind's OpenAPI schema does to one object. Pure.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "core/objects.h"

namespace mk::core::schema {

// Whose schema it is. Built-in kinds treat an empty string as not given, as Go's types do.
enum class Dialect : uint8_t { kBuiltIn, kCustom };

// Removes fields that the schema does not know, naming each ("spec.foo"), and nulls, which mean "not given"
// unless the schema says otherwise. kBuiltIn (of a kind that is_typed()) removes empty lists and maps, too,
// unless they are required: Go's types do not write them.
void prune(const Json& schema, Json& value, const std::string& path, std::vector<std::string>& unknown,
           Dialect dialect = Dialect::kCustom);
// Fills in defaults, and writes quantities given as numbers as text.
void fill_defaults(const Json& schema, Json& value);
// Appends everything that is wrong, up to a bound, in the order of the schema's fields.
void validate(const Json& schema, const Json& value, const std::string& path, std::vector<Cause>& causes,
              Dialect dialect = Dialect::kBuiltIn);
// Fields marked x-modelkit-immutable must be equal.
void check_immutable(const Json& schema, const Json& old, const Json& value, const std::string& path,
                     std::vector<Cause>& causes);

// "spec" + "replicas" -> "spec.replicas".
std::string join(const std::string& path, std::string_view field);

}  // namespace mk::core::schema

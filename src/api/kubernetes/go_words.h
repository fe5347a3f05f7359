// What Kubernetes says of a body that it cannot read into its Go types. Those sentences come from Go's JSON
// decoder; people search for them and clients show them, so ours are the same. Pure.
#pragma once
#include <string>
#include <string_view>

#include "base/json.h"
#include "core/objects.h"
#include "kinds/kind.h"

namespace mk::api::kubernetes {

// "bool", "number", "string", "array", "object", "null".
std::string_view go_type_name(const Json& value);

// "unexpected end of JSON input". Empty where `text` is JSON by its form.
std::string json_problem(std::string_view text);

// Of the first thing that the types of `kind` cannot hold: 'json: cannot unmarshal string into Go struct
// field DeploymentSpec.spec.replicas of type int32'. Empty where they can hold everything.
std::string decode_problem(const kinds::Kind& kind, const std::vector<core::Cause>& causes);

// Of an object that is of another kind than its address takes, which is `wanted` of `api_version`.
std::string other_kind_problem(const Json& object, const kinds::Kind& wanted, std::string_view api_version);

// 'ConfigMap in version "v1" cannot be handled as a Secret: WHY'.
std::string not_handled(std::string_view kind, std::string_view version, const kinds::Kind& wanted,
                        std::string_view why);

// The beginning of a body, as far as it helps to know it again: its text or, where it is no object, its
// bytes.
std::string summary(std::string_view body);

}  // namespace mk::api::kubernetes

// How core words its refusals: as Kubernetes does, because people search for these sentences.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/objects.h"
#include "kinds/kind.h"

namespace mk::core {

std::unexpected<Refusal> refuse(Code code, std::string reason, std::string message);
std::unexpected<Refusal> refuse(Error error);
std::unexpected<Refusal> refuse_not_found(const kinds::Kind& kind, std::string_view name);
// Speaks of the namespace.
std::unexpected<Refusal> refuse_no_namespace(std::string_view space);
// A condition of a deletion does not hold. Speaks of the object by its kind, as upstream.
std::unexpected<Refusal> refuse_condition(const kinds::Kind& kind, std::string_view name,
                                          std::string_view why);
std::unexpected<Refusal> refuse_exists(const kinds::Kind& kind, std::string_view name);
std::unexpected<Refusal> refuse_conflict(const kinds::Kind& kind, std::string_view name,
                                         std::string_view why = {});
std::unexpected<Refusal> refuse_forbidden(const kinds::Kind& kind, std::string_view name,
                                          std::string_view why);
// 'Deployment.apps "web" is invalid: spec.replicas: Invalid value: ...'
std::unexpected<Refusal> refuse_invalid(const kinds::Kind& kind, std::string_view name,
                                        std::vector<Cause> causes);

// `value` as Kubernetes shows it after "Invalid value: ", cut when long.
std::string shown(const Json& value);
Cause cause_invalid(std::string field, const Json& value, std::string_view why);
Cause cause_required(std::string field, std::string_view why = {});
Cause cause_unsupported(std::string field, const Json& value, const std::vector<std::string>& supported);
Cause cause_forbidden(std::string field, std::string_view why);
Cause cause_duplicate(std::string field, const Json& value);
Cause cause_too_long(std::string field, size_t max_bytes);
Cause cause_wrong_type(std::string field, const Json& value, std::string_view wanted);

}  // namespace mk::core

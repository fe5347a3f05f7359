// What a CustomResourceDefinition says, as data. Pure.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "core/objects.h"
#include "kinds/kind.h"

namespace mk::core::definitions {

inline constexpr std::string_view kResource = "customresourcedefinitions.apiextensions.k8s.io";
inline constexpr std::string_view kCleanup = "customresourcecleanup.apiextensions.k8s.io";  // finalizer

// The kind that a definition describes; of one that passed check().
kinds::Kind kind_of(const Json& definition);

// Rules of admission, see core/rules.cc.
void complete(Json& definition, const Json* old);
void check(const Json& definition, const Json* old, std::vector<Cause>& causes);
void warn(const Json& definition, std::vector<std::string>& warnings);

// Everything that is wrong with one version's schema: it must be structural.
void check_schema(const Json& schema, const std::string& path, std::vector<Cause>& causes);
// Fields with rules in CEL, which are kept and not enforced: "spec.replicas".
std::vector<std::string> unenforced_rules(const Json& definition);

// ".spec.replicas" -> {"spec", "replicas"}; empty when it is no such path.
std::vector<std::string> field_path(std::string_view text);

}  // namespace mk::core::definitions

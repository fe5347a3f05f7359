// What no schema can say of the kinds of access: RBAC's roles and bindings, users and tokens. For the table in rules.cc.
// Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/objects.h"

namespace mk::core {

void complete_role_binding(Json& binding, const Json* old);
void check_role(const Json& role, const Json* old, std::vector<Cause>& causes);
void check_role_binding(const Json& binding, const Json* old, std::vector<Cause>& causes);
void check_user(const Json& user, const Json* old, std::vector<Cause>& causes);
void check_token(const Json& token, const Json* old, std::vector<Cause>& causes);

// Names of these kinds may hold what paths may: "system:discovery", "ada@example.com".
bool has_path_name(const kinds::Kind& kind);

}  // namespace mk::core

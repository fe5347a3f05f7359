// Nobody hands on more than they have: who writes a role needs its rules, who binds one needs them too, who deploys a model
// must be allowed to read it, who makes a token
// must be allowed to speak for its user.
#pragma once
#include "core/access/authoriser.h"
#include "core/objects.h"

namespace mk::core {

// `old` is null on create. Objects that give no rights always pass.
Admitted<void> check_escalation(const Authoriser& authoriser, const store::Store& store, const Identity& who,
                                const kinds::Kind& kind, const Json& object, const Json* old);

}  // namespace mk::core

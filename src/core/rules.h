// What no schema can say of a kind: defaults that depend on other fields, and rules between fields.
// One table of kinds in rules.cc; a kind without a row has none. Pure.
#pragma once
#include <vector>

#include "base/json.h"
#include "core/objects.h"

namespace mk::core::rules {

// Names, labels, annotations, finalizers and owner references of any kind. `old` is null on create.
void check_metadata(const kinds::Kind& kind, const Json& object, const Json* old, std::vector<Cause>& causes);
// Fills in what follows from other fields.
void complete(const kinds::Kind& kind, Json& object, const Json* old);
// What a new object's status and life cycle fields begin with; runs once, before admission.
void begin(const kinds::Kind& kind, Json& object);
void check(const kinds::Kind& kind, const Json& object, const Json* old, std::vector<Cause>& causes);

// What is not wrong, but should be known; of a dry run not what becomes of the object once it is kept.
void warn(const kinds::Kind& kind, const Json& object, bool dry_run, std::vector<std::string>& warnings);

}  // namespace mk::core::rules

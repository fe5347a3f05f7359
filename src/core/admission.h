// What every object passes on its way into the store, as one list of steps.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "core/objects.h"

namespace mk::core {

// One write on its way. Steps change `object`, add causes (the object is wrong) and warnings, or refuse
// outright.
struct Admission {
  enum class Verb : uint8_t { kCreate, kUpdate, kUpdateStatus };
  const kinds::Kind& kind;
  Verb verb;
  const WriteOptions& options;
  const Json* old;  // null on create
  Json& object;
  std::vector<Cause> causes = {};
  std::vector<std::string> warnings = {};
};

// Runs the chain; on success `admission.object` is what will be stored.
Admitted<void> admit(Admission& admission);

// What unknown fields mean: an error when the caller wants it so, else warnings or nothing.
Admitted<void> judge_unknown(const kinds::Kind& kind, const std::vector<std::string>& unknown,
                             const WriteOptions& options, std::vector<std::string>& warnings);

}  // namespace mk::core

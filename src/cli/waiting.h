// Waits for an object to become what is wanted, telling on stderr what is being waited for.
#pragma once
#include <functional>
#include <string>

#include "cli/connection.h"

namespace mk::cli {

// Reads the object at `path` again and again until `done` is true of it or `deadline` passes. `explain` gives the sentence
// that is shown while waiting (only when it changes).
Result<Json> wait_until(const Connection& connection, const std::string& path, const std::string& name,
                        const std::function<bool(const Json&)>& done,
                        const std::function<std::string(const Json&)>& explain, Duration deadline);

// Condition `type` of an object's status, or null.
const Json& condition_of(const Json& object, std::string_view type);

}  // namespace mk::cli

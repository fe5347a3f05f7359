// Making tokens: for the verbs token and kubeconfig.
#pragma once
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "cli/connection.h"

namespace mk::cli {

// "30d", "12h", "90m", or "never" for none.
Result<std::optional<Duration>> parse_life(std::string_view text);

// Registers a new token of a user with the server, which gets only its SHA-256, and returns the token.
Result<std::string> create_token(const Connection& connection, const std::string& user, std::optional<Duration> life,
                                 const std::string& description);

}  // namespace mk::cli

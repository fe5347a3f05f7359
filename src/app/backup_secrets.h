// The Secrets in a copied database are encrypted, and their keys are never in a backup: who restores brings
// them.
#pragma once
#include <set>
#include <string>

#include "base/error.h"

namespace mk::app {

struct SealedSecrets {
  size_t count = 0;
  std::set<std::string> keys;  // ids of those that they are encrypted with
};
Result<SealedSecrets> sealed_secrets(const std::string& database);

// Whether every Secret of `database` can be read with the keys in the file `keys`: kFailedPrecondition says
// which not.
Result<void> check_keys(const std::string& database, const std::string& keys);
// Refuses, with what to do, when there are sealed Secrets.
Result<void> check_needs_no_keys(const std::string& database);
// Takes the Secrets out of a database that nobody has open.
Result<void> leave_out_secrets(const std::string& database);

}  // namespace mk::app

// The layout of the database file: our own tables and those of the modules, brought up to date in one
// transaction.
#pragma once
#include <vector>

#include "store/sqlite.h"

namespace mk::store {

// `writable` false: only checks. Refuses files of other programs and of newer versions of this one.
Result<void> migrate(Connection& db, const std::vector<Schema>& schemas, bool writable);

}  // namespace mk::store

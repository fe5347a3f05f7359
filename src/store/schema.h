// The layout of the database file: our own tables and those of the modules, brought up to date in one
// transaction.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "store/sqlite.h"

namespace mk::store {

// `writable` false: only checks. Refuses files of other programs and of newer versions of this one.
Result<void> migrate(Connection& db, const std::vector<Schema>& schemas, bool writable);

// Refuses files of other programs; an empty one is fine.
Result<void> check_ours(Connection& db);

// How far a file that is ours has been brought, and how far this program would bring it: "store", then the
// modules'.
struct LayoutNumbers {
  size_t found = 0, known = 0;
};
Result<std::vector<std::pair<std::string, LayoutNumbers>>> recorded_layouts(
    Connection& db, const std::vector<Schema>& schemas);

}  // namespace mk::store

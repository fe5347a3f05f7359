// The database as a file that is copied, looked at or made smaller from outside: for backup, restore and
// migrate.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace mk::store {

// Copies the database `from`, which may be written to meanwhile by another process, as it is at one moment,
// to the new file `to`: compact, without a log, on the disk when this returns. Returns the version it has.
Result<Version> copy_database(const std::string& from, const std::string& to);

// What a database file holds, without changing it. `known` are the numbers that this program would bring it
// to.
struct LayoutReport {
  struct Part {
    std::string name;  // "store" or a module's
    size_t found = 0, known = 0;
    bool newer() const { return found > known; }
    bool due() const { return found < known; }
  };
  std::vector<Part> parts;
  Version version = 0;
  int64_t bytes = 0, spare_bytes = 0;
  bool gives_back = false;  // spare pages can be given back while it is in use
  std::string damage;       // what a quick check of the whole file found; empty when nothing
};
Result<LayoutReport> look_at_database(const std::string& path, const std::vector<Schema>& schemas);

// Every object of `resource` as it lies in the file, encrypted or not (body_cipher.h), until `each` fails; nothing is changed.
Result<void> each_stored(const std::string& path, std::string_view resource,
                         const std::function<Result<void>(const Key&, std::string_view body)>& each);
// Takes them all out of a database that nobody has open.
Result<void> forget_stored(const std::string& path, std::string_view resource);

// Rewrites a database that nobody has open: as small as it can be, and able to give pages back later.
Result<void> compact_database(const std::string& path);

}  // namespace mk::store

#include "store/snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/format.h"
#include "os/files.h"
#include "store/disk.h"
#include "store/limits.h"
#include "store/schema.h"
#include "store/sqlite.h"

namespace mk::store {
namespace {

// `VACUUM INTO` does not sync what it writes.
Result<void> sync_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool held = fd >= 0 && ::fchmod(fd, 0600) == 0 && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (held) return {};
  return fail(Code::kUnavailable, "disk_failed", fmt::format("{} could not be written to the disk", path));
}

Result<std::unique_ptr<Connection>> open_existing(const std::string& path) {
  if (!os::exists(path))
    return fail(Error{Code::kNotFound, "no_database", fmt::format("there is no database at {}", path),
                      "name the data folder with --data"});
  MK_TRY(auto db, Connection::open({path, ""}, Connection::Mode::kCheckpoint, kReaderCacheKib));
  MK_OK(check_ours(*db));
  return db;
}

}  // namespace

Result<Version> copy_database(const std::string& from, const std::string& to) {
  {
    MK_TRY(auto db, open_existing(from));
    MK_OK(db->script("PRAGMA auto_vacuum=INCREMENTAL"));  // of the copy
    MK_TRY([[maybe_unused]] auto done, db->exec("VACUUM INTO ?", {std::string_view(to)}));
  }
  MK_OK(sync_file(to));
  MK_TRY(auto copy, open_existing(to));
  MK_TRY(const int64_t version, copy->number("SELECT version FROM store_counters"));
  return static_cast<Version>(version);
}

Result<LayoutReport> look_at_database(const std::string& path, const std::vector<Schema>& schemas) {
  MK_TRY(auto db, open_existing(path));
  db->set_read_only(true);
  LayoutReport out;
  MK_TRY(const auto layouts, recorded_layouts(*db, schemas));
  for (const auto& [name, numbers] : layouts) out.parts.push_back({name, numbers.found, numbers.known});
  MK_TRY(const int64_t version, db->number("SELECT version FROM store_counters"));
  MK_TRY(const int64_t page, db->number("PRAGMA page_size"));
  MK_TRY(const int64_t pages, db->number("PRAGMA page_count"));
  MK_TRY(const int64_t spare, db->number("PRAGMA freelist_count"));
  MK_TRY(const int64_t vacuum, db->number("PRAGMA auto_vacuum"));
  out.version = static_cast<Version>(version);
  out.bytes = pages * page;
  out.spare_bytes = spare * page;
  out.gives_back = vacuum != 0;
  MK_OK(db->query("PRAGMA quick_check(1)", {}, [&](const Row& row) {
    if (row.text(0) != "ok") out.damage = row.text(0);
    return true;
  }));
  return out;
}

Result<void> each_stored(const std::string& path, std::string_view resource,
                         const std::function<Result<void>(const Key&, std::string_view body)>& each) {
  MK_TRY(auto db, open_existing(path));
  db->set_read_only(true);
  Result<void> said;
  MK_OK(db->query("SELECT space, name, body FROM store_objects WHERE resource = ?", {resource}, [&](const Row& row) {
    said = each({std::string(resource), std::string(row.text(0)), std::string(row.text(1))}, row.text(2));
    return said.has_value();
  }));
  return said;
}

Result<void> forget_stored(const std::string& path, std::string_view resource) {
  const auto disk = Disk::claim(path);
  if (!disk) return fail(disk.error());
  MK_TRY(auto db, open_existing(path));
  MK_TRY([[maybe_unused]] auto gone, db->exec("DELETE FROM store_objects WHERE resource = ?", {resource}));
  return db->script("PRAGMA wal_checkpoint(TRUNCATE);");
}

Result<void> compact_database(const std::string& path) {
  MK_TRY(const auto disk, Disk::claim(path));
  MK_TRY(auto db, open_existing(path));
  return db->script("PRAGMA auto_vacuum=INCREMENTAL; VACUUM; PRAGMA wal_checkpoint(TRUNCATE);");
}

}  // namespace mk::store

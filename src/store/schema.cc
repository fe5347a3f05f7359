#include "store/schema.h"

#include <array>
#include <map>

#include "base/format.h"

namespace mk::store {

namespace {

constexpr int64_t kApplicationId = 0x6d6b6974;  // "mkit", in the header of the database file

// Our own migrations; PRAGMA user_version is how many have run. Never edited once released.
// An object's id is a place in the table, so that new ones are appended; names are unique in the index
// (memory), which is the only way to the table.
constexpr std::array kLayouts = {
    R"(CREATE TABLE store_objects(id INTEGER PRIMARY KEY, resource TEXT NOT NULL, space TEXT NOT NULL,
         name TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL);
       CREATE TABLE store_segments(stream TEXT NOT NULL, id INTEGER NOT NULL, bytes BLOB NOT NULL,
         PRIMARY KEY(stream, id)) WITHOUT ROWID;
       CREATE TABLE store_modules(module TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
       CREATE TABLE store_counters(one INTEGER PRIMARY KEY CHECK(one = 1), version INTEGER NOT NULL,
         segment INTEGER NOT NULL);
       INSERT INTO store_counters VALUES(1, 1, 0);)",
    // Segments by number, which are unique in the whole store. With the bytes in the key's own tree (layout
    // 1), finding the place of a new segment read every large one on the way: 0.8 ms of CPU a write beside
    // histories of 100 KB.
    R"(ALTER TABLE store_segments RENAME TO store_segments_1;
       CREATE TABLE store_segments(id INTEGER PRIMARY KEY, stream TEXT NOT NULL, bytes BLOB NOT NULL);
       INSERT INTO store_segments SELECT id, stream, bytes FROM store_segments_1 ORDER BY id;
       DROP TABLE store_segments_1;
       CREATE INDEX store_segments_by_stream ON store_segments(stream);)",
};

Failure newer(std::string_view what, size_t found, size_t known) {
  return fail(
      Error{Code::kFailedPrecondition, "schema_newer",
            fmt::format("the database was written by a newer modelkit ({} has version {}, this one knows {})",
                        what, found, known),
            "install that version again, or restore a backup of the data folder"});
}

Result<std::map<std::string, size_t>> recorded_modules(Connection& db) {
  std::map<std::string, size_t> out;
  MK_OK(db.query("SELECT module, version FROM store_modules", {}, [&](const Row& row) {
    out.emplace(row.text(0), static_cast<size_t>(row.integer(1)));
    return true;
  }));
  return out;
}

Result<void> upgrade(Connection& db, size_t layout, const std::vector<Schema>& schemas) {
  for (size_t i = layout; i < kLayouts.size(); ++i) MK_OK(db.script(kLayouts[i]));
  if (layout < kLayouts.size()) {
    MK_OK(db.script(
        fmt::format("PRAGMA application_id={}; PRAGMA user_version={};", kApplicationId, kLayouts.size())));
  }
  MK_TRY(auto recorded, recorded_modules(db));
  for (const Schema& schema : schemas) {
    for (size_t i = recorded[schema.module]; i < schema.migrations.size(); ++i) {
      MK_OK(db.script(schema.migrations[i]));
    }
    MK_TRY(auto changed, db.exec("INSERT OR REPLACE INTO store_modules VALUES(?, ?)",
                                 {schema.module, static_cast<int64_t>(schema.migrations.size())}));
    MK_CHECK(changed == 1);
  }
  return {};
}

}  // namespace

Result<void> check_ours(Connection& db) {
  MK_TRY(const int64_t application, db.number("PRAGMA application_id"));
  if (application == kApplicationId) return {};
  MK_TRY(const int64_t tables, db.number("SELECT count(*) FROM sqlite_schema"));
  MK_TRY(const int64_t user_version, db.number("PRAGMA user_version"));
  if (application == 0 && tables == 0 && user_version == 0) return {};
  return fail(Code::kFailedPrecondition, "not_our_database", "the database file belongs to another program");
}

Result<std::vector<std::pair<std::string, LayoutNumbers>>> recorded_layouts(
    Connection& db, const std::vector<Schema>& schemas) {
  MK_TRY(const int64_t layout, db.number("PRAGMA user_version"));
  std::vector<std::pair<std::string, LayoutNumbers>> out = {
      {"store", {static_cast<size_t>(layout), kLayouts.size()}}};
  std::map<std::string, size_t> recorded;
  if (layout > 0 &&
      layout <= static_cast<int64_t>(kLayouts.size())) {  // of a newer layout nothing else is known
    MK_TRY(recorded, recorded_modules(db));
  }
  for (const Schema& schema : schemas)
    out.push_back({schema.module, {recorded[schema.module], schema.migrations.size()}});
  return out;
}

Result<void> migrate(Connection& db, const std::vector<Schema>& schemas, bool writable) {
  MK_OK(check_ours(db));
  MK_TRY(const int64_t user_version, db.number("PRAGMA user_version"));
  const auto layout = static_cast<size_t>(user_version);
  bool current = true;
  MK_TRY(const auto layouts, recorded_layouts(db, schemas));
  for (const auto& [name, numbers] : layouts) {
    if (numbers.found > numbers.known)
      return newer(name == "store" ? "its layout" : "module " + name, numbers.found, numbers.known);
    current &= numbers.found == numbers.known;
  }
  if (current && layout > 0) return {};
  if (!writable) {
    return fail(Error{Code::kUnavailable, "disk_full",
                      "the disk is full and the database has yet to be set up",
                      "free some space, then start again"});
  }
  MK_OK(db.script("BEGIN IMMEDIATE"));
  if (auto done = upgrade(db, layout, schemas); !done) {
    if (db.in_transaction()) (void)db.script("ROLLBACK");
    return done;
  }
  return db.script("COMMIT");
}

}  // namespace mk::store

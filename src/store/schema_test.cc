#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "base/format.h"
#include "store/sqlite.h"
#include "store/store_fixture.h"

namespace mk::store {
namespace {

// Writes a database file as another program, or another version, would have left it.
void write_db(const std::string& path, const std::string& sql) {
  std::ofstream{path};
  auto db = Connection::open({path, ""}, Connection::Mode::kReadWrite, 100);
  REQUIRE(db);
  REQUIRE((*db)->script(sql));
}

std::string golden(const char* name) {
  std::ifstream file(std::string(MK_SOURCE_DIR) + "/src/store/testdata/" + name);
  std::stringstream out;
  out << file.rdbuf();
  REQUIRE(!out.str().empty());
  return out.str();
}

}  // namespace

TEST_CASE("store schema: every layout that was released is read, and brought up to date") {
  for (const char* layout : {"layout_1.sql", "layout_2.sql"}) {
    CAPTURE(layout);
    TestFolder folder;
    write_db(folder.db(), golden(layout));
    for (int opening = 0; opening < 2; ++opening) {
      auto store = open_store({.path = folder.db(), .schemas = {kLedger}});
      REQUIRE(store);
      CHECK((*store)->version() == 42 + static_cast<Version>(opening));
      CHECK((*store)->get(pod("web-0"))->version == 40);
      CHECK((*store)->get(pod("web-0"))->json()["spec"]["nodeName"].text() == "n1");
      CHECK((*store)->segments("run/loss")->size() == 2);
      CHECK(ledger_size(**store) == 1);
      auto done = (*store)->commit(opening == 0 ? txn(create(pod("b"))) : txn(remove(pod("b"))));
      CHECK(done);
    }
  }
}

TEST_CASE("store schema: modules' migrations run once, in order") {
  TestFolder folder;
  Schema schema{"m", {"CREATE TABLE m(a INTEGER); INSERT INTO m VALUES(1)"}};
  auto sum = [&](const StoreOptions& options) {
    auto store = open_store(options);
    REQUIRE(store);
    int64_t out = 0;
    CHECK((*store)->read([&](RowReader& rows) {
      return rows.query("SELECT sum(a) FROM m", {}, [&](const Row& row) {
        out = row.integer(0);
        return true;
      });
    }));
    return out;
  };
  CHECK(sum({.path = folder.db(), .schemas = {schema}}) == 1);
  CHECK(sum({.path = folder.db(), .schemas = {schema}}) == 1);
  schema.migrations.push_back("ALTER TABLE m ADD COLUMN b TEXT; INSERT INTO m VALUES(10, 'x')");
  schema.migrations.push_back("INSERT INTO m VALUES(100, 'y')");
  CHECK(sum({.path = folder.db(), .schemas = {schema, kLedger}}) == 111);
  CHECK(sum({.path = folder.db(), .schemas = {schema, kLedger}}) == 111);

  schema.migrations.pop_back();  // an older program on a newer file
  auto older = open_store({.path = folder.db(), .schemas = {schema, kLedger}});
  REQUIRE(!older);
  CHECK(older.error().code == Code::kFailedPrecondition);
  CHECK(older.error().sentence() ==
        "the database was written by a newer modelkit (module m has version 3, this one knows 2); install "
        "that version "
        "again, or restore a backup of the data folder");
}

TEST_CASE("store schema: a migration that fails changes nothing") {
  Quiet quiet;
  TestFolder folder;
  Schema schema{"m", {"CREATE TABLE m(a INTEGER)"}};
  {
    REQUIRE(open_store({.path = folder.db(), .schemas = {schema}}));
  }
  Schema broken = schema;
  broken.migrations.push_back("CREATE TABLE other(a); INSERT INTO nowhere VALUES(1)");
  CHECK(!open_store({.path = folder.db(), .schemas = {kLedger, broken}}));
  auto store = open_store({.path = folder.db(), .schemas = {schema, kLedger}});
  REQUIRE(store);
  CHECK(ledger_size(**store) == 0);
}

TEST_CASE("store schema: files that are not ours, or newer than we are, are left alone") {
  Quiet quiet;
  struct {
    const char* what;
    std::string sql;
    const char* reason;
  } cases[] = {
      {"another program's", "CREATE TABLE t(a)", "not_our_database"},
      {"another program's, by its id", "PRAGMA application_id = 77", "not_our_database"},
      {"a newer layout", "PRAGMA application_id = 1835755892; PRAGMA user_version = 99", "schema_newer"},
      {"a damaged object", golden("layout_1.sql") + "UPDATE store_objects SET body = '{'", "object_damaged"},
      {"an object twice",
       golden("layout_1.sql") + "INSERT INTO store_objects SELECT 99, resource, space, name, version, body "
                                "FROM store_objects",
       "object_damaged"},
  };
  for (auto& c : cases) {
    CAPTURE(c.what);
    TestFolder folder;
    write_db(folder.db(), c.sql);
    auto store = open_store({.path = folder.db()});
    REQUIRE(!store);
    CHECK(store.error().code == Code::kFailedPrecondition);
    CHECK(store.error().reason == c.reason);
  }
  TestFolder folder;
  std::ofstream(folder.db()) << "this is no database, though it is long enough to be read as one"
                             << std::string(200, '.');
  CHECK(open_store({.path = folder.db()}).error().reason == "not_our_database");
}

}  // namespace mk::store

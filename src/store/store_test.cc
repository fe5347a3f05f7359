#include "store/store.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

namespace mk::store {
namespace {

Json body(const std::string& uid, int n = 0) {
  return Json::object({{"kind", "Pod"}, {"metadata", Json::object({{"uid", uid}, {"name", "a"}})}, {"n", n}});
}
ObjectOp create(Key key, Json b) {
  return {ObjectOp::Kind::kCreate, std::move(key), std::move(b), {}};
}

Txn one(ObjectOp op) {
  Txn txn;
  txn.objects.push_back(std::move(op));
  return txn;
}

}  // namespace

TEST_CASE("store: what was written is read, listed and watched") {
  auto store = *open_store({});
  auto watch = *store->watch({"pods", {}}, store->version(), nullptr);
  auto done = store->commit(one(create({"pods", "default", "a"}, body("u1"))));
  REQUIRE(done);
  CHECK(store->get({"pods", "default", "a"})->version == done->version);
  CHECK(store->get({"pods", "default", "a"})->body ==
        R"({"kind":"Pod","metadata":{"name":"a","resourceVersion":")" + std::to_string(done->version) +
            R"(","uid":"u1"},"n":0})");
  CHECK(store->list({"pods", "default"}).objects.size() == 1);
  CHECK(store->list({"pods", "other"}).objects.empty());
  auto events = *watch->take();
  REQUIRE(events.size() == 1);
  CHECK(events[0].object == store->get({"pods", "default", "a"}));
  CHECK(watch->reached() == done->version);
}

TEST_CASE("store: a reopened file holds objects, rows and segments") {
  std::string folder = "/tmp/mk-store-XXXXXX";
  REQUIRE(mkdtemp(folder.data()));
  StoreOptions options{.path = folder + "/m.db",
                       .schemas = {{"t", {"CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)"}}}};
  Version version = 0;
  {
    auto opened = open_store(options);
    REQUIRE(opened);
    Txn txn = one(create({"pods", "default", "a"}, body("u1")));
    txn.rows = [](RowWriter& rows) -> Result<void> {
      MK_TRY(auto n, rows.exec("INSERT INTO t(b) VALUES(?)", {std::string("x")}));
      CHECK(n == 1);
      return {};
    };
    txn.segments.push_back({"s", std::string("\0bytes", 6)});
    auto done = (*opened)->commit(std::move(txn));
    REQUIRE(done);
    version = done->version;
    auto again = open_store(options);
    REQUIRE(!again);
    CHECK(again.error().reason == "data_folder_in_use");
  }
  auto store = *open_store(options);
  CHECK(store->version() == version);
  CHECK(store->get({"pods", "default", "a"})->uid == "u1");
  CHECK(store->segments("s")->at(0).second == std::string("\0bytes", 6));
  std::string b;
  CHECK(store->read([&](RowReader& rows) {
    return rows.query("SELECT b FROM t", {}, [&](const Row& row) {
      b = row.text(0);
      return true;
    });
  }));
  CHECK(b == "x");
  std::filesystem::remove_all(folder);
}

}  // namespace mk::store

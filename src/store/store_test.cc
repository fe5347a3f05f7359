#include "store/store.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/format.h"
#include "store/limits.h"
#include "store/sqlite.h"
#include "store/store_fixture.h"

namespace mk::store {
namespace {

std::string outcome(const Result<Committed>& result) {
  return result ? "ok" : std::string(code_name(result.error().code));
}

// Holds the writer inside a transaction until released, so that what is submitted meanwhile is one batch.
class Barrier {
 public:
  explicit Barrier(Store& store) {
    Txn txn;
    txn.rows = [this](RowWriter&) -> Result<void> {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return open_; });
      return {};
    };
    store.submit(std::move(txn), nullptr);
  }
  void open() {
    {
      std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

}  // namespace

TEST_CASE("store: what was written is read and listed, with its version in its body") {
  auto store = *open_store({});
  auto done = store->commit(txn(create(pod("b")), create(pod("a")), create(pod("c", "other"))));
  REQUIRE(done);
  REQUIRE(done->objects.size() == 3);
  CHECK(done->version == done->objects[2]->version);
  CHECK(done->objects[0]->version < done->objects[1]->version);
  CHECK(store->version() == done->version);

  auto b = store->get(pod("b"));
  CHECK(b == done->objects[0]);
  CHECK(b->body ==
        fmt::format(R"({{"kind":"Pod","metadata":{{"resourceVersion":"{}","uid":"uid-b"}},"n":0}})",
                    b->version));
  CHECK(b->json()["metadata"]["uid"].text() == "uid-b");
  CHECK(store->get(pod("x")) == nullptr);
  CHECK(store->get({"jobs", "default", "a"}) == nullptr);

  auto names = [&](Selection selection) {
    std::string out;
    for (const auto& object : store->list(selection).objects)
      out += object->key.space + "/" + object->key.name + " ";
    return out;
  };
  CHECK(names({"pods", {}}) == "default/a default/b other/c ");
  CHECK(names({"pods", "default"}) == "default/a default/b ");
  CHECK(names({"pods", "defaul"}) == "");
  CHECK(names({"jobs", {}}) == "");
  CHECK(names({"", {}}) == "default/a default/b other/c ");
}

TEST_CASE("store: preconditions") {
  auto store = *open_store({});
  const Version first = store->commit(txn(create(pod("a"))))->version;
  struct {
    const char* what;
    Txn txn;
    const char* outcome;
  } cases[] = {
      {"create what exists", txn(create(pod("a"))), "already_exists"},
      {"update what does not", txn(update(pod("b"))), "not_found"},
      {"delete what does not", txn(remove(pod("b"))), "not_found"},
      {"update a newer version", txn(update(pod("a"), first + 1)), "conflict"},
      {"update an older version", txn(update(pod("a"), first - 1)), "conflict"},
      {"delete another version", txn(remove(pod("a"), first - 1)), "conflict"},
      {"create twice in one", txn(create(pod("c")), create(pod("c"))), "already_exists"},
      {"delete, then update", txn(remove(pod("a")), update(pod("a"))), "not_found"},
      {"good ones fall with a bad one", txn(create(pod("d")), remove(pod("a")), update(pod("b"))),
       "not_found"},
      {"update the version", txn(update(pod("a"), first)), "ok"},
      {"update whatever version", txn(update(pod("a"))), "ok"},
      {"delete and create again", txn(remove(pod("a")), create(pod("a"), 7)), "ok"},
      {"create, update, delete", txn(create(pod("e")), update(pod("e")), remove(pod("e"))), "ok"},
  };
  for (auto& c : cases) {
    CAPTURE(c.what);
    const Version before = store->version();
    const bool good = std::string_view(c.outcome) == "ok";
    auto done = store->commit(std::move(c.txn));
    CHECK(outcome(done) == c.outcome);
    CHECK((store->version() > before) == good);
  }
  CHECK(store->list({"", {}}).objects.size() == 1);
  CHECK(store->get(pod("a"))->json()["n"].integer() == 7);
}

TEST_CASE("store: objects that cannot be kept are refused with a sentence") {
  auto store = *open_store({});
  ObjectOp no_uid = create(pod("a"));
  no_uid.body["metadata"].erase("uid");
  ObjectOp no_metadata = create(pod("a"));
  no_metadata.body = "text";
  ObjectOp no_name = create(pod(""));
  ObjectOp large = create(pod("a"));
  large.body["text"] = std::string(4 << 20, 'x');
  CHECK(outcome(store->commit(txn(no_uid))) == "invalid_argument");
  CHECK(outcome(store->commit(txn(no_metadata))) == "invalid_argument");
  CHECK(outcome(store->commit(txn(no_name))) == "invalid_argument");
  auto refused = store->commit(txn(create(pod("b")), large));
  CHECK(outcome(refused) == "too_large");
  CHECK(refused.error().message.find("pods default/a has 41943") == 0);
  CHECK(store->list({"", {}}).objects.empty());
}

TEST_CASE("store: a batch is decided in order, against what the batch has done so far") {
  auto store = *open_store({.schemas = {kLedger}});
  const Version start = store->version();
  std::vector<std::string> outcomes;
  Barrier barrier(*store);
  auto keep = [&](Result<Committed> result) { outcomes.push_back(outcome(result)); };
  store->submit(txn(create(pod("a"))), keep);
  store->submit(txn(create(pod("a"))), keep);
  store->submit(txn(update(pod("a"), start + 1)), keep);
  store->submit(txn(update(pod("a"), start + 1)), keep);
  store->submit(note("one"), keep);
  Txn mixed = note("one");  // refused by its rows: its object must not come to be
  mixed.objects.push_back(create(pod("b")));
  mixed.segments.push_back({"s", "x"});
  store->submit(std::move(mixed), keep);
  store->submit(txn(create(pod("b"), 5)), keep);
  store->submit(txn(remove(pod("a"), start + 2)), keep);
  const auto commits = store->stats().commits;
  barrier.open();
  REQUIRE(store->commit({}));
  CHECK(outcomes == std::vector<std::string>{"ok", "already_exists", "ok", "conflict", "ok", "already_exists",
                                             "ok", "ok"});
  CHECK(store->stats().commits - commits <= 4);  // the barrier's, ours, and the last
  CHECK(store->get(pod("a")) == nullptr);
  CHECK(store->get(pod("b"))->version == start + 3);  // refused ones use no version up
  CHECK(ledger_size(*store) == 1);
  CHECK(store->segments("s")->empty());
}

TEST_CASE("store: an error from rows leaves nothing of that transaction and harms no other") {
  auto store = *open_store({.schemas = {kLedger}});
  Txn bad;
  bad.rows = [](RowWriter& rows) -> Result<void> {
    MK_TRY([[maybe_unused]] auto n, rows.exec("INSERT INTO ledger(note) VALUES('kept?')"));
    return fail(Code::kFailedPrecondition, "no", "no");
  };
  bool ran = false;
  Txn refused = txn(update(pod("none")));
  refused.rows = [&](RowWriter&) -> Result<void> {
    ran = true;
    return {};
  };
  Barrier barrier(*store);
  store->submit(note("before"), nullptr);
  store->submit(std::move(bad), [](Result<Committed> r) { CHECK(outcome(r) == "failed_precondition"); });
  store->submit(std::move(refused), nullptr);
  store->submit(note("after"), nullptr);
  barrier.open();
  CHECK(store->commit(note("last")));
  CHECK(ledger_size(*store) == 3);
  CHECK(!ran);  // objects are checked first
}

TEST_CASE("store: rows are typed, read back as bound, and statements may nest") {
  auto store = *open_store({.schemas = {{"t", {"CREATE TABLE t(a, b)"}}}});
  const std::string bytes("\0x\xff", 3), text("é\0z", 4);
  Txn insert;
  insert.rows = [&](RowWriter& rows) -> Result<void> {
    for (const Value& value : {Value{}, Value{int64_t{1} << 60}, Value{0.1}, Value{text},
                               Value{std::string_view()}, Value{Bytes{bytes}}}) {
      MK_TRY(auto n, rows.exec("INSERT INTO t VALUES(?, 1)", {value}));
      CHECK(n == 1);
    }
    CHECK(rows.last_insert_id() == 6);
    MK_TRY(auto changed, rows.exec("UPDATE t SET b = 2 WHERE rowid > 4"));
    CHECK(changed == 2);
    MK_TRY(auto none, rows.exec("DELETE FROM t WHERE b = 9"));
    CHECK(none == 0);
    return {};
  };
  REQUIRE(store->commit(std::move(insert)));
  int row = 0, nested = 0;
  REQUIRE(store->read([&](RowReader& rows) {
    return rows.query("SELECT a FROM t ORDER BY rowid", {}, [&](const Row& r) {
      ++row;
      CHECK(r.is_null(0) == (row == 1));
      if (row == 2) CHECK(r.integer(0) == int64_t{1} << 60);
      if (row == 3) CHECK(r.number(0) == 0.1);
      if (row == 4) CHECK(r.text(0) == text);
      if (row == 5) CHECK(r.text(0) == "");
      if (row == 6) CHECK(r.text(0) == bytes);
      // The same text while it runs, and early ends.
      return rows
          .query("SELECT a FROM t ORDER BY rowid", {},
                 [&](const Row&) {
                   ++nested;
                   return false;
                 })
          .has_value();
    });
  }));
  CHECK(row == 6);
  CHECK(nested == 6);
}

TEST_CASE("store: readers cannot write, and wrong statements are our fault, without their text") {
  Quiet quiet;
  TestFolder folder;
  for (const std::string& path : {std::string(), folder.db()}) {
    auto store = *open_store({.path = path, .schemas = {kLedger}});
    for (const char* sql : {"INSERT INTO ledger(note) VALUES('x')", "SELECT nonsense FROM ledger",
                            "SELECT 1; SELECT 2", "SELECT ?", ""}) {
      CAPTURE(sql);
      auto done =
          store->read([&](RowReader& rows) { return rows.query(sql, {}, [](const Row&) { return true; }); });
      REQUIRE(!done);
      CHECK(done.error().code == Code::kInternal);
      CHECK(done.error().sentence().find("ledger") == std::string::npos);
    }
    CHECK(store->commit(note("still writable")));
    CHECK(ledger_size(*store) == 1);
  }
}

TEST_CASE("store: owners' children") {
  auto store = *open_store({});
  auto owned = [](Key key, std::vector<std::string> owners, ObjectOp::Kind kind = ObjectOp::Kind::kCreate) {
    ObjectOp op = create(std::move(key));
    op.kind = kind;
    for (auto& uid : owners) op.body["metadata"]["ownerReferences"].push_back(Json::object({{"uid", uid}}));
    return op;
  };
  REQUIRE(store->commit(txn(owned(pod("a"), {"x", "y"}), owned(pod("b"), {"x"}), create(pod("c")))));
  CHECK(store->owned_by("x").size() == 2);
  CHECK(store->owned_by("y").size() == 1);
  CHECK(store->owned_by("none").empty());
  REQUIRE(store->commit(
      txn(owned(pod("a"), {"y"}, ObjectOp::Kind::kUpdate), owned(pod("c"), {"x"}, ObjectOp::Kind::kUpdate))));
  CHECK(store->owned_by("x").size() == 2);
  REQUIRE(store->commit(txn(remove(pod("b")), remove(pod("a")))));
  REQUIRE(store->owned_by("x").size() == 1);
  CHECK(store->owned_by("x")[0] == store->get(pod("c")));
  CHECK(store->owned_by("y").empty());
}

TEST_CASE("store: reopened, it holds objects, rows and segments, and versions go on") {
  TestFolder folder;
  StoreOptions options{.path = folder.db(), .schemas = {kLedger}};
  Version version = 0;
  std::string body;
  {
    auto store = *open_store(options);
    Txn all = note("x");
    ObjectOp op = create(pod("a"));
    op.body["metadata"]["labels"] = Json::object({{"b", "2"}, {"a", "1"}});
    op.body["numbers"] = Json::array({0.1, 1e300, -0.0, int64_t{1} << 62, 3.0});
    all.objects.push_back(std::move(op));
    all.segments.push_back({"s", std::string("\0bytes", 6)});
    REQUIRE(store->commit(std::move(all)));
    body = store->get(pod("a"))->body;
    version = store->commit(txn(create(pod("b")), remove(pod("b"))))->version;
  }
  auto store = *open_store(options);
  CHECK(store->version() == version);  // not that of the newest living object
  auto a = store->get(pod("a"));
  REQUIRE(a);
  CHECK(a->body == body);
  CHECK(a->uid == "uid-a");
  CHECK(a->labels == decltype(a->labels){{"a", "1"}, {"b", "2"}});
  CHECK(store->segments("s")->at(0).second == std::string("\0bytes", 6));
  CHECK(ledger_size(*store) == 1);
  auto done = store->commit(txn(update(pod("a"), a->version), create(pod("c"))));
  REQUIRE(done);
  CHECK(done->objects[0]->version == version + 1);
  REQUIRE(store->commit(txn(remove(pod("a")), remove(pod("c")))));
}

TEST_CASE("store: segments keep their order through merges") {
  TestFolder folder;
  for (const std::string& path : {std::string(), folder.db()}) {
    auto store = *open_store({.path = path});
    auto append = [&](const char* stream, std::vector<std::string> all) {
      Txn out;
      for (auto& bytes : all) out.segments.push_back({stream, bytes});
      return store->commit(std::move(out));
    };
    auto text = [&](const char* stream) {
      std::string out;
      auto segments = store->segments(stream);
      for (auto& [id, bytes] : *segments) out += bytes + " ";
      return out;
    };
    auto merge = [&](int64_t first, int64_t last, std::string merged) {
      std::string out;
      store->merge_segments("s", first, last, std::move(merged),
                            [&](Result<Committed> r) { out = outcome(r); });
      CHECK(store->commit({}));
      return out;
    };
    REQUIRE(append("s", {"a", "b"}));
    REQUIRE(append("t", {"other"}));
    REQUIRE(append("s", {"c"}));
    auto seen = *store->segments("s");
    REQUIRE(append("s", {"d"}));  // arrives while somebody merges what was seen
    const int64_t a = seen.front().first, c = seen.back().first;
    CHECK(merge(a, c, "abc") == "ok");
    CHECK(text("s") == "abc d ");
    CHECK(text("t") == "other ");
    CHECK(merge(c, c, "abc2") == "ok");  // its id is now that of the merged one
    CHECK(merge(a, c, "late") == "not_found");
    CHECK(merge(c, 99, "none") == "not_found");
    CHECK(merge(c, c, std::string(17 << 20, 'x')) == "too_large");
    CHECK(text("s") == "abc2 d ");
    REQUIRE(append("s", {"e"}));
    CHECK(merge(store->segments("s")->at(1).first, store->segments("s")->back().first, "de") ==
          "ok");  // the tail alone
    CHECK(text("s") == "abc2 de ");
    const int64_t last = store->segments("s")->back().first;
    store->drop_segments("s", nullptr);
    REQUIRE(store->commit({}));
    CHECK(text("s") == "");
    REQUIRE(append("s", {"new"}));
    CHECK(store->segments("s")->front().first >
          last);  // ids do not come again, so a late merge finds nothing
    CHECK(merge(last, last, "stale") == "not_found");
    CHECK(text("s") == "new ");
    CHECK(text("none") == "");
  }
}

TEST_CASE("store: completions come in the order of submission, after readers can see it") {
  TestFolder folder;
  auto store = *open_store({.path = folder.db(), .schemas = {kLedger}});
  std::vector<int> order;
  int unseen = 0;
  for (int i = 0; i < 3000; ++i) {
    const Key key = pod(fmt::format("p{}", i));
    store->submit(txn(create(key)), [&order, &unseen, i, key, s = store.get()](Result<Committed> done) {
      order.push_back(i);
      unseen += !done || s->get(key) != done->objects[0] || s->version() < done->version;
    });
  }
  REQUIRE(store->commit({}));
  CHECK(std::ranges::is_sorted(order));
  CHECK(order.size() == 3000);
  CHECK(unseen == 0);
  CHECK(store->stats().commits < 3000);
  CHECK(store->stats().objects == 3000);
}

TEST_CASE("store: closing finishes what was submitted") {
  TestFolder folder;
  std::atomic<int> done = 0;
  {
    auto store = *open_store({.path = folder.db(), .schemas = {kLedger}});
    for (int i = 0; i < 500; ++i)
      store->submit(note(fmt::format("n{}", i)), [&](Result<Committed> r) { done += r.has_value(); });
  }
  CHECK(done == 500);
  CHECK(ledger_size(**open_store({.path = folder.db(), .schemas = {kLedger}})) == 500);
  CHECK(!std::filesystem::exists(folder.db() + "-wal"));  // moved into the database and removed
}

TEST_CASE("store: more than the queue holds is refused at once") {
  auto store = *open_store({});
  Barrier barrier(*store);
  size_t taken = 0, refused = 0;
  ObjectOp op = create(pod("a"));
  op.body["text"] = std::string(1 << 20, 'x');
  for (int i = 0; i < 80; ++i) {
    store->submit(txn(op), [&](Result<Committed> r) {
      (r || r.error().code == Code::kAlreadyExists ? taken : refused) += 1;
    });
  }
  CHECK(refused > 0);
  barrier.open();
  while (!store->commit({})) {  // refused as well until the queue has shrunk
  }
  CHECK(taken + refused == 80);
  CHECK(store->commit(txn(remove(pod("a")))));
}

TEST_CASE("store: the log stays within its cap, even under a reader that does not end") {
  TestFolder folder;
  auto store = *open_store({.path = folder.db(), .schemas = {}, .reader_patience_ms = 50});
  REQUIRE(store->commit(txn(create(pod("kept")))));
  const std::string large(200'000, 'x');
  uintmax_t largest = 0;
  auto write = [&](int n) {
    for (int i = 0; i < n; ++i) {
      ObjectOp op = i % 2 == 0 ? create(pod("a")) : remove(pod("a"));
      if (i % 2 == 0) op.body["text"] = large;
      REQUIRE(store->commit(txn(op)));
      largest = std::max(largest, std::filesystem::file_size(folder.db() + "-wal"));
    }
  };
  write(200);
  CHECK(largest < static_cast<uintmax_t>(kWalBytesMax) + (1 << 20));
  Result<void> endless;
  std::jthread reader([&] {
    endless = store->read([&](RowReader& rows) {
      return rows.query(
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n, "
          "store_objects",
          {}, [&](const Row&) { return true; });
    });
  });
  auto once = [&](RowReader& rows) { return rows.query("SELECT 1", {}, [&](const Row&) { return true; }); };
  REQUIRE(store->read(once));  // the other connection still reads
  write(200);
  reader.join();
  REQUIRE(!endless);
  CHECK(endless.error().reason == "read_interrupted");
  CHECK(largest < 9 << 20);
  CHECK(store->read(once));
}

TEST_CASE("store: another program that holds the database delays writes, but does not end them") {
  Quiet quiet;
  TestFolder folder;
  auto store = *open_store({.path = folder.db()});
  auto other = *Connection::open({folder.db(), ""}, Connection::Mode::kReadWrite, 100);
  REQUIRE(other->exec("BEGIN IMMEDIATE"));
  CHECK(store->commit(txn(create(pod("a")))).error().reason == "database_busy");
  REQUIRE(other->exec("ROLLBACK"));
  CHECK(store->commit(txn(create(pod("a")))));
}

TEST_CASE("store: one process at a time, files for their owner only") {
  TestFolder folder;
  auto store = *open_store({.path = folder.db()});
  auto second = open_store({.path = folder.db()});
  REQUIRE(!second);
  CHECK(second.error().reason == "data_folder_in_use");
  CHECK(second.error().message.find(fmt::format("is in use by process {}", ::getpid())) != std::string::npos);
  REQUIRE(store->commit(txn(create(pod("a")))));
  for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
    CAPTURE(file.path().string());
    CHECK((file.status().permissions() & std::filesystem::perms(0777)) == std::filesystem::perms(0600));
  }
  store.reset();
  CHECK(open_store({.path = folder.db()}));
  CHECK(open_store({.path = folder.path() + "/none/m.db"}).error().code == Code::kFailedPrecondition);
  CHECK(open_store({.path = folder.path()}).error().code == Code::kFailedPrecondition);
}

TEST_CASE("store: a file gives back what nothing uses, and updates leave it as large as it was") {
  TestFolder folder;
  auto size = [&] { return std::filesystem::file_size(folder.db()); };
  {
    auto store = *open_store({.path = folder.db(), .schemas = {kLedger}});
    for (int i = 0; i < 40; ++i) {
      Txn large;
      large.segments.push_back({"s", std::string(500'000, 'x')});
      REQUIRE(store->commit(std::move(large)));
    }
    CHECK(size() > 16u << 20);
    store->drop_segments("s", nullptr);
    // Space is looked for when the log starts anew; then it goes a step at a time while nobody writes.
    for (int i = 0; i < 20'000 && size() > 4u << 20; ++i) {
      Txn some;
      some.segments.push_back({"t", std::string(20'000, 'y')});
      REQUIRE(store->commit(std::move(some)));
      store->drop_segments("t", nullptr);
    }
    CHECK(size() <= 4u << 20);
    CHECK(store->segments("s")->empty());
  }
  auto store = *open_store({.path = folder.db(), .schemas = {kLedger}});
  for (int i = 0; i < 100; ++i) REQUIRE(store->commit(txn(create(pod(std::to_string(i))))));
  auto rounds = [&](int count) {
    for (int round = 0; round < count; ++round) {
      for (int i = 0; i < 100; ++i) store->submit(txn(update(pod(std::to_string(i)), {}, round)), nullptr);
      REQUIRE(store->commit({}));
    }
  };
  rounds(100);
  const auto before = size();
  rounds(200);
  CHECK(size() <= before + (256u << 10));
}

TEST_CASE("store: a caller that is alone and callers that are many see the same store") {
  TestFolder folder;
  auto store = *open_store({.path = folder.db(), .schemas = {kLedger}});
  auto watch = *store->watch({"pods", {}}, store->version(), nullptr);
  std::atomic<int> next = 0;
  auto work = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::string name = std::to_string(next++);
      const auto made = store->commit(txn(create(pod(name))));
      REQUIRE(made);
      CHECK(store->get(pod(name))->version == made->version);
      store->submit(txn(update(pod(name))), nullptr);
    }
  };
  work(50);
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) threads.emplace_back([&] { work(50); });
  for (auto& thread : threads) thread.join();
  work(50);
  REQUIRE(store->commit({}));
  Version last = 0;
  size_t events = 0;
  while (true) {
    const auto some = *watch->take();
    if (some.empty()) break;
    for (const Event& event : some) CHECK(event.version > std::exchange(last, event.version));
    events += some.size();
  }
  CHECK(events == 2u * 400);
  CHECK(store->list({"pods", {}}).objects.size() == 400);
}

}  // namespace mk::store

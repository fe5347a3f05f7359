// Durable commits a second: the store (many callers' transactions in one commit) against one transaction a
// call on the same SQLite settings (WAL, synchronous=FULL). Prints Markdown tables. Usage:
//   bench_store [FOLDER] [ROUND_MS] [UPDATES]           everything
//   bench_store commits FOLDER ROUND_MS CALLERS         durable commits only
//
// Every write differs, and what is read back afterwards must equal what was acknowledged.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/format.h"
#include "store/limits.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace mk::store {
namespace {

constexpr int kRounds = 5;
constexpr const char* kTable =
    "CREATE TABLE points(id INTEGER PRIMARY KEY, caller INTEGER, step INTEGER, value REAL)";
constexpr const char* kInsert = "INSERT INTO points(caller, step, value) VALUES(?, ?, ?)";
constexpr const char* kInsertBody = "INSERT INTO bodies(name, body) VALUES(?, ?)";

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](timeval t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string object_name(int caller, int64_t step) {
  return fmt::format("o-{}-{}", caller, step);
}

Json object_of_2_kb(const std::string& name, int64_t step) {
  Json spec = Json::object({{"step", step}, {"text", std::string(1850, static_cast<char>('a' + step % 26))}});
  return Json::object(
      {{"apiVersion", "v1"},
       {"kind", "Bench"},
       {"metadata", Json::object({{"name", name}, {"namespace", "default"}, {"uid", "uid-" + name}})},
       {"spec", std::move(spec)}});
}

// One way to write durably: `write` returns when the bytes are safe.
struct Subject {
  virtual ~Subject() = default;
  virtual bool write(int caller, int64_t step) = 0;
  virtual int64_t count() = 0;
};

struct StoreSubject final : Subject {
  StoreSubject(const std::string& path, bool with_objects) : objects(with_objects) {
    store = open_store({.path = path, .schemas = {{"bench", {kTable}}}}).value();
  }
  bool write(int caller, int64_t step) override {
    Txn txn;
    if (objects) {
      ObjectOp op;
      const std::string name = object_name(caller, step);
      op.key = {"benches", "default", name};
      op.body = object_of_2_kb(name, step);
      txn.objects.push_back(std::move(op));
    } else {
      txn.rows = [caller, step](RowWriter& rows) -> Result<void> {
        MK_TRY([[maybe_unused]] auto n,
               rows.exec(kInsert, {int64_t{caller}, step, static_cast<double>(step) * 0.5}));
        return {};
      };
    }
    return store->commit(std::move(txn)).has_value();
  }
  int64_t count() override {
    if (objects) return static_cast<int64_t>(store->list({"benches", {}}).objects.size());
    int64_t n = 0;
    (void)store->read([&](RowReader& rows) {
      return rows.query("SELECT count(*) FROM points", {}, [&](const Row& row) {
        n = row.integer(0);
        return true;
      });
    });
    return n;
  }
  std::unique_ptr<Store> store;
  bool objects;
};

// What a program does without the store: a lock around the connection, a transaction a call.
struct DirectSubject final : Subject {
  DirectSubject(const std::string& path, bool with_objects) : objects(with_objects) {
    std::fclose(std::fopen(path.c_str(), "w"));
    db = Connection::open({path, ""}, Connection::Mode::kReadWrite, kWriterCacheKib).value();
    (void)db->script(
        fmt::format("{}; CREATE TABLE bodies(id INTEGER PRIMARY KEY, name TEXT, body TEXT)", kTable));
  }
  bool write(int caller, int64_t step) override {
    const std::string name = objects ? object_name(caller, step) : "";
    const std::string body = objects ? object_of_2_kb(name, step).dump() : "";
    std::lock_guard lock(mutex);
    bool held = db->exec("BEGIN IMMEDIATE").has_value();
    held = held && (objects ? db->exec(kInsertBody, {std::string_view(name), std::string_view(body)})
                            : db->exec(kInsert, {int64_t{caller}, step, static_cast<double>(step) * 0.5}))
                       .has_value();
    held = held && db->exec("COMMIT").has_value();
    if (db->wal_bytes() >= kWalBytesGoal) held = held && db->checkpoint(false).has_value();
    return held;
  }
  int64_t count() override {
    return db->number(objects ? "SELECT count(*) FROM bodies" : "SELECT count(*) FROM points").value();
  }
  std::unique_ptr<Connection> db;
  std::mutex mutex;
  bool objects;
};

struct Figures {
  double per_second = 0, cpu_us = 0, p50_ms = 0, p99_ms = 0;
};

Figures measure(Subject& subject, int callers, double seconds) {
  std::vector<std::vector<double>> latencies(static_cast<size_t>(callers));
  std::vector<std::thread> threads;
  const double cpu = cpu_seconds(), start = now();
  for (int caller = 0; caller < callers; ++caller) {
    threads.emplace_back([&, caller] {
      auto& mine = latencies[static_cast<size_t>(caller)];
      for (int64_t step = 0;; ++step) {
        const double before = now();
        if (before - start > seconds) return;
        if (!subject.write(caller, step)) std::abort();
        mine.push_back(now() - before);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const double spent = now() - start, cpu_spent = cpu_seconds() - cpu;
  std::vector<double> all;
  for (auto& mine : latencies) all.insert(all.end(), mine.begin(), mine.end());
  if (subject.count() != static_cast<int64_t>(all.size())) {
    fmt::print(stderr, "acknowledged {}, read back {}\n", all.size(), subject.count());
    std::exit(1);
  }
  std::ranges::sort(all);
  const auto n = static_cast<double>(all.size());
  return {n / spent, cpu_spent / n * 1e6, all[all.size() / 2] * 1e3, all[all.size() * 99 / 100] * 1e3};
}

Figures median(std::vector<Figures> rounds) {
  auto middle = [&](double Figures::* field) {
    std::ranges::sort(rounds, {}, field);
    return rounds[rounds.size() / 2].*field;
  };
  Figures out;
  for (auto field : {&Figures::per_second, &Figures::cpu_us, &Figures::p50_ms, &Figures::p99_ms})
    out.*field = middle(field);
  return out;
}

void compare(const std::filesystem::path& folder, bool objects, int callers, double seconds) {
  std::vector<Figures> ours, theirs;
  for (int round = 0; round < kRounds; ++round) {
    for (bool direct : {false, true}) {  // alternating: both meet the same neighbours
      const auto place = folder / fmt::format("run-{}", ::getpid());
      std::filesystem::create_directories(place);
      {
        std::unique_ptr<Subject> subject;
        if (direct)
          subject = std::make_unique<DirectSubject>(place / "direct.db", objects);
        else
          subject = std::make_unique<StoreSubject>(place / "store.db", objects);
        (direct ? theirs : ours).push_back(measure(*subject, callers, seconds));
      }
      std::filesystem::remove_all(place);
    }
  }
  const Figures a = median(ours), b = median(theirs);
  fmt::print(
      "| {} | {} | {:.0f} | {:.0f} | {:.1f}x | {:.2f} / {:.2f} | {:.2f} / {:.2f} | {:.0f} / {:.0f} |\n",
      objects ? "object of 2 KB" : "one row", callers, a.per_second, b.per_second,
      a.per_second / b.per_second, a.p50_ms, b.p50_ms, a.p99_ms, b.p99_ms, a.cpu_us, b.cpu_us);
  std::fflush(stdout);
}

// Many watchers of one resource: what a change costs when each of them must hear of it. One thread takes for
// all, as an executor does; the events that arrive must be as many as there were changes, for each watcher.
void watchers(int count, int changes) {
  auto store = open_store({}).value();
  std::mutex mutex;
  std::condition_variable filled;
  std::vector<size_t> told;
  std::vector<std::unique_ptr<Watch>> watches;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    auto ready = [&, i] {
      std::lock_guard lock(mutex);
      told.push_back(i);
      filled.notify_one();
    };
    watches.push_back(store->watch({"benches", {}}, store->version(), ready).value());
  }
  const double cpu = cpu_seconds(), start = now();
  std::thread writer([&] {
    for (int step = 0; step < changes; ++step) {
      ObjectOp op;
      const std::string name = object_name(0, step);
      op.key = {"benches", "default", name};
      op.body = object_of_2_kb(name, step);
      Txn txn;
      txn.objects.push_back(std::move(op));
      store->submit(std::move(txn), nullptr);
      if (step % 64 == 63) (void)store->commit({});
    }
  });
  const int64_t wanted = count == 0 ? 0 : int64_t{count} * changes;
  for (int64_t taken = 0; taken < wanted;) {
    std::vector<size_t> mine;
    {
      std::unique_lock lock(mutex);
      filled.wait(lock, [&] { return !told.empty(); });
      mine.swap(told);
    }
    for (size_t i : mine) {
      for (size_t n = 1; n > 0; taken += static_cast<int64_t>(n)) n = watches[i]->take().value().size();
    }
  }
  writer.join();
  while (store->stats().pending > 0 ||
         store->list({"benches", {}}).objects.size() < static_cast<size_t>(changes)) {
  }
  const double spent = now() - start, cpu_spent = cpu_seconds() - cpu;
  fmt::print("| {} | {} | {:.0f} | {:.1f} | {:.2f} |\n", count, changes, changes / spent,
             cpu_spent / changes * 1e6, count == 0 ? 0.0 : cpu_spent / static_cast<double>(wanted) * 1e6);
}

// Starting with many objects: what a restart waits for.
void reopen(const std::filesystem::path& folder, int objects) {
  const auto place = folder / fmt::format("run-{}", ::getpid());
  std::filesystem::create_directories(place);
  const std::string path = place / "store.db";
  auto open_ms = [&] {
    const double start = now();
    auto store = open_store({.path = path}).value();
    return (now() - start) * 1e3;
  };
  const double fresh = open_ms();
  {
    auto store = open_store({.path = path}).value();
    for (int step = 0; step < objects; ++step) {
      ObjectOp op;
      const std::string name = object_name(0, step);
      op.key = {"benches", "default", name};
      op.body = object_of_2_kb(name, step);
      Txn txn;
      txn.objects.push_back(std::move(op));
      store->submit(std::move(txn), nullptr);
      if (step % 256 == 255) (void)store->commit({});
    }
  }
  fmt::print("\nOpening: {:.1f} ms an empty folder, {:.0f} ms with {} objects of 2 KB.\n", fresh, open_ms(),
             objects);
  std::filesystem::remove_all(place);
}

// A million updates of 1,000 objects, and a history of segments that comes and goes: how large the file is along the way.
void growth(const std::filesystem::path& folder, int updates) {
  constexpr int kObjects = 1000, kAtOnce = 500;
  const auto place = folder / fmt::format("run-{}", ::getpid());
  std::filesystem::create_directories(place);
  const std::string path = place / "store.db";
  auto store = open_store({.path = path}).value();
  const auto write = [&](ObjectOp::Kind kind, int step) {
    ObjectOp op{.kind = kind, .key = {"benches", "default", object_name(0, step % kObjects)}, .body = {}, .if_version = {}};
    op.body = object_of_2_kb(op.key.name, step);
    Txn txn;
    txn.objects.push_back(std::move(op));
    store->submit(std::move(txn), nullptr);
    if (step % kAtOnce == kAtOnce - 1 && !store->commit({})) std::abort();
  };
  const auto megabytes = [&] { return static_cast<double>(std::filesystem::file_size(path)) / 1e6; };
  for (int step = 0; step < kObjects; ++step) write(ObjectOp::Kind::kCreate, step);
  fmt::print("\n| updates of 1,000 objects of 2 KB | file MB | updates /s |\n|---|---|---|\n");
  double start = now();
  int done = 0;
  for (int quarter = 1; quarter <= 4; ++quarter) {
    const int until = updates / 4 * quarter, first = done;
    for (; done < until; ++done) write(ObjectOp::Kind::kUpdate, done);
    fmt::print("| {} | {:.1f} | {:.0f} |\n", done, megabytes(), (done - first) / (now() - start));
    std::fflush(stdout);
    start = now();
  }
  store.reset();
  std::filesystem::remove_all(place);
}

}  // namespace
}  // namespace mk::store

namespace {

void compare_all(const std::filesystem::path& folder, double seconds, const std::vector<int>& callers) {
  fmt::print(
      "| durable write | callers | store /s | direct /s | ratio | p50 ms (store / direct) | p99 ms | CPU us "
      "a write |\n"
      "|---|---|---|---|---|---|---|---|\n");
  for (bool objects : {false, true}) {
    for (int count : callers) mk::store::compare(folder, objects, count, seconds);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5 && argv[1] == std::string_view("commits")) {
    compare_all(argv[2], std::atof(argv[3]) / 1000, {std::atoi(argv[4])});
    return 0;
  }
  const std::filesystem::path folder = argc > 1 ? argv[1] : "build/bench-data";
  compare_all(folder, argc > 2 ? std::atof(argv[2]) / 1000 : 1.0, {1, 8, 64});
  fmt::print(
      "\n| watchers of one resource | changes | changes /s | CPU us a change | CPU us an event "
      "|\n|---|---|---|---|---|\n");
  for (int count : {0, 1, 100, 1000}) mk::store::watchers(count, count == 1000 ? 3000 : 20'000);
  mk::store::reopen(folder, 10'000);
  mk::store::growth(folder, argc > 3 ? std::atoi(argv[3]) : 100'000);
  return 0;
}

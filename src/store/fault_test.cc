// The store under a failing disk, a full one, and loss of power.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <set>
#include <thread>

#include "base/format.h"
#include "base/log.h"
#include "store/store_fixture.h"
#include "store/testing/fault_vfs.h"

namespace mk::store {
namespace {

// One write that touches all three: an object, a row and a segment of the same number.
Txn numbered(int64_t n) {
  Txn out = note(std::to_string(n));
  out.objects.push_back(create(pod(std::to_string(n)), n));
  out.segments.push_back({"s", std::to_string(n)});
  return out;
}

struct Found {
  std::set<int64_t> objects, rows, segments;
  Version version = 0, newest = 0;
  std::string check;
};
Found look_into(const std::string& path) {
  Found out;
  auto opened = open_store({.path = path, .schemas = {kLedger}});
  REQUIRE(opened);
  Store& store = **opened;
  out.version = store.version();
  for (const auto& object : store.list({"pods", {}}).objects) {
    out.objects.insert(object->json()["n"].integer());
    out.newest = std::max(out.newest, object->version);
  }
  REQUIRE(store.read([&](RowReader& rows) -> Result<void> {
    MK_OK(rows.query("SELECT note FROM ledger", {}, [&](const Row& row) {
      out.rows.insert(std::atoll(std::string(row.text(0)).c_str()));
      return true;
    }));
    return rows.query("PRAGMA quick_check", {}, [&](const Row& row) {
      out.check += row.text(0);
      return true;
    });
  }));
  auto segments = store.segments("s");
  for (const auto& [id, bytes] : *segments) out.segments.insert(std::atoll(bytes.c_str()));
  return out;
}

// Writes from several threads and reports each acknowledged number through the pipe, until it is killed.
[[noreturn]] void write_until_killed(const std::string& path, int pipe_end, int64_t first) {
  auto opened = open_store({.path = path, .schemas = {kLedger}, .vfs = kFaultVfs});
  if (!opened) _exit(3);
  std::atomic<int64_t> next = first;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int64_t until = next + 100'000; next < until;) {
        const int64_t n = next++;
        if (!(*opened)->commit(numbered(n))) _exit(4);
        if (::write(pipe_end, &n, sizeof n) != sizeof n) _exit(5);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  _exit(6);  // was never killed
}

// One life: starts, writes for a while, is killed with -9. Returns what had been acknowledged.
std::set<int64_t> one_life(const std::string& path, int64_t first, int acks_max) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  if (child == 0) write_until_killed(path, ends[1], first);
  ::close(ends[1]);
  std::set<int64_t> acked;
  int64_t n = 0;
  while (::read(ends[0], &n, sizeof n) == sizeof n) {
    acked.insert(n);
    if (static_cast<int>(acked.size()) == acks_max) ::kill(child, SIGKILL);  // then what is left in the pipe
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  return acked;
}

bool holds(const std::set<int64_t>& all, const std::set<int64_t>& part) {
  return std::includes(all.begin(), all.end(), part.begin(), part.end());
}

int cycles_wanted() {
  const char* wanted = std::getenv("MK_CRASH_CYCLES");
  return wanted ? std::atoi(wanted) : 30;
}

struct Faults {
  Faults() {
    register_fault_vfs();
    fault_plan().reset();
  }
  ~Faults() { fault_plan().reset(); }
  Quiet quiet;
};

}  // namespace

TEST_CASE("store faults: after a failed commit nothing of it stands, and the store only reads") {
  Faults faults;
  struct {
    const char* what;
    int writes_left, syncs_left;
    bool full;
    const char* reason;
  } cases[] = {
      {"a write fails", 1, -1, false, "store_read_only"},
      {"a later write fails", 3, -1, false, "store_read_only"},
      {"the sync fails", -1, 1, false, "store_read_only"},
      {"the disk is full", 1, -1, true, "disk_full"},
  };
  for (auto& c : cases) {
    CAPTURE(c.what);
    TestFolder folder;
    fault_plan().reset();
    {
      auto store = *open_store({.path = folder.db(), .schemas = {kLedger}, .vfs = kFaultVfs});
      REQUIRE(store->commit(numbered(1)));
      const Version version = store->version();
      auto watch = *store->watch({"", {}}, version, nullptr);
      fault_plan().as_disk_full = c.full;
      fault_plan().syncs_left = c.syncs_left;
      fault_plan().writes_left = c.writes_left;
      auto failed = store->commit(numbered(2));
      REQUIRE(!failed);
      CHECK(failed.error().code == Code::kUnavailable);
      CHECK(failed.error().reason == c.reason);
      fault_plan().reset();  // the disk is well again, yet it is not trusted
      CHECK(store->commit(numbered(3)).error().reason == c.reason);
      CHECK(store->commit({}).error().reason == c.reason);
      CHECK(store->stats().read_only);
      CHECK(store->version() == version);
      CHECK(watch->take()->empty());
      CHECK(store->get(pod("2")) == nullptr);
      CHECK(store->get(pod("1")) != nullptr);
      CHECK(ledger_size(*store) == 1);
      CHECK(store->segments("s")->size() == 1);
    }
    const Found found = look_into(folder.db());
    CHECK(holds(found.objects, {1}));
    CHECK(!found.objects.contains(3));
    CHECK(found.objects == found.rows);
    CHECK(found.objects == found.segments);
    auto store = *open_store({.path = folder.db(), .schemas = {kLedger}});
    CHECK(store->commit(numbered(4)));
  }
}

TEST_CASE("store faults: a failed commit fails all of its batch") {
  Faults faults;
  TestFolder folder;
  auto store = *open_store({.path = folder.db(), .schemas = {kLedger}, .vfs = kFaultVfs});
  REQUIRE(store->commit(numbered(1)));
  int failed = 0;
  fault_plan().syncs_left = 1;
  for (int64_t n = 2; n < 200; ++n) {
    store->submit(numbered(n), [&](Result<Committed> done) {
      failed += !done && done.error().code == Code::kUnavailable;
    });
  }
  CHECK(!store->commit({}));
  CHECK(failed == 198);
  CHECK(store->list({"pods", {}}).objects.size() == 1);
}

TEST_CASE("store faults: kill -9 loses no acknowledged write, whatever the disk had not got") {
#if __has_feature(thread_sanitizer)
  MESSAGE("not run: a forked child may not start threads under tsan");
  return;
#endif
  Faults faults;
  TestFolder folder;
  std::set<int64_t> acked;
  int64_t first = 1;
  for (int cycle = 0; cycle < cycles_wanted(); ++cycle) {
    CAPTURE(cycle);
    fault_plan().lose_unsynced = true;
    fault_plan().leak_one_in = cycle % 3 == 0 ? 0 : 3;
    fault_plan().seed = static_cast<uint64_t>(cycle);
    acked.merge(one_life(folder.db(), first, 1 + cycle * cycle * 37 % 400));
    first += 1'000'000;
    const Found found = look_into(folder.db());
    CHECK(found.check == "ok");
    REQUIRE(holds(found.objects, acked));
    REQUIRE(found.objects == found.rows);
    REQUIRE(found.objects == found.segments);
    CHECK(found.version >= found.newest);
  }
  MESSAGE(acked.size(), " acknowledged writes, all there");
}

TEST_CASE("store faults: the crash test notices a disk that lies about syncs") {
#if __has_feature(thread_sanitizer)
  MESSAGE("not run: a forked child may not start threads under tsan");
  return;
#endif
  Faults faults;
  fault_plan().lose_unsynced = fault_plan().ignore_syncs = true;
  TestFolder folder;
  {
    REQUIRE(open_store({.path = folder.db(), .schemas = {kLedger}}));
  }
  auto acked = one_life(folder.db(), 1, 50);
  CHECK(acked.size() >= 50);
  CHECK(!holds(look_into(folder.db()).objects, acked));
}

namespace {

// In a file system of its own: fills it under the store, then makes room again. 0 when all went as it must.
int on_a_full_disk(const std::string& folder) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=24m") != 0) {
    return 77;
  }
  const std::string db = folder + "/m.db", filler = folder + "/filler";
  int64_t acked = 0;
  {
    auto store = *open_store({.path = db, .schemas = {kLedger}});
    Result<Committed> done;
    for (int64_t n = 1; n < 100'000 && done; ++n) {
      Txn large = numbered(n);
      large.segments[0].bytes += std::string(50'000, ' ');
      done = store->commit(std::move(large));
      acked += done.has_value();
    }
    if (done || done.error().reason != "disk_full" || acked < 20) return 1;
    if (ledger_size(*store) != acked ||
        store->list({"pods", {}}).objects.size() != static_cast<size_t>(acked))
      return 2;
  }
  const int fd = ::open(filler.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const std::string zeros(1 << 20, '\0');
  while (::write(fd, zeros.data(), zeros.size()) > 0) {
  }
  {
    auto opened = open_store(
        {.path = db, .schemas = {kLedger}});  // still full: it reads, and says why it does not write
    if (!opened) return 3;
    if (ledger_size(**opened) != acked) return 4;
    auto refused = (*opened)->commit(numbered(1'000'000));
    if (refused || refused.error().reason != "disk_full" || !(*opened)->stats().read_only) return 5;
  }
  ::close(fd);
  ::unlink(filler.c_str());
  ::unlink((folder + "/spare").c_str());
  ::mount("tmpfs", folder.c_str(), "tmpfs", MS_REMOUNT, "size=64m");  // room again
  auto opened = open_store({.path = db, .schemas = {kLedger}});
  if (!opened || ledger_size(**opened) != acked) return 6;
  return (*opened)->commit(numbered(1'000'000)) ? 0 : 7;
}

}  // namespace

TEST_CASE("store faults: a full disk is said, read from, and recovered from when there is room") {
#if __has_feature(thread_sanitizer)
  MESSAGE("not run: a forked child may not start threads under tsan");
  return;
#endif
  Quiet quiet;
  TestFolder folder;
  const pid_t child = ::fork();
  if (child == 0) _exit(on_a_full_disk(folder.path()));
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) {
    MESSAGE("not run: mounting a small tmpfs needs root");
  } else {
    CHECK(WEXITSTATUS(status) == 0);
  }
}

}  // namespace mk::store

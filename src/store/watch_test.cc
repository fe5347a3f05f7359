// Watching, after the list of what went wrong in etcd: events lost, delivered twice, out of order, from the
// past, or without saying that some are gone.
#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <thread>

#include "base/format.h"
#include "store/store_fixture.h"

namespace mk::store {
namespace {

std::string text(const Event& event) {
  constexpr const char* kNames[] = {"added", "modified", "deleted", "bookmark"};
  return fmt::format("{} {}/{}@{}", kNames[static_cast<size_t>(event.kind)], event.object->key.space,
                     event.object->key.name, event.version);
}
std::vector<std::string> texts(Watch& watch, size_t events_max = 1000) {
  std::vector<std::string> out;
  auto events = watch.take(events_max);
  if (!events) return {std::string(code_name(events.error().code))};
  for (const Event& event : *events) out.push_back(text(event));
  return out;
}
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("watch: kinds, states and versions of events") {
  auto store = *open_store({});
  auto watch = *store->watch({"pods", {}}, store->version(), nullptr);
  auto v = store->commit(txn(create(pod("a")), update(pod("a")), remove(pod("a"))))->version;
  auto events = *watch->take();
  REQUIRE(events.size() == 3);
  CHECK(text(events[0]) == fmt::format("added default/a@{}", v - 2));
  CHECK(text(events[1]) == fmt::format("modified default/a@{}", v - 1));
  CHECK(text(events[2]) == fmt::format("deleted default/a@{}", v));
  CHECK(events[0].previous == nullptr);
  CHECK(events[1].previous == events[0].object);
  CHECK(events[2].previous == events[1].object);
  // The last state under the version of the deletion: in body and object alike.
  CHECK(events[2].object->json()["n"].integer() == 1);
  for (const Event& event : events) {
    CHECK(event.object->version == event.version);
    CHECK(event.object->json()["metadata"]["resourceVersion"].text() == std::to_string(event.version));
  }
  CHECK(watch->take()->empty());
}

TEST_CASE("watch: refused transactions give no events") {
  auto store = *open_store({});
  auto watch = *store->watch({"", {}}, store->version(), nullptr);
  CHECK(!store->commit(txn(create(pod("a")), remove(pod("none")))));
  CHECK(watch->take()->empty());
  REQUIRE(store->commit(txn(create(pod("a")))));
  CHECK(watch->take()->size() == 1);
}

TEST_CASE("watch: selections by resource and namespace") {
  auto store = *open_store({});
  const Version start = store->version();
  struct {
    Selection selection;
    Texts seen;
  } cases[] = {
      {{"pods", {}}, {"added x/a@2", "added y/b@3"}},
      {{"pods", "x"}, {"added x/a@2"}},
      {{"pods", ""}, {}},
      {{"jobs", {}}, {"added x/c@4"}},
      {{"", {}}, {"added x/a@2", "added y/b@3", "added x/c@4"}},
      {{"", "x"}, {"added x/a@2", "added x/c@4"}},
      {{"pod", {}}, {}},
  };
  REQUIRE(start == 1);
  REQUIRE(store->commit(txn(create(pod("a", "x")), create(pod("b", "y")), create({"jobs", "x", "c"}))));
  for (auto& c : cases) {
    CAPTURE(c.selection.resource);
    auto watch = *store->watch(c.selection, start, nullptr);
    CHECK(texts(*watch) == c.seen);
    CHECK(watch->reached() == store->version());  // a bookmark moves on past what was not for us
  }
}

TEST_CASE("watch: `ready` is told once until the next take, only of what is selected, never after the end") {
  auto store = *open_store({});
  int pods = 0, others = 0, quiet = 0;
  auto watch = *store->watch({"pods", "x"}, store->version(), [&] { ++pods; });
  auto other = *store->watch({"pods", "y"}, store->version(), [&] { ++others; });
  auto jobs = *store->watch({"jobs", {}}, store->version(), [&] { ++quiet; });
  CHECK(store->stats().watchers == 3);
  for (int i = 0; i < 5; ++i) REQUIRE(store->commit(txn(create(pod(fmt::format("a{}", i), "x")))));
  CHECK(pods == 1);
  CHECK(watch->take(3)->size() == 3);
  CHECK(watch->take(3)->size() == 2);
  REQUIRE(store->commit(txn(create(pod("b", "x")))));
  CHECK(pods == 2);
  watch.reset();
  REQUIRE(store->commit(txn(create(pod("c", "x")))));
  CHECK(pods == 2);
  CHECK(others == 0);
  CHECK(quiet == 0);
  CHECK(store->stats().watchers == 2);
}

TEST_CASE("watch: a version too old, or of another store, is gone and says so") {
  TestFolder folder;
  StoreOptions options{.path = folder.db(), .watch_ring_events_max = 4};
  Version before = 0;
  {
    auto store = *open_store(options);
    before = store->commit(txn(create(pod("a"))))->version;
    for (int i = 0; i < 6; ++i) REQUIRE(store->commit(txn(update(pod("a")))));
    const Version now = store->version();
    CHECK(store->watch({"pods", {}}, now - 5, nullptr).error().code == Code::kGone);
    CHECK(texts(**store->watch({"pods", {}}, now - 4, nullptr)).size() == 4);
    CHECK(texts(**store->watch({"pods", {}}, now, nullptr)).empty());
    CHECK(store->watch({"pods", {}}, now + 1, nullptr).error().code == Code::kGone);
    CHECK(store->watch({"pods", {}}, 0, nullptr).error().code == Code::kGone);
  }
  // After a restart the events are not there any more: the reader must list again, not miss them.
  auto store = *open_store(options);
  CHECK(store->watch({"pods", {}}, before, nullptr).error().code == Code::kGone);
  CHECK(store->watch({"pods", {}}, store->version(), nullptr));
}

TEST_CASE("watch: who falls behind is told, who watches what is quiet is not") {
  auto store = *open_store({.watch_ring_events_max = 8});
  REQUIRE(store->commit(txn(create(pod("a")), create({"jobs", "x", "j"}))));
  const Version start = store->version();
  auto slow = *store->watch({"pods", {}}, start, nullptr);
  auto quiet = *store->watch({"jobs", {}}, start, nullptr);
  auto all = *store->watch({"", {}}, start, nullptr);
  for (int i = 0; i < 8; ++i) REQUIRE(store->commit(txn(update(pod("a")))));
  auto half = *store->watch({"pods", {}}, start, nullptr);
  CHECK(texts(*half, 4).size() == 4);
  for (int i = 0; i < 2; ++i) REQUIRE(store->commit(txn(update(pod("a")))));
  CHECK(texts(*slow) == Texts{"gone"});
  CHECK(texts(*slow) == Texts{"gone"});  // and stays told
  CHECK(texts(*all) == Texts{"gone"});
  CHECK(texts(*half).size() == 6);
  CHECK(texts(*quiet).empty());
  CHECK(quiet->reached() == store->version());
  REQUIRE(store->commit(txn(update({"jobs", "x", "j"}))));
  CHECK(texts(*quiet).size() == 1);
}

TEST_CASE("watch: the ring is bounded in bytes, and one large event still arrives") {
  auto store = *open_store({.watch_ring_bytes_max = 100'000});
  auto watch = *store->watch({"pods", {}}, store->version(), nullptr);
  ObjectOp large = create(pod("a"));
  large.body["text"] = std::string(1 << 20, 'x');
  REQUIRE(store->commit(txn(large)));
  CHECK(texts(*watch).size() == 1);
  for (int i = 0; i < 3; ++i) REQUIRE(store->commit(txn(create(pod(fmt::format("b{}", i))))));
  CHECK(texts(*watch).size() == 3);
  REQUIRE(store->commit(txn(update(pod("b0")))));
  REQUIRE(store->commit(txn(remove(pod("a")))));  // its last state alone is more than the ring
  CHECK(texts(*watch) == Texts{"gone"});
}

TEST_CASE("watch: `ready` may end its own watch") {
  auto store = *open_store({});
  int told = 0;
  std::unique_ptr<Watch> watch;
  watch = *store->watch({"pods", {}}, store->version(), [&] {
    ++told;
    watch.reset();
  });
  REQUIRE(store->commit(txn(create(pod("a")))));
  REQUIRE(store->commit(txn(create(pod("b")))));
  CHECK(told == 1);
  CHECK(store->stats().watchers == 0);
}

TEST_CASE("watch: a watch may outlive its store") {
  auto store = *open_store({});
  auto watch = *store->watch({"pods", {}}, store->version(), nullptr);
  REQUIRE(store->commit(txn(create(pod("a")))));
  store.reset();
  CHECK(texts(*watch).size() == 1);
  CHECK(texts(*watch).empty());
}

namespace {

// Replays events onto a list as a client does, and counts what cannot be.
struct Follower {
  std::map<std::string, Version> objects;
  Version seen = 0;
  int wrong = 0, relists = 0;

  void list(const Store& store) {
    auto listing = store.list({"pods", {}});
    wrong += listing.version < seen;  // back in time
    objects.clear();
    for (const auto& object : listing.objects) objects[object->key.name] = object->version;
    seen = listing.version;
    ++relists;
  }
  void apply(const Event& event, const Store& store) {
    wrong += event.version <= seen;  // twice, or out of order
    seen = event.version;
    auto at = objects.find(event.object->key.name);
    const bool known = at != objects.end();
    wrong += known == (event.kind == Event::Kind::kAdded);  // lost: what happened in between
    wrong += known && event.previous && event.previous->version != at->second;  // lost: a state in between
    if (event.kind == Event::Kind::kDeleted) {
      objects.erase(event.object->key.name);
      return;
    }
    objects[event.object->key.name] = event.version;
    auto current = store.get(event.object->key);
    wrong += current && current->version < event.version;  // the index behind the event
  }
};

// Until it has seen the pod "last".
void follow(Store& store, size_t events_max, Follower& out) {
  while (true) {
    out.list(store);
    std::atomic<uint32_t> told = 0;
    auto watch = store.watch({"pods", {}}, out.seen, [&told] {
      ++told;
      told.notify_one();
    });
    while (watch) {  // else it fell behind between list and watch
      const uint32_t heard = told;
      auto events = (*watch)->take(events_max);
      if (!events) {
        out.wrong += events.error().code != Code::kGone;
        break;
      }
      for (const Event& event : *events) out.apply(event, store);
      if (out.objects.contains("last")) return;
      if (events->empty()) told.wait(heard);
    }
  }
}

}  // namespace

TEST_CASE("watch: followers of a busy store lose nothing, see nothing twice, and end with what is there") {
  TestFolder folder;
  auto store = *open_store({.path = folder.db(), .watch_ring_events_max = 300});
  std::vector<Follower> followers(6);
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < followers.size(); ++i) {
    // Two of them take so little at a time that they fall behind and list again.
    threads.emplace_back([&, i] { follow(*store, i < 2 ? 1 : 100, followers[i]); });
  }
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < 4; ++writer) {
      writers.emplace_back([&, writer] {
        for (int i = 0; i < 1500; ++i) {
          const Key key =
              pod(fmt::format("p{}", (i * 7 + writer) % 23));  // shared: most of these meet somebody else
          const int what = (i + writer) % 5;
          store->submit(txn(what < 2 ? create(key) : what < 4 ? update(key) : remove(key)), nullptr);
          if (i % 50 == 0) (void)store->commit({});
        }
      });
    }
  }
  REQUIRE(store->commit(txn(create(pod("last")))));
  threads.clear();
  std::map<std::string, Version> truth;
  for (const auto& object : store->list({"pods", {}}).objects) truth[object->key.name] = object->version;
  for (const Follower& follower : followers) {
    CHECK(follower.wrong == 0);
    CHECK(follower.objects == truth);
    CHECK(follower.relists >= 1);
  }
}

}  // namespace mk::store

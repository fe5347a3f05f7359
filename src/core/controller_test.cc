#include "core/controller.h"

#include <doctest/doctest.h>

#include <atomic>
#include <charconv>
#include <set>
#include <thread>

#include "base/format.h"
#include "core/bootstrap.h"
#include "core/testing/world.h"
#include "core/work_queue.h"

using namespace mk;
using namespace mk::core;
using mk::core::testing::TestWorld;

namespace {

// Keeps as many child ConfigMaps as its parent asks for: enough of a controller to find out what a host gets
// wrong. Children have fixed names, so a stale view leads to kAlreadyExists, never to one too many.
Result<Again> keep_children(core::World& world, const Key& key) {
  const ObjectRef parent = world.reader.get(key);
  if (!parent || key.name.find("-child-") != std::string::npos) return Again::never();
  const Json body = parent->json();
  size_t wanted = 0;
  const std::string_view count = body.at({"data", "children"}).text("0");
  std::from_chars(count.data(), count.data() + count.size(), wanted);
  std::set<std::string> names;
  for (size_t i = 0; i < wanted; ++i) names.insert(fmt::format("{}-child-{}", key.name, i));
  for (const ObjectRef& child : world.reader.owned_by(parent->uid))
    if (!names.erase(child->key.name)) MK_OK(world.writer.remove(child->key, child->uid));
  for (const std::string& name : names) {
    const Json owner = Json::object({{"apiVersion", "v1"},
                                     {"kind", "ConfigMap"},
                                     {"name", key.name},
                                     {"uid", parent->uid},
                                     {"controller", true}});
    auto made = world.writer.create(Json::object(
        {{"apiVersion", "v1"},
         {"kind", "ConfigMap"},
         {"metadata",
          Json::object(
              {{"name", name}, {"namespace", key.space}, {"ownerReferences", Json::array({owner})}})}}));
    if (!made) return fail(made.error());
  }
  return Again::never();
}

Controller children_controller() {
  Controller controller;
  controller.name = "children";
  controller.resource = "configmaps";
  controller.related.push_back({.resource = "configmaps"});
  controller.reconcile = keep_children;
  return controller;
}

size_t count_children(const TestWorld& world) {
  size_t count = 0;
  for (const Json& object : world.list("configmaps"))
    count += object.at({"metadata", "name"}).text().find("-child-") != std::string_view::npos;
  return count;
}

std::string parent(int children) {
  return fmt::format("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: p}}, data: {{children: \"{}\"}}}}",
                     children);
}

// One life of a parent: grows, loses a child to a person, shrinks, grows, its controller restarts in between.
size_t final_children(TestWorld& w) {
  w.add(children_controller());
  w.apply(parent(5));
  w.run_for(300_ms);
  w.apply(parent(2));
  w.run_for(50_ms);
  w.apply(parent(7));
  w.run_for(2_s);
  if (!w.get("configmaps", "p-child-3").is_null()) w.remove("configmaps", "p-child-3");
  w.run_for(20_ms);
  w.restart();
  w.apply(parent(6));
  w.run_for(200_ms);
  w.calm(20_s);
  return count_children(w);
}

}  // namespace

TEST_CASE("controller: converges on our store and on a cluster-like one, whatever the order") {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    for (const bool cluster_like : {false, true}) {
      CAPTURE(seed);
      CAPTURE(cluster_like);
      TestWorld w({.seed = seed, .cluster_like = cluster_like});
      REQUIRE(final_children(w) == 6);
      w.remove("configmaps", "p");
      w.calm(20_s);
      REQUIRE(count_children(w) == 0);
      REQUIRE(w.host().waiting() == 0);
    }
  }
}

TEST_CASE("controller: planted bugs are found") {
  SUBCASE("a change that no watcher is told of") {
    size_t found = 0;
    for (uint64_t seed = 1; seed <= 50 && !found; ++seed) {
      TestWorld w({.seed = seed, .cluster_like = true, .lag = {.relist_percent = 0, .lose_percent = 30}});
      found += final_children(w) != 6;
    }
    CHECK(found > 0);
  }
  SUBCASE("a controller that forgets to ask again after an error") {
    size_t found = 0;
    for (uint64_t seed = 1; seed <= 100 && !found; ++seed) {
      TestWorld w({.seed = seed, .cluster_like = true});
      Controller careless = children_controller();
      careless.related.clear();  // and its own writes do not wake it
      careless.reconcile = [](core::World& world, const Key& key) -> Result<Again> {
        (void)keep_children(world, key);
        return Again::never();
      };
      w.add(std::move(careless));
      w.apply(parent(8));
      w.run_for(2_s);
      w.calm(20_s);
      found += count_children(w) != 8;
    }
    CHECK(found > 0);
  }
  SUBCASE("a controller that trusts its view of its own writes") {
    const auto trusting = [](core::World& world, const Key& key) -> Result<Again> {
      const ObjectRef owner = world.reader.get(key);
      if (!owner || key.name != "p" || world.reader.owned_by(owner->uid).size() >= 3) return Again::never();
      const Json reference = Json::object({{"apiVersion", "v1"},
                                           {"kind", "ConfigMap"},
                                           {"name", key.name},
                                           {"uid", owner->uid},
                                           {"controller", true}});
      auto made = world.writer.create(
          Json::object({{"apiVersion", "v1"},
                        {"kind", "ConfigMap"},
                        {"metadata", Json::object({{"generateName", "p-child-"},
                                                   {"namespace", key.space},
                                                   {"ownerReferences", Json::array({reference})}})}}));
      if (!made) return fail(made.error());
      return Again::in(10_ms);
    };
    for (const bool cluster_like : {false, true}) {
      TestWorld w({.seed = 3, .cluster_like = cluster_like});
      Controller controller = children_controller();
      controller.reconcile = trusting;
      w.add(std::move(controller));
      w.apply(parent(0));
      w.run_for(5_s);
      CHECK((count_children(w) == 3) == !cluster_like);  // only the late view shows it
    }
  }
}

TEST_CASE("controller: failures back off, are told as one event, and end") {
  TestWorld w;
  int runs = 0;
  Controller controller;
  controller.name = "failing";
  controller.resource = "configmaps";
  controller.reconcile = [&](core::World&, const Key& key) -> Result<Again> {
    if (key.name != "a") return Again::never();
    return ++runs <= 8 ? Result<Again>(fail(Code::kUnavailable, "away", "the registry is away"))
                       : Again::in(10_s);
  };
  w.add(std::move(controller));
  w.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
  w.run_for(100_ms);
  CHECK(runs == 5);  // at 0, 5, 15, 35, 75 ms
  w.run_for(2_s);
  CHECK(runs == 9);
  w.run_for(60_s);
  CHECK(runs == 15);
  CHECK(w.events("a") == std::vector<std::string>{"Warning ReconcileFailed: the registry is away (x8)"});
}

TEST_CASE("controller: one key never runs twice at a time, workers run different keys, stop waits") {
  auto store = store::open_store({}).value();
  const auto pool = os::make_thread_pool(4, "test");
  Objects objects(*store, pool->clock(), os::system_random());
  REQUIRE(make_first_objects(objects));
  EventRecorder events(objects, "test");
  StoreReader reader(*store);
  StoreWriter writer(objects, events, "test");
  std::atomic<int> inside[8] = {}, total = 0;
  std::atomic<bool> twice = false;
  {
    ControllerHost host(*store, reader, writer, *pool);
    Controller controller;
    controller.name = "count";
    controller.resource = "configmaps";
    controller.workers = 4;
    controller.reconcile = [&](core::World&, const Key& key) -> Result<Again> {
      auto& mine = inside[key.name.back() - '0'];
      if (++mine > 1) twice = true;
      ++total;
      --mine;
      return Again::never();
    };
    host.add(std::move(controller));
    host.start();
    const kinds::Kind& kind = *kinds::find_resource("configmaps");
    const Identity who = Identity::owner_of_this_machine();
    for (int round = 0; round < 20; ++round)
      for (int i = 0; i < 8; ++i) {
        const Key key{"configmaps", "default", fmt::format("c{}", i)};
        const Json object =
            Json::object({{"apiVersion", "v1"},
                          {"kind", "ConfigMap"},
                          {"metadata", Json::object({{"name", key.name}, {"namespace", "default"}})},
                          {"data", Json::object({{"r", std::to_string(round)}})}});
        if (objects.get(key))
          REQUIRE(objects.update(who, kind, object));
        else
          REQUIRE(objects.create(who, kind, "default", object));
        host.wake("count", key);
      }
    while (host.waiting() > 0) std::this_thread::yield();
  }
  CHECK_FALSE(twice);
  CHECK(total >= 8);
}

TEST_CASE("work queue: once each, again when woken while running, planned, backed off") {
  WorkQueue queue;
  const Key a{"x", "", "a"}, b{"x", "", "b"};
  queue.add(a);
  queue.add(a);
  queue.add(b);
  CHECK(queue.active() == 2);
  REQUIRE(queue.take() == a);
  queue.add(a);  // woken while it runs
  REQUIRE(queue.take() == b);
  CHECK_FALSE(queue.take());
  queue.done(b, 7_s);
  CHECK(queue.next_due() == 7_s);
  queue.done(a, {});
  REQUIRE(queue.take() == a);
  queue.done(a, {});
  CHECK_FALSE(queue.has_ready());
  queue.wake_due(6_s);
  CHECK_FALSE(queue.has_ready());
  queue.wake_due(7_s);
  REQUIRE(queue.take() == b);
  Duration delay = 5_ms;
  for (int i = 0; i < 30; ++i) {
    CHECK(queue.failed(b, {}) == delay);
    queue.add(b);
    REQUIRE(queue.take() == b);
    delay = std::min(delay * 2, 300_s);
  }
  queue.done(b, {});
  CHECK(queue.active() == 0);
  CHECK_FALSE(queue.next_due());
}

#include "api/kubernetes/watch.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "api/kubernetes/event_lines.h"
#include "base/format.h"
#include "net/client.h"
#include "os/random.h"

namespace k8s = mk::api::kubernetes;
using mk::Json;
using namespace mk::literals;

namespace {

// A reply of a watch as its client sees it; outlives the client. `reading` off = a client that takes nothing
// more.
class Reply {
 public:
  void start(mk::net::Client& client, uint16_t port) {
    call_ = client.start({.host = "127.0.0.1", .port = port}, {.deadline = {}},
                         {.head = [this](mk::net::Response head) { change([&] { status_ = head.status; }); },
                          .data =
                              [this](std::string_view bytes) {
                                bool more = false;
                                change([&] {
                                  text_ += bytes;
                                  more = reading_;
                                });
                                return more;
                              },
                          .done = [this](mk::Result<void> how,
                                         mk::net::Progress) { change([&] { ended_ = how ? 1 : -1; }); }});
  }
  void read(bool on) {
    change([&] { reading_ = on; });
    if (on) call_->resume();
  }
  void cancel() { call_->cancel(); }

  // Waits until there are `count` events, or all of them have come.
  std::vector<Json> events(size_t count) {
    std::unique_lock lock(mutex_);
    REQUIRE(
        changed_.wait_for(lock, std::chrono::seconds(20), [&] { return ended_ != 0 || lines() >= count; }));
    std::vector<Json> out;
    for (size_t at = 0, end; (end = text_.find('\n', at)) != std::string::npos; at = end + 1)
      out.push_back(
          Json::parse(std::string_view(text_).substr(at, end - at), {.bytes_max = 8u << 20}).value());
    return out;
  }
  int ended() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return ended_ != 0; }));
    return ended_;
  }
  int status() const { return status_; }

 private:
  void change(const std::function<void()>& edit) {
    const std::lock_guard lock(mutex_);
    edit();
    changed_.notify_all();
  }
  size_t lines() const { return static_cast<size_t>(std::count(text_.begin(), text_.end(), '\n')); }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<mk::net::Client::Call> call_;
  std::string text_;
  int status_ = 0, ended_ = 0;
  bool reading_ = true;
};

struct World {
  explicit World(size_t ring = 1'000) {
    mk::store::StoreOptions options;
    options.watch_ring_events_max = ring;
    store = mk::store::open_store(std::move(options)).value();
    executor = mk::os::make_thread_pool(2, "watch-test");
    watches = std::make_unique<k8s::Watches>(*store, *executor, k8s::WatchTiming{40_ms, 10_ms});
    server = mk::net::serve({}, [this](mk::net::Request&) {
               mk::net::Decision decision;
               decision.whole = [this](mk::net::Request, mk::net::Reply reply) {
                 watches->start(wish, std::move(reply));
               };
               return decision;
             }).value();
    client = mk::net::make_client();
  }
  ~World() {
    watches->stop();
    client.reset();
    server.reset();
    executor.reset();  // before the watches that its tasks use
  }

  mk::store::Version put(const std::string& name, std::string data, mk::store::ObjectOp::Kind kind) {
    mk::store::Txn txn;
    txn.objects.push_back(
        {kind,
         {"configmaps", "default", name},
         Json::object({{"apiVersion", "v1"},
                       {"kind", "ConfigMap"},
                       {"metadata", Json::object({{"name", name}, {"namespace", "default"}, {"uid", name}})},
                       {"data", Json::object({{"x", std::move(data)}})}}),
         {}});
    return store->commit(std::move(txn)).value().version;
  }
  mk::store::Version create(const std::string& name, std::string data = "") {
    return put(name, std::move(data), mk::store::ObjectOp::Kind::kCreate);
  }

  std::unique_ptr<mk::store::Store> store;
  std::unique_ptr<mk::os::Executor> executor;
  std::unique_ptr<k8s::Watches> watches;
  std::unique_ptr<mk::net::Server> server;
  std::unique_ptr<mk::net::Client> client;
  k8s::Watches::Wish wish{{"configmaps", "default"},
                          {},
                          {},
                          k8s::Encoder({mk::kinds::hold(*mk::kinds::find_resource("configmaps")), "v1"}, {},
                                       k8s::RowObject::kMetadata, mk::os::system_clock()),
                          {},
                          false,
                          false,
                          mk::Duration::from_seconds(60)};
};

std::string summary(const Json& event) {
  return fmt::format("{} {}", event["type"].text(), event["object"]["metadata"]["name"].text());
}

}  // namespace

TEST_CASE("kubernetes: bookmarks say how far a quiet watch has come") {
  Reply reply;
  World world;
  const auto version = world.create("a");
  world.wish.bookmarks = true;
  reply.start(*world.client, world.server->port());
  const auto events = reply.events(3);
  CHECK(summary(events[0]) == "ADDED a");
  for (const size_t i : {size_t{1}, size_t{2}}) {
    CHECK(events[i]["type"].text() == "BOOKMARK");
    CHECK(events[i]["object"]["metadata"]["resourceVersion"].text() == std::to_string(version));
  }
}

TEST_CASE("kubernetes: a watch ends in order at its time-out, when asked to stop, and when its client goes") {
  Reply timed, stopped, left, late;
  World world;
  world.create("a");
  left.start(*world.client, world.server->port());
  CHECK(left.events(1).size() == 1);
  CHECK(world.watches->count() == 1);
  left.cancel();
  // The next watch is opened on another connection; by its end the one that was left is gone too.
  world.wish.timeout = 30_ms;
  timed.start(*world.client, world.server->port());
  CHECK(timed.ended() == 1);
  CHECK(world.watches->count() == 0);
  CHECK(timed.events(1).size() == 1);
  world.wish.timeout = mk::Duration::from_seconds(60);
  stopped.start(*world.client, world.server->port());
  CHECK(stopped.events(1).size() == 1);
  world.watches->stop();
  CHECK(stopped.ended() == 1);
  late.start(*world.client, world.server->port());
  late.ended();
  CHECK(late.status() == 503);
}

TEST_CASE("kubernetes: a client that reads too slowly is told to list again, and costs bounded memory") {
  Reply reply;
  World world(/*ring=*/50);
  world.create("a");
  world.wish.from = world.store->version();
  reply.start(*world.client, world.server->port());
  reply.read(false);
  const std::string large(200'000, 'x');
  for (int i = 0; i < 400; ++i) world.put("a", large + std::to_string(i), mk::store::ObjectOp::Kind::kUpdate);
  reply.read(true);
  CHECK(reply.ended() == 1);
  const auto events = reply.events(1);
  REQUIRE_FALSE(events.empty());
  CHECK(events.size() < 400);
  CHECK(events.back()["type"].text() == "ERROR");
  CHECK(events.back()["object"]["code"].integer() == 410);
}

TEST_CASE("kubernetes: what many watch is printed once for all who want it alike") {
  World world;
  world.create("a");
  const auto object = world.store->get({"configmaps", "default", "a"});
  k8s::EventLines lines;
  const k8s::Encoder& whole = world.wish.encoder;
  k8s::Wanted wanted;
  wanted.shape = k8s::Shape::kPartial;
  wanted.version = "v1";
  const k8s::Encoder partial(whole.target(), wanted, k8s::RowObject::kMetadata, mk::os::system_clock());
  const auto first = lines.of(whole.variant(), "ADDED", *object, whole);
  CHECK(*first == whole.event("ADDED", *object, false));
  CHECK(lines.of(whole.variant(), "ADDED", *object, whole) == first);
  CHECK(lines.printed() == 1);
  CHECK(*lines.of(whole.variant(), "MODIFIED", *object, whole) == whole.event("MODIFIED", *object, false));
  CHECK(*lines.of(partial.variant(), "MODIFIED", *object, partial) ==
        partial.event("MODIFIED", *object, false));
  CHECK(lines.printed() == 3);
}

TEST_CASE("kubernetes: many watchers see every change once, in order") {
  std::vector<Reply> replies(20);
  World world;
  world.wish.from = world.create("start");
  for (Reply& reply : replies) reply.start(*world.client, world.server->port());
  std::vector<std::string> wanted;
  for (int i = 0; i < 50; ++i) {
    world.create(fmt::format("c{:02}", i));
    wanted.push_back(fmt::format("ADDED c{:02}", i));
  }
  for (Reply& reply : replies) {
    std::vector<std::string> seen;
    for (const Json& event : reply.events(50)) seen.push_back(summary(event));
    CHECK(seen == wanted);
  }
}

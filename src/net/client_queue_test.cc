// Calls that wait for a connection because their endpoint has as many as it may.
#include <algorithm>

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "net/client.h"
#include "net/server.h"

using namespace mk;
using namespace mk::net;

namespace {

// Keeps what it is asked until told to answer.
class Slow {
 public:
  Decision operator()(Request&) {
    Decision decision;
    decision.whole = [this](Request request, Reply reply) {
      const std::lock_guard lock(mutex_);
      asked_.push_back(request.body);
      held_.push_back(std::move(reply));
      changed_.notify_all();
    };
    return decision;
  }
  // Waits until `count` were asked since the start.
  std::vector<std::string> wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return asked_.size() >= count; });
    return asked_;
  }
  void answer_all() {
    const std::lock_guard lock(mutex_);
    for (auto& reply : held_) reply.send(Response::text("done"));
    held_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> asked_;
  std::vector<Reply> held_;
};

// What became of calls, in the order of their ends: "2 done", "5 too_many_connections".
class Ends {
 public:
  Client::Events events(int number) {
    return {.head = [](Response) {},
            .data = [](std::string_view) { return true; },
            .done = [this, number](Result<void> result, Progress) {
              const std::lock_guard lock(mutex_);
              ends_.push_back(std::to_string(number) + " " + (result ? "done" : result.error().reason));
              changed_.notify_all();
            }};
  }
  std::vector<std::string> wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ends_.size() >= count; });
    return ends_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> ends_;
};

struct World {
  Slow slow;
  std::unique_ptr<Server> server = serve({}, [this](Request& request) { return slow(request); }).value();
  Endpoint to{.host = "127.0.0.1", .port = server->port()};
  Ends ends;
  std::unique_ptr<Client> client;

  explicit World(Client::Options options) : client(make_client(std::move(options))) {}
  ~World() { client.reset(); }

  std::shared_ptr<Client::Call> ask(int number, Duration deadline = 60_s) {
    return client->start(to, {.method = Method::kPost, .body = std::to_string(number), .deadline = deadline}, ends.events(number));
  }
};

const Client::Options kTwoAndThree{.connections_per_endpoint_max = 2, .waiting_per_endpoint_max = 3};

}  // namespace

TEST_CASE("net client: calls beyond an endpoint's connections wait their turn, and no more than may") {
  World w(kTwoAndThree);
  for (int i = 1; i <= 6; ++i) w.ask(i);
  CHECK(w.ends.wait_for(1) == std::vector<std::string>{"6 too_many_connections"});
  for (const size_t asked : {2u, 4u, 5u}) {
    w.slow.wait_for(asked);
    CHECK(w.server->connections() == 2);
    w.slow.answer_all();
  }
  w.ends.wait_for(6);
  const auto order = w.slow.wait_for(5);
  CHECK(order[4] == "5");  // the last to come
  // Afterwards there is room again.
  w.ask(7);
  w.slow.wait_for(6);
  w.slow.answer_all();
  CHECK(w.ends.wait_for(7).back() == "7 done");
}

TEST_CASE("net client: who waits may leave, lose patience, or be told that the client is closed") {
  World w(kTwoAndThree);
  w.ask(1);
  w.ask(2);
  w.slow.wait_for(2);
  w.ask(3)->cancel();
  CHECK(w.ends.wait_for(1).back() == "3 cancelled");
  w.ask(4, 1_ms);
  CHECK(w.ends.wait_for(2).back() == "4 no_answer_in_time");
  w.ask(5);
  w.client.reset();
  const auto ends = w.ends.wait_for(5);
  CHECK(std::count(ends.begin(), ends.end(), "5 cancelled") == 1);
}

TEST_CASE("net client: bodies that wait are bounded") {
  Client::Options options = kTwoAndThree;
  options.waiting_bytes_max = 1;
  World w(options);
  for (int i = 1; i <= 4; ++i) w.ask(i);
  CHECK(w.ends.wait_for(1) == std::vector<std::string>{"4 too_many_connections"});  // 3 waits: one byte
  w.slow.wait_for(2);
  w.slow.answer_all();
  w.slow.wait_for(3);
  w.slow.answer_all();
  w.ends.wait_for(4);
}

TEST_CASE("net client: a connection that ends makes room for who waits") {
  World w(kTwoAndThree);
  w.ask(1);
  const auto second = w.ask(2);
  w.slow.wait_for(2);
  w.ask(3);
  second->cancel();  // closes its connection
  CHECK(w.ends.wait_for(1).back() == "2 cancelled");
  CHECK(w.slow.wait_for(3).back() == "3");
  w.slow.answer_all();
  w.ends.wait_for(3);
}

// Versions change under open-loop load: requests start on a schedule whether earlier ones are answered or
// not, and none may fail.
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include "dataplane/config/routing.h"
#include "dataplane/gateway/gateway.h"
#include "net/client.h"
#include "net/server.h"
#include "os/clock.h"
#include "os/executor.h"

using namespace mk;

namespace {

// Answers after a moment from another thread, as a model does.
std::unique_ptr<net::Server> model(std::string name, os::Executor& executor) {
  return net::serve({},
                    [name, &executor](net::Request&) {
                      net::Decision decision;
                      decision.whole = [name, &executor](net::Request, net::Reply reply) {
                        auto held = std::make_shared<net::Reply>(std::move(reply));
                        executor.post_after(3_ms, [name, held] { held->send(net::Response::text(name)); });
                      };
                      return decision;
                    })
      .value();
}

// Sends a POST every 400 us until told to end, without waiting for answers while few are missing.
class OpenLoop {
 public:
  explicit OpenLoop(uint16_t port) : to_{.host = "127.0.0.1", .port = port} {
    thread_ = std::thread([this] { run(); });
  }
  ~OpenLoop() { end(); }

  void end() {
    ending_ = true;
    if (thread_.joinable()) thread_.join();
    for (int i = 0; i < 60'000 && done_ < sent_; ++i) ::usleep(1'000);
  }
  uint64_t sent() const { return sent_; }
  uint64_t done() const { return done_; }
  std::map<std::string, int> answers() {
    const std::lock_guard lock(mutex_);
    return answers_;
  }

 private:
  void run() {
    while (!ending_) {
      if (sent_ - done_ >= kInFlightMax) {  // a busy machine is not to run out of connections
        ::usleep(400);
        continue;
      }
      ++sent_;
      client_->fetch(to_, {.method = net::Method::kPost, .target = "/v2/models/wine/infer", .body = "{}"},
                     [this](Result<net::Response> reply, net::Progress) {
                       const std::lock_guard lock(mutex_);
                       if (!reply) ++answers_["error: " + reply.error().message];
                       if (reply && reply->status != 200) ++answers_["status: " + reply->body];
                       if (reply && reply->status == 200) ++answers_[reply->body];
                       ++done_;
                     });
      ::usleep(400);
    }
  }

  static constexpr uint64_t kInFlightMax = 32;
  const net::Endpoint to_;
  std::atomic<bool> ending_ = false;
  std::atomic<uint64_t> sent_ = 0, done_ = 0;
  std::mutex mutex_;
  std::map<std::string, int> answers_;
  std::unique_ptr<net::Client> client_ = net::make_client();
  std::thread thread_;
};

}  // namespace

TEST_CASE("gateway: no request fails while revisions come, take over and go") {
  char folder[] = "/tmp/mk-rollout-XXXXXX";
  REQUIRE(::mkdtemp(folder));
  const auto executor = os::make_thread_pool(2, "model");
  uint64_t generation = 0;
  std::unique_ptr<gateway::Gateway> gateway;
  const auto publish = [&](std::vector<routing::Backend> backends) {
    REQUIRE(routing::publish(folder, {.generation = ++generation,
                                      .routes = {{.service = "default/wine",
                                                  .path_prefixes = {{"/v2/models/wine", false}},
                                                  .backends = std::move(backends)}}}));
    if (gateway) REQUIRE(gateway->reload());
  };
  const auto backend = [](const std::string& name, int weight, const net::Server& server) {
    return routing::Backend{name, weight, {{"127.0.0.1", server.port()}}};
  };
  auto current = model("r0", *executor);
  publish({backend("r0", 100, *current)});
  gateway = gateway::Gateway::start({.folder = folder}).value();
  OpenLoop load(gateway->port());
  constexpr int kRollouts = 8;
  constexpr uint64_t kEach = 100;  // requests while both revisions serve
  for (int i = 1; i <= kRollouts; ++i) {
    const std::string old_name = "r" + std::to_string(i - 1), name = "r" + std::to_string(i);
    auto next = model(name, *executor);
    publish({backend(old_name, 90, *current), backend(name, 10, *next)});
    for (const uint64_t until = load.sent() + kEach; load.sent() < until;) ::usleep(1'000);
    publish({backend(name, 100, *next)});
    current->drain(60_s);  // what a model server does on SIGTERM
    current = std::move(next);
  }
  load.end();
  CHECK(load.done() == load.sent());
  CHECK(load.sent() >= kRollouts * kEach);
  for (const auto& [answer, count] : load.answers()) {
    CHECK_MESSAGE(answer.starts_with("r"), answer << " x " << count);
  }
  CHECK(load.answers().size() == kRollouts + 1);
  gateway.reset();
  ::unlink((std::string(folder) + "/routes.json").c_str());
  ::rmdir(folder);
}

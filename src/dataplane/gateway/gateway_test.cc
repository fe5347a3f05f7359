#include "dataplane/gateway/gateway.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <string>

#include <doctest/doctest.h>

#include "base/json.h"
#include "dataplane/config/routing.h"
#include "dataplane/gateway/table.h"
#include "dataplane/gateway/weighted.h"
#include "net/client.h"
#include "net/server.h"

using namespace mk;
using gateway::Gateway;
using gateway::Table;
using gateway::Weighted;

namespace {

// A model server that tells what reached it.
struct Model {
  explicit Model(std::string name_of) : name(std::move(name_of)) {
    server =
        net::serve({}, [this](net::Request&) {
          net::Decision decision;
          decision.body_bytes_max = 64u << 20;
          decision.whole = [this](net::Request request, net::Reply reply) {
            ++requests;
            net::Response response =
                net::Response::text(name + " " + request.target + " " + std::to_string(request.body.size()));
            for (const char* header :
                 {"X-Forwarded-For", "X-Forwarded-Proto", "X-Request-Id", "Upgrade", "X-Drop"}) {
              if (request.headers.has(header)) {
                response.headers.add(std::string("Seen-") + header, std::string(request.headers.get(header)));
              }
            }
            reply.send(std::move(response));
          };
          return decision;
        }).value();
  }
  routing::Endpoint endpoint() const { return {"127.0.0.1", server->port()}; }

  const std::string name;
  std::atomic<int> requests = 0;
  std::unique_ptr<net::Server> server;
};

struct World {
  World() {
    char path[] = "/tmp/mk-gateway-XXXXXX";
    REQUIRE(mkdtemp(path));
    folder = path;
  }
  ~World() {
    gateway.reset();
    for (const char* file : {"/routes.json", "/admin"}) ::unlink((folder + file).c_str());
    ::rmdir(folder.c_str());
  }
  void publish(std::vector<routing::Backend> backends) {
    const routing::Snapshot snapshot{
        .generation = ++generation,
        .routes = {{.service = "default/wine",
                    .hosts = {"wine.default.example.com"},
                    .path_prefixes = {{"/serving/default/wine", true}, {"/v2/models/wine", false}},
                    .backends = std::move(backends)}}};
    REQUIRE(routing::publish(folder, snapshot));
    if (gateway) REQUIRE(gateway->reload());
  }
  void start() { gateway = Gateway::start({.folder = folder, .admin_path = folder + "/admin"}).value(); }
  net::Response ask(std::string target, net::Headers headers = {}, std::string body = {}) {
    net::ClientRequest request{
        .target = std::move(target), .headers = std::move(headers), .body = std::move(body)};
    if (!request.body.empty()) request.method = net::Method::kPost;
    auto reply = client->fetch({.host = "127.0.0.1", .port = gateway->port()}, std::move(request));
    REQUIRE(reply);
    return *std::move(reply);
  }

  std::string folder;
  uint64_t generation = 0;
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<net::Client> client = net::make_client();
};

}  // namespace

TEST_CASE("gateway: turns come up by weight and evenly") {
  struct Row {
    std::vector<int> weights;
    std::vector<size_t> first;
  };
  const Row rows[] = {
      {{1}, {0, 0, 0}},
      {{1, 1}, {0, 1, 0, 1}},
      {{5, 1, 1}, {0, 0, 1, 0, 2, 0, 0}},
      {{0, 3}, {1, 1}},
  };
  for (const Row& row : rows) {
    Weighted turns(row.weights);
    for (const size_t want : row.first) CHECK(turns.next() == want);
  }
  Weighted turns({90, 10});
  std::map<size_t, int> seen;
  for (int i = 0; i < 10'000; ++i) ++seen[turns.next()];
  CHECK(seen[0] == 9'000);
  CHECK(seen[1] == 1'000);
}

TEST_CASE("gateway: routes are found by exact host and by the longest prefix of whole segments") {
  const Table table({.generation = 1,
                     .routes = {{.service = "a/one",
                                 .hosts = {"one.example.com"},
                                 .path_prefixes = {{"/serving/a/one", true}}},
                                {.service = "a/two", .path_prefixes = {{"/serving/a", false}}}}},
                    nullptr);
  const auto service = [&](std::string_view host, std::string_view path) {
    const auto found = table.find(host, path);
    return found.route ? found.route->service() + ":" + std::to_string(found.stripped) : std::string("none");
  };
  CHECK(service("ONE.example.com:7080", "/anything") == "a/one:0");
  CHECK(service("localhost:7080", "/serving/a/one/v2") == "a/one:14");
  CHECK(service("[::1]:7080", "/serving/a/one") == "a/one:14");
  CHECK(service("127.0.0.1", "/serving/a/oneself") == "a/two:0");
  CHECK(service("127.0.0.2", "/serving/a/one") == "a/one:14");
  CHECK(service("127.0.0.2.evil.example.com", "/serving/a/one") == "none");
  CHECK(service("127.0.0.1", "/serving") == "none");
  CHECK(service("127.0.0.1", "*") == "none");
  CHECK(service("evil.example.com", "/serving/a/one") == "none");
  CHECK_FALSE(table.knows_host("evil.example.com"));
}

TEST_CASE("gateway: carries requests by path and by host, and says which revision answered") {
  World w;
  Model one("one");
  w.publish({{"wine-00001", 100, {one.endpoint()}}});
  w.start();
  const auto reply = w.ask("/serving/default/wine/v2/models/wine?x=1",
                           {{"X-Drop", "1"}, {"Connection", "x-drop, upgrade"}, {"Upgrade", "h2c"}});
  CHECK(reply.body == "one /v2/models/wine?x=1 0");
  CHECK(reply.headers.get("X-Modelkit-Revision") == "wine-00001");
  CHECK(reply.headers.get("Seen-X-Forwarded-For") == "127.0.0.1");
  CHECK(reply.headers.get("Seen-X-Forwarded-Proto") == "http");
  CHECK(reply.headers.get("Seen-X-Request-Id") == reply.headers.get("X-Request-Id"));
  CHECK(reply.headers.get("X-Request-Id").size() == 32);
  CHECK_FALSE(reply.headers.has("Seen-Upgrade"));
  CHECK(w.ask("/serving/default/wine").body == "one / 0");
  CHECK(w.ask("/v2/models/wine/infer", {}, "abc").body == "one /v2/models/wine/infer 3");
  CHECK(w.ask("/any", {{"Host", "wine.default.example.com:80"}}).body == "one /any 0");
  CHECK(w.ask("/any", {{"Host", "wine.default.example.com"}, {"X-Request-Id", "mine"}})
            .headers.get("X-Request-Id") == "mine");
  // Larger than what is held: goes through as a stream.
  CHECK(w.ask("/v2/models/wine/infer", {}, std::string(5u << 20, 'x')).body ==
        "one /v2/models/wine/infer 5242880");
}

TEST_CASE("gateway: unknown hosts, unknown paths and services without a server are told apart") {
  World w;
  w.publish({{"wine-00001", 100, {}}});
  w.start();
  struct Row {
    const char* target;
    const char* host;
    int status;
    const char* says;
  };
  const Row rows[] = {
      {"/nothing", "127.0.0.1", 404, "/nothing"},
      {"/serving/default/wine", "evil.example.com", 404, "evil.example.com"},
      {"/serving/default/wine", "localhost", 503, "default/wine"},
  };
  for (const Row& row : rows) {
    const auto reply = w.ask(row.target, {{"Host", row.host}});
    CHECK(reply.status == row.status);
    const auto json = Json::parse(reply.body);
    REQUIRE(json);
    CHECK((*json)["error"].text().find(row.says) != std::string_view::npos);
  }
}

TEST_CASE("gateway: 10 percent are 10 percent, counted at the servers and by the admin socket") {
  World w;
  Model one("one"), two("two");
  w.publish({{"wine-00001", 90, {one.endpoint()}}, {"wine-00002", 10, {two.endpoint()}}});
  w.start();
  for (int i = 0; i < 1'000; ++i) w.ask("/v2/models/wine");
  CHECK(one.requests == 900);
  CHECK(two.requests == 100);
  const auto stats = w.client->fetch({.unix_path = w.folder + "/admin"}, {.target = "/stats"});
  REQUIRE(stats);
  const auto json = Json::parse(stats->body);
  REQUIRE(json);
  CHECK((*json)["revisions"][1]["requests"].integer() == 100);
  CHECK((*json)["revisions"][0]["errors"].integer() == 0);
  const auto text = w.client->fetch({.unix_path = w.folder + "/admin"}, {.target = "/metrics"});
  REQUIRE(text);
  CHECK(text->body.find(
            "modelkit_gateway_requests_total{service=\"default/wine\",revision=\"wine-00002\"} 100\n") !=
        std::string::npos);
}

TEST_CASE("gateway: a server that is gone is passed over, and its revision as a whole too") {
  World w;
  Model one("one"), two("two");
  auto dead = std::make_unique<Model>("dead");
  const auto nobody = dead->endpoint();
  dead.reset();
  w.publish({{"wine-00001", 50, {nobody, one.endpoint()}}, {"wine-00002", 50, {nobody}}});
  w.start();
  for (int i = 0; i < 20; ++i) CHECK(w.ask("/v2/models/wine").body.starts_with("one"));
  w.publish({{"wine-00002", 100, {nobody}}});
  CHECK(w.ask("/v2/models/wine").status == 503);
  w.publish({{"wine-00003", 100, {two.endpoint()}}});
  CHECK(w.ask("/v2/models/wine").body.starts_with("two"));
}

TEST_CASE("gateway: a broken snapshot changes nothing") {
  World w;
  Model one("one");
  w.publish({{"wine-00001", 100, {one.endpoint()}}});
  w.start();
  FILE* file = std::fopen((w.folder + "/routes.json").c_str(), "w");
  REQUIRE(file);
  std::fputs("{broken", file);
  std::fclose(file);
  CHECK_FALSE(w.gateway->reload());
  CHECK(w.ask("/v2/models/wine").status == 200);
}

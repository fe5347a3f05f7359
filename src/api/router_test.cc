#include "api/router.h"

#include <doctest/doctest.h>

using namespace mk;
using namespace mk::api;

namespace {

net::Response mlflow_like(const Error& error) { return net::Response::json("{\"mlflow\":\"" + error.message + "\"}", 404); }

Route route(net::Method method, std::string pattern, core::Permission permission = {"get", "things"}) {
  const std::string name = pattern;
  return {method, pattern, permission, Quick([name](net::Request& request, const Caller& caller) {
            std::string text = name;
            for (const auto& param : request.params) text += " <" + param + ">";
            return net::Response::text(text + " " + caller.identity.user);
          })};
}

struct Fixture {
  os::SimulatedExecutor workers{1};
  Router router = Router::make(
                      {
                          route(net::Method::kGet, "/a/b"),
                          route(net::Method::kGet, "/a/{x}"),
                          route(net::Method::kPost, "/a/{x}"),
                          route(net::Method::kGet, "/a/{x}/c"),
                          route(net::Method::kGet, "/files/{path...}"),
                          route(net::Method::kGet, "/health", core::Permission::anyone()),
                          {net::Method::kGet, "/api/2.0/x", {"get", "x"}, Quick(), 1024, mlflow_like},
                      },
                      {.owner_uid = 1000, .hosts = {"models.example"}}, workers)
                      .value();

  net::Decision ask(net::Method method, std::string target, net::Headers headers = {{"Host", "127.0.0.1:7070"}},
                    uint32_t uid = 1000) {
    request = {.method = method, .target = std::move(target), .headers = std::move(headers), .peer = {.loopback = true, .uid = uid}};
    return router.dispatch(request);
  }
  // The status of a refusal, or the params that matched.
  std::string outcome(net::Method method, std::string target) {
    const auto decision = ask(method, std::move(target));
    if (decision.refuse) return std::to_string(decision.refuse->status);
    std::string text;
    for (const auto& param : request.params) text += "<" + param + ">";
    return text;
  }
  net::Request request;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "router: a literal beats a parameter beats the rest, each segment decoded once") {
  CHECK(outcome(net::Method::kGet, "/a/b") == "");
  CHECK(outcome(net::Method::kGet, "/a/b/") == "");
  CHECK(outcome(net::Method::kGet, "/a/z%2Fz?q=1") == "<z/z>");
  CHECK(outcome(net::Method::kGet, "/a/b/c") == "<b>");
  CHECK(outcome(net::Method::kPost, "/a/b") == "<b>");
  CHECK(outcome(net::Method::kHead, "/a/b") == "");
  CHECK(outcome(net::Method::kGet, "/files/x/y%20z") == "<x/y z>");
  CHECK(outcome(net::Method::kGet, "/files/%252e") == "<%2e>");
  CHECK(outcome(net::Method::kGet, "/a/%zz") == "404");
  CHECK(outcome(net::Method::kGet, "/nothing") == "404");
  CHECK(outcome(net::Method::kDelete, "/a/b") == "405");
  CHECK(outcome(net::Method::kGet, "//a/b") == "404");
}

TEST_CASE_FIXTURE(Fixture, "router: only the owner, only known hosts and origins") {
  CHECK_FALSE(ask(net::Method::kGet, "/a/b").refuse);
  CHECK(ask(net::Method::kGet, "/a/b", {{"Host", "localhost"}}, 1001).refuse->status == 401);
  CHECK_FALSE(ask(net::Method::kGet, "/health", {{"Host", "localhost"}}, 1001).refuse);
  for (const char* host : {"evil.com", "127.0.0.1.evil.com", "", "localhost.evil.com:7070"})
    CHECK(ask(net::Method::kGet, "/a/b", {{"Host", host}}).refuse->status == 403);
  CHECK_FALSE(ask(net::Method::kGet, "/a/b", {{"Host", "Models.Example:7070"}}).refuse);
  for (const char* origin : {"http://evil.com", "null", "https://localhost.evil.com"})
    CHECK(ask(net::Method::kGet, "/a/b", {{"Host", "localhost"}, {"Origin", origin}}).refuse->status == 403);
  CHECK_FALSE(ask(net::Method::kGet, "/a/b", {{"Host", "localhost"}, {"Origin", "http://127.0.0.1:7070"}}).refuse);
}

TEST_CASE_FIXTURE(Fixture, "router: a refusal speaks the protocol of the path") {
  CHECK(ask(net::Method::kGet, "/api/2.0/y").refuse->body == "{\"mlflow\":\"there is nothing at /api/2.0/y\"}");
  CHECK(ask(net::Method::kGet, "/zzz").refuse->body == "{\"error\":\"there is nothing at /zzz\"}");
}

TEST_CASE("router: overlapping routes are refused at the start") {
  os::SimulatedExecutor workers{1};
  const auto made = Router::make({route(net::Method::kGet, "/a/{x}"), route(net::Method::kGet, "/a/{y}")}, {}, workers);
  REQUIRE_FALSE(made);
  CHECK(made.error().message == "GET /a/{x} and /a/{y} are the same route");
}

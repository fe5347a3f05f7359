#include "api/router.h"

#include <doctest/doctest.h>

#include "os/executor.h"

using namespace mk;
using api::Caller;
using api::Route;
using core::Permission;
using net::Method;
using net::Request;
using net::Response;

namespace {

Response alpha_error(const Error& error) {
  return Response::text("alpha: " + error.message, 400);
}
Response beta_error(const Error& error) {
  return Response::text("beta: " + error.message, 404);
}

Route quick(Method method, std::string pattern, Response (*error)(const Error&) = nullptr,
            Permission permission = {"get", "things"}) {
  auto name = pattern;
  return {.method = method,
          .pattern = std::move(pattern),
          .permission = permission,
          .handler = api::Quick([name](Request& request, const Caller&) {
            std::string text = name;
            for (const auto& param : request.params) text += "|" + param;
            return Response::text(text);
          }),
          .error = error};
}

struct Fixture {
  explicit Fixture(std::vector<Route> routes, api::DoorPolicy policy = {.owner_uid = 7})
      : router(api::Router::make(std::move(routes), std::move(policy), executor).value()) {}

  Response ask(Method method, std::string target, net::Headers headers = {{"Host", "127.0.0.1:7070"}},
               net::Peer peer = {.address = "127.0.0.1", .loopback = true, .uid = 7}) {
    Request request{
        .method = method, .target = std::move(target), .headers = std::move(headers), .peer = peer};
    net::Decision decision = router.dispatch(request);
    if (decision.refuse) return *decision.refuse;
    Response answer;
    decision.whole(std::move(request), net::Reply::capture([&](Response r) { answer = std::move(r); }));
    executor.run_until_idle();
    return answer;
  }

  os::SimulatedExecutor executor{1};
  api::Router router;
};

}  // namespace

TEST_CASE("router: a literal beats a segment, a segment beats the rest") {
  Fixture f({quick(Method::kGet, "/a/b"), quick(Method::kGet, "/a/{x}"), quick(Method::kGet, "/a/{path...}"),
             quick(Method::kGet, "/a/{x}/c"), quick(Method::kGet, "/"), quick(Method::kPost, "/a/b"),
             quick(Method::kGet, "/b")});
  struct Row {
    const char* target;
    const char* answer;
  };
  const Row rows[] = {
      {"/a/b", "/a/b"},           {"/a/b?q=1", "/a/b"},           {"/a/z", "/a/{x}|z"},
      {"/a/b/c", "/a/{x}/c|b"},   {"/a/b/d", "/a/{path...}|b/d"}, {"/a/", "/a/{path...}|"},
      {"/a/p%2Fq", "/a/{x}|p/q"}, {"/a/%2541", "/a/{x}|%41"},     {"/", "/"},
  };
  for (const Row& row : rows) CHECK(f.ask(Method::kGet, row.target).body == row.answer);
  CHECK(f.ask(Method::kHead, "/a/b").body == "/a/b");
}

TEST_CASE("router: 404, 405 and bad encodings speak the protocol of their prefix") {
  Fixture f({quick(Method::kGet, "/alpha/one", alpha_error),
             quick(Method::kGet, "/alpha/{x}/two", alpha_error),
             quick(Method::kPost, "/beta/{x}", beta_error), quick(Method::kGet, "/{page...}")});
  CHECK(f.ask(Method::kGet, "/alpha/none/at/all").body == "alpha: there is no GET /alpha/none/at/all");
  CHECK(f.ask(Method::kGet, "/beta/x/y").body == "beta: there is no GET /beta/x/y");
  CHECK(f.ask(Method::kGet, "/alpha/%zz").body.starts_with("alpha: the path segment"));
  CHECK(f.ask(Method::kGet, "/alpha/%00").status == 400);
  CHECK(f.ask(Method::kGet, "/pages/x").body == "/{page...}|pages/x");
  const Response refused = f.ask(Method::kDelete, "/alpha/one");
  CHECK(refused.status == 405);
  CHECK(refused.headers.get("Allow") == "GET");
  CHECK(refused.body.starts_with("alpha: "));
  CHECK(f.ask(Method::kPost, "/nowhere").status == 405);
  CHECK(f.ask(Method::kGet, "/%zz").body.find("\"error\"") != std::string::npos);
}

TEST_CASE("router: only the owner, unless the route is for anyone") {
  const std::vector<Route> routes = {quick(Method::kGet, "/things", alpha_error),
                                     quick(Method::kGet, "/health", nullptr, Permission::anyone())};
  Fixture f(routes);
  const net::Headers host = {{"Host", "localhost"}};
  struct Row {
    net::Peer peer;
    bool owner;
  };
  const Row rows[] = {
      {{.loopback = true, .uid = 7}, true},   {{.loopback = true, .uid = 8}, false},
      {{.loopback = true, .uid = 0}, false},  {{.loopback = true}, false},
      {{.loopback = false, .uid = 7}, false},
  };
  for (const Row& row : rows) {
    CHECK((f.ask(Method::kGet, "/things", host, row.peer).status == 200) == row.owner);
    CHECK(f.ask(Method::kGet, "/health", host, row.peer).status == 200);
  }
  CHECK(f.ask(Method::kGet, "/things", host, rows[1].peer).body ==
        "alpha: things is forbidden: User \"system:anonymous\" cannot get resource \"things\" in API group \"\" at the "
        "cluster scope");
  Fixture off(routes, {});
  CHECK(off.ask(Method::kGet, "/things", host, rows[0].peer).status != 200);
}

TEST_CASE("router: foreign hosts and origins are refused before anything else") {
  Fixture f({quick(Method::kGet, "/health", nullptr, Permission::anyone())},
            {.owner_uid = 7, .hosts = {"models.example.com", "other.example.com:8443"}});
  struct Row {
    const char* host;
    const char* origin;
    int status;
  };
  const Row rows[] = {
      {"127.0.0.1:7070", "", 200},
      {"localhost", "", 200},
      {"LOCALHOST:7070", "", 200},
      {"[::1]:7070", "", 200},
      {"[::1]", "", 200},
      {"127.0.0.2:7070", "", 200},
      {"127.0.0.1.evil.com", "", 403},
      {"127.evil.com", "", 403},
      {"models.example.com:1", "", 200},
      {"other.example.com:8443", "", 200},
      {"other.example.com", "", 403},
      {"evil.example.com", "", 403},
      {"localhost.evil.com", "", 403},
      {"localhost:7070.evil.com", "", 403},
      {"", "", 403},
      {"127.0.0.1:7070", "http://127.0.0.1:7070", 200},
      {"127.0.0.1:7070", "http://127.0.0.1:8888", 403},
      {"127.0.0.1:7070", "http://localhost:7070", 403},
      {"127.0.0.1:7070", "null", 403},
      {"127.0.0.1:7070", "http://evil.com", 403},
      {"127.0.0.1:7070", "https://models.example.com", 200},
  };
  for (const Row& row : rows) {
    net::Headers headers = {{"Host", row.host}};
    if (*row.origin) headers.add("Origin", row.origin);
    CHECK_MESSAGE(f.ask(Method::kGet, "/health", headers).status == row.status,
                  row.host << " " << row.origin);
  }
}

TEST_CASE("router: a whole handler runs on a worker, a hot one at once") {
  bool ran_hot = false, ran_whole = false;
  std::vector<Route> routes = {{.method = Method::kPost,
                                .pattern = "/hot",
                                .permission = {"create", "things"},
                                .handler = api::Hot{[&](Request, const Caller& caller, net::Reply reply) {
                                  ran_hot = caller.identity.owner;
                                  reply.send(Response::text("hot"));
                                }}},
                               {.method = Method::kPost,
                                .pattern = "/whole",
                                .permission = {"create", "things"},
                                .handler = api::Whole([&](Request, const Caller&, net::Reply reply) {
                                  ran_whole = true;
                                  reply.send(Response::text("whole"));
                                })}};
  Fixture f(std::move(routes));
  Request hot{.method = Method::kPost, .target = "/hot", .headers = {{"Host", "localhost"}}};
  hot.peer = {.loopback = true, .uid = 7};
  Request whole = hot;
  whole.target = "/whole";
  f.router.dispatch(hot).whole(hot, net::Reply::capture([](Response) {}));
  CHECK(ran_hot);
  f.router.dispatch(whole).whole(whole, net::Reply::capture([](Response) {}));
  CHECK_FALSE(ran_whole);
  f.executor.run_until_idle();
  CHECK(ran_whole);
}

TEST_CASE("router: overlapping and malformed patterns are named") {
  CHECK(api::route_problems({quick(Method::kGet, "/a/{x}"), quick(Method::kPost, "/a/{y}")}).empty());
  for (const auto& routes :
       {std::vector{quick(Method::kGet, "/a/{x}"), quick(Method::kGet, "/a/{y}")},
        std::vector{quick(Method::kGet, "/a"), quick(Method::kGet, "/a")},
        std::vector{quick(Method::kGet, "/{a...}/b")}, std::vector{quick(Method::kGet, "a")},
        std::vector{quick(Method::kGet, "/a{b}")}, std::vector{quick(Method::kGet, "/a//b")}}) {
    CHECK(api::route_problems(routes).size() == 1);
  }
}

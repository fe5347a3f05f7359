#include "net/client.h"

#include <unistd.h>

#include <string>

#include <doctest/doctest.h>

#include "net/server.h"

using namespace mk;
using namespace mk::net;

namespace {

Decision echo(Request&) {
  Decision decision;
  decision.whole = [](Request request, Reply reply) {
    reply.send(
        Response::text(std::string(method_name(request.method)) + " " + request.target + " " + request.body));
  };
  return decision;
}

}  // namespace

TEST_CASE("net client: whole replies over TCP and a Unix socket, on a kept connection") {
  auto tcp = serve({}, echo).value();
  char folder[] = "/tmp/mk-net-XXXXXX";
  REQUIRE(mkdtemp(folder));
  const std::string path = std::string(folder) + "/s";
  auto local = serve({.unix_path = path}, echo).value();
  const auto client = make_client();
  for (const Endpoint& to :
       {Endpoint{.host = "127.0.0.1", .port = tcp->port()},
        Endpoint{.host = "localhost", .port = tcp->port()}, Endpoint{.unix_path = path}}) {
    for (int i = 0; i < 3; ++i) {
      const auto reply = client->fetch(to, {.method = Method::kPost, .target = "/x?y", .body = "hello"});
      REQUIRE(reply);
      CHECK(reply->status == 200);
      CHECK(reply->body == "POST /x?y hello");
    }
  }
  CHECK(tcp->connections() == 2);
  CHECK(client->fetch({.host = "127.0.0.1", .port = tcp->port()}, {.method = Method::kHead})->body.empty());
  local.reset();
  rmdir(folder);
}

TEST_CASE("net client: errors say where and why") {
  const auto client = make_client();
  auto server = serve({}, echo).value();
  const uint16_t port = server->port();
  server.reset();
  const auto refused = client->fetch({.host = "127.0.0.1", .port = port}, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().reason == "cannot_connect");
  CHECK(client->fetch({.unix_path = "/nowhere/at/all"}, {}).error().reason == "cannot_connect");
}

TEST_CASE("net client: urls") {
  const auto url = Url::parse("http://host:81/p?q#f");
  REQUIRE(url);
  CHECK(url->endpoint == Endpoint{.host = "host", .port = 81});
  CHECK(url->target == "/p?q");
  CHECK(Url::parse("https://[::1]")->endpoint == Endpoint{.host = "::1", .port = 443, .tls = true});
  for (const char* text :
       {"", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://u@x", "http://x:y"}) {
    CHECK_FALSE(Url::parse(text));
  }
}

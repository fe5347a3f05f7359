#include "net/server.h"

#include <string>

#include <doctest/doctest.h>

#include "net/testing/raw_client.h"
#include "os/executor.h"

using namespace mk;
using namespace mk::net;
using namespace mk::net::testing;

namespace {

Decision echo(Request&) {
  Decision decision;
  decision.whole = [](Request request, Reply reply) {
    reply.send(
        Response::text(std::string(method_name(request.method)) + " " + request.target + " " + request.body));
  };
  return decision;
}

std::unique_ptr<Server> serve_or_fail(Dispatch dispatch, ServerOptions options = {}) {
  auto server = serve(std::move(options), std::move(dispatch));
  REQUIRE(server);
  return std::move(*server);
}

}  // namespace

TEST_CASE("net server: keep-alive, pipelining and bodies on one connection") {
  const auto server = serve_or_fail(echo);
  RawClient client(server->port());
  REQUIRE(client.connected);
  client.send(
      "GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxyz"
      "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n");
  const std::string all = client.read_to_end();
  CHECK(contains(all, "GET /a "));
  CHECK(contains(all, "POST /b xyz"));
  CHECK(contains(all, "POST /c abcde"));
  CHECK(contains(all, "Connection: close"));
}

TEST_CASE("net server: the answer may come later from another thread") {
  const auto pool = os::make_thread_pool(2, "test");
  const auto server = serve_or_fail([&](Request&) {
    Decision decision;
    decision.whole = [&](Request, Reply reply) {
      auto held = std::make_shared<Reply>(std::move(reply));
      pool->post([held] { held->send(Response::text("later")); });
    };
    return decision;
  });
  RawClient client(server->port());
  for (int i = 0; i < 20; ++i) {
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(contains(client.read_until("later"), "200 OK"));
  }
}

TEST_CASE("net server: a handler that drops its reply answers 500") {
  const auto server = serve_or_fail([](Request&) {
    Decision decision;
    decision.whole = [](Request, Reply) {};
    return decision;
  });
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(contains(client.read_until("\r\n\r\n"), "HTTP/1.1 500 "));
}

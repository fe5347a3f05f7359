// The server against slow, greedy, half-closed and vanished clients, with tiny deadlines.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include "net/client.h"
#include "net/peer.h"
#include "net/server.h"
#include "net/testing/raw_client.h"
#include "os/clock.h"

using namespace mk;
using namespace mk::net;
using namespace mk::net::testing;

namespace {

std::unique_ptr<Server> serve_or_fail(Dispatch dispatch, ServerOptions options = {}) {
  auto server = serve(std::move(options), std::move(dispatch));
  REQUIRE(server);
  return std::move(*server);
}

Decision echo(Request&) {
  Decision decision;
  decision.whole = [](Request request, Reply reply) { reply.send(Response::text("echo " + request.body)); };
  return decision;
}

Limits tiny() {
  return {
      .header_deadline = 40_ms, .body_idle_deadline = 40_ms, .write_deadline = 40_ms, .idle_deadline = 40_ms};
}

template <typename F>
bool soon(F f) {
  const Duration end = os::system_clock().monotonic() + 5_s;
  while (!f()) {
    if (os::system_clock().monotonic() > end) return false;
    ::usleep(500);
  }
  return true;
}

}  // namespace

TEST_CASE("net limits: slow heads, slow bodies and idle connections are given up") {
  const auto server = serve_or_fail(echo, {.limits = tiny()});
  RawClient head(server->port()), body(server->port()), idle(server->port()), silent(server->port());
  head.send("GET / HTTP/1.1\r\nHo");
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(contains(head.read_to_end(), "HTTP/1.1 408 "));
  CHECK(contains(body.read_to_end(), "HTTP/1.1 408 "));
  CHECK(contains(idle.read_to_end(), "200 OK"));
  CHECK(silent.read_to_end().empty());
  CHECK(soon([&] { return server->connections() == 0; }));
}

TEST_CASE("net limits: a client that does not read is cut, and nobody waits for it") {
  const auto server = serve_or_fail(
      [](Request&) {
        Decision decision;
        decision.whole = [](Request, Reply reply) {
          reply.send(Response::text(std::string(32u << 20, 'x')));
        };
        return decision;
      },
      {.limits = tiny()});
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(soon([&] { return server->connections() == 1; }));
  CHECK(soon([&] { return server->connections() == 0; }));
}

TEST_CASE("net limits: connections over the bound are turned away") {
  const auto server = serve_or_fail(echo, {.limits = {.connections_max = 2}});
  RawClient one(server->port()), two(server->port());
  REQUIRE(soon([&] { return server->connections() == 2; }));
  RawClient three(server->port());
  CHECK(contains(three.read_to_end(), "503 Service Unavailable"));
  one.close();
  REQUIRE(soon([&] { return server->connections() == 1; }));
  RawClient four(server->port());
  four.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(contains(four.read_until("echo"), "200 OK"));
}

TEST_CASE(
    "net limits: too large is said before the body is read, and short rests do not end the connection") {
  const auto server = serve_or_fail([](Request& request) {
    Decision decision = echo(request);
    decision.body_bytes_max = 10;
    decision.error = [](const Error& error) { return Response::text("mine: " + error.message, 413); };
    if (request.path() == "/refuse") decision.refuse = Response::text("refused", 403);
    return decision;
  });
  RawClient large(server->port());
  large.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n");
  const std::string answer = large.read_to_end();
  CHECK(answer.starts_with("HTTP/1.1 413 "));
  CHECK(contains(answer, "mine: the body has 9999999 bytes"));
  RawClient kept(server->port());
  kept.send("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n");
  CHECK(contains(kept.read_until("refused"), "403"));
  kept.send("12345678901234567890POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok");
  CHECK(contains(kept.read_until("echo ok"), "200 OK"));
}

TEST_CASE("net limits: 100-continue is sent when the body is wanted") {
  const auto server = serve_or_fail(echo);
  RawClient client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  CHECK(contains(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue"));
  client.send("ok");
  CHECK(contains(client.read_until("echo ok"), "HTTP/1.1 200 OK"));
}

TEST_CASE("net limits: 3 MB of one-byte chunks are cheap") {
  const auto server = serve_or_fail(echo);
  RawClient client(server->port());
  std::string bytes = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
  constexpr size_t kCount = 3u << 20;
  for (size_t i = 0; i < kCount; ++i) bytes += "1\r\nx\r\n";
  bytes += "0\r\n\r\n";
  const Duration start = os::system_clock().monotonic();
  client.send(bytes);
  CHECK(client.read_to_end().size() > kCount);
  const Duration took = os::system_clock().monotonic() - start;
  MESSAGE("3 MB of one-byte chunks took " << took.ms() << " ms");
  CHECK(took < 10_s);
}

TEST_CASE("net limits: draining answers what runs and what just arrives, then closes") {
  std::atomic<bool> entered = false;
  std::shared_ptr<Reply> held;
  const auto server = serve_or_fail([&](Request&) {
    Decision decision;
    decision.whole = [&](Request request, Reply reply) {
      if (request.path() == "/quick") return reply.send(Response::text("quick"));
      held = std::make_shared<Reply>(std::move(reply));
      entered = true;
    };
    return decision;
  });
  RawClient slow(server->port()), late(server->port());
  late.send("GET /quick HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(contains(late.read_until("quick"), "200 OK"));
  slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(soon([&] { return entered.load(); }));
  late.send("GET /quick HTTP/1.1\r\nHost: x\r\n\r\n");
  server->drain(100_ms);  // cuts the slow one in the end
  CHECK(contains(late.read_to_end(), "200 OK"));
  CHECK(slow.read_to_end().empty());
  held->send(Response::text("too late"));
  CHECK_FALSE(RawClient(server->port()).connected);
}

TEST_CASE("net limits: who had connected before the drain, but was not accepted yet, is answered") {
  std::atomic<bool> entered = false;
  std::promise<void> release;
  const auto server = serve_or_fail([&](Request& request) {
    if (request.path() == "/block") {  // the I/O thread accepts nobody meanwhile
      entered = true;
      release.get_future().wait();
    }
    return echo(request);
  });
  RawClient first(server->port());
  first.send("GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(soon([&] { return entered.load(); }));
  RawClient second(server->port());
  second.send("GET /second HTTP/1.1\r\nHost: x\r\n\r\n");
  std::thread drain([&] { server->drain(5_s); });
  release.set_value();
  CHECK(contains(first.read_to_end(), "200 OK"));
  CHECK(contains(second.read_to_end(), "200 OK"));
  first.close();
  second.close();
  drain.join();
  CHECK_FALSE(RawClient(server->port()).connected);
}

TEST_CASE("net peer: our own socket has our uid, a closed one has none") {
  const PeerLookup lookup;
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener, 4) == 0);
  socklen_t size = sizeof address;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  RawClient client(ntohs(address.sin_port));
  const int accepted = ::accept(listener, nullptr, nullptr);
  REQUIRE(accepted >= 0);
  CHECK(lookup.uid_of_peer(accepted) == ::getuid());
  client.close();
  CHECK(lookup.uid_of_peer(accepted) == std::nullopt);
  RawClient reset(ntohs(address.sin_port));
  const int second = ::accept(listener, nullptr, nullptr);
  const linger hard{1, 0};
  ::setsockopt(reset.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  reset.close();
  CHECK(lookup.uid_of_peer(second) == std::nullopt);
  for (const int fd : {accepted, second, listener}) ::close(fd);
}

TEST_CASE("net peer: the server gives the uid to the handler") {
  const auto server = serve_or_fail(
      [](Request&) {
        Decision decision;
        decision.whole = [](Request request, Reply reply) {
          reply.send(Response::text(request.peer.uid ? std::to_string(*request.peer.uid) : "none"));
        };
        return decision;
      },
      {.find_peer_uid = true});
  const auto reply = make_client()->fetch({.host = "127.0.0.1", .port = server->port()}, {});
  REQUIRE(reply);
  CHECK(reply->body == std::to_string(::getuid()));
}

// Streamed bodies both ways, files, and TLS.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include "net/client.h"
#include "net/server.h"
#include "net/testing/raw_client.h"
#include "net/testing/tls_identity.h"
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

Dispatch whole(std::function<void(Request, Reply)> handler) {
  return [handler = std::move(handler)](Request&) {
    Decision decision;
    decision.body_bytes_max = 256u << 20;
    decision.whole = handler;
    return decision;
  };
}

Dispatch streamed(std::function<void(Request, Body, Reply)> handler) {
  return [handler = std::move(handler)](Request&) {
    Decision decision;
    decision.policy = BodyPolicy::kStream;
    decision.body_bytes_max = 256u << 20;
    decision.stream = handler;
    return decision;
  };
}

std::string pattern(size_t size) {
  std::string text(size, 0);
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
  return text;
}

int file_of(const std::string& text) {
  char path[] = "/tmp/mk-net-file-XXXXXX";
  const int fd = ::mkstemp(path);
  ::unlink(path);
  REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  return fd;
}

struct Latch {
  std::mutex mutex;
  std::condition_variable changed;
  bool set = false;
  void open() {
    const std::lock_guard lock(mutex);
    set = true;
    changed.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(5), [&] { return set; });
  }
};

}  // namespace

TEST_CASE("net stream: written from another thread, read as one body") {
  std::thread writer;
  const auto server = serve_or_fail(whole([&](Request, Reply reply) {
    auto stream = std::make_shared<Stream>(reply.stream(Response::text("")));
    writer = std::thread([stream] {
      for (int i = 0; i < 1000; ++i) stream->write("line " + std::to_string(i) + "\n");
      stream->finish();
    });
  }));
  const auto client = make_client();
  const Endpoint to{.host = "127.0.0.1", .port = server->port()};
  const auto reply = client->fetch(to, {});
  writer.join();
  REQUIRE(reply);
  CHECK(reply->headers.get("Transfer-Encoding") == "chunked");
  CHECK(reply->body.starts_with("line 0\nline 1\n"));
  CHECK(reply->body.ends_with("line 999\n"));
  CHECK(server->connections() == 1);
}

TEST_CASE("net stream: an announced length is kept, a broken promise cuts") {
  const auto server = serve_or_fail(whole([&](Request request, Reply reply) {
    Response head = Response::text("");
    head.headers.set("Content-Length", "10");
    Stream stream = reply.stream(std::move(head));
    stream.write(request.path() == "/good" ? "0123456789" : "0123");
    stream.finish();
  }));
  const auto client = make_client();
  const Endpoint to{.host = "127.0.0.1", .port = server->port()};
  const auto good = client->fetch(to, {.target = "/good"});
  REQUIRE(good);
  CHECK(good->body == "0123456789");
  CHECK_FALSE(good->headers.has("Transfer-Encoding"));
  CHECK_FALSE(client->fetch(to, {.target = "/bad"}));
}

TEST_CASE("net stream: a client that leaves is noticed, one that does not read is cut at the bound") {
  Latch closed;
  std::shared_ptr<Stream> held;
  Latch started;
  const auto server = serve_or_fail(whole([&](Request, Reply reply) {
                                      held = std::make_shared<Stream>(reply.stream(Response::text("")));
                                      held->on_closed([&] { closed.open(); });
                                      held->write("hello");
                                      started.open();
                                    }),
                                    {.limits = {.stream_queue_bytes_max = 1 << 20}});
  {
    RawClient client(server->port());
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client.read_until("hello");
  }
  CHECK(closed.wait());
  CHECK_FALSE(held->write("more"));
  started.set = closed.set = false;
  RawClient deaf(server->port());
  deaf.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(started.wait());
  const std::string block(64 << 10, 'x');
  int written = 0;
  while (held->write(block) && written < 10'000) ++written;
  CHECK(written < 10'000);
  CHECK(closed.wait());
}

TEST_CASE("net stream: dropped unfinished, the client sees that the answer is not whole") {
  const auto server = serve_or_fail(whole([](Request, Reply reply) {
    Stream stream = reply.stream(Response::text(""));
    stream.write("half");
  }));
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK_FALSE(contains(client.read_to_end(), "0\r\n\r\n"));
}

TEST_CASE("net body: a streamed body arrives whole, in a file, at the reader's pace") {
  const int fd = file_of("");
  const auto server = serve_or_fail(streamed([fd](Request, Body body, Reply reply) {
    auto held = std::make_shared<std::pair<Body, Reply>>(std::move(body), std::move(reply));
    held->first.into_file(fd, [held](Result<uint64_t> count) {
      held->second.send(Response::text(count ? std::to_string(*count) : count.error().message));
    });
  }));
  const auto client = make_client();
  const std::string text = pattern(20u << 20);
  const auto reply =
      client->fetch({.host = "127.0.0.1", .port = server->port()}, {.method = Method::kPut, .body = text});
  REQUIRE(reply);
  CHECK(reply->body == std::to_string(text.size()));
  std::string back(text.size(), 0);
  CHECK(::pread(fd, back.data(), back.size(), 0) == static_cast<ssize_t>(back.size()));
  CHECK(back == text);
  ::close(fd);
}

TEST_CASE("net body: not reading slows the sender down, leaving is reported") {
  std::shared_ptr<Body> held;
  std::shared_ptr<Reply> answer;
  Latch entered, failed;
  const auto server = serve_or_fail(streamed([&](Request, Body body, Reply reply) {
    held = std::make_shared<Body>(std::move(body));
    answer = std::make_shared<Reply>(std::move(reply));
    entered.open();
  }));
  RawClient client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n\r\n");
  REQUIRE(entered.wait());
  const std::string block(1 << 20, 'x');
  size_t sent = 0;
  while (sent < 100) {
    const ssize_t count = ::send(client.fd(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count <= 0) break;
    ++sent;
  }
  CHECK(sent < 100);
  client.close();
  std::function<void()> read = [&] {
    held->read([&](Result<std::string_view> bytes) {
      if (!bytes) return failed.open();
      read();
    });
  };
  read();
  CHECK(failed.wait());
}

TEST_CASE("net client: a streamed request waits for room") {
  const auto server = serve_or_fail(whole(
      [](Request request, Reply reply) { reply.send(Response::text(std::to_string(request.body.size()))); }));
  const auto client = make_client();
  for (const bool known : {true, false}) {
    Latch done, room;
    std::string body;
    Client::Events events{.head = [](Response) {},
                          .data =
                              [&](std::string_view bytes) {
                                body += bytes;
                                return true;
                              },
                          .done =
                              [&](Result<void> result, Progress) {
                                CHECK(result);
                                done.open();
                              },
                          .writable = [&] { room.open(); }};
    ClientRequest request{.method = Method::kPost, .stream_body = true};
    if (known) request.body_length = 32u << 20;
    const auto call = client->start({.host = "127.0.0.1", .port = server->port()}, request, events);
    const std::string block(1 << 20, 'x');
    for (int i = 0; i < 32; ++i) {
      if (call->write(block)) continue;
      REQUIRE(room.wait());
      room.set = false;
    }
    call->end_body();
    REQUIRE(done.wait());
    CHECK(body == std::to_string(32u << 20));
  }
}

TEST_CASE("net client: a paused reply holds the server back and goes on") {
  const std::string text = pattern(8u << 20);
  const auto server = serve_or_fail(whole([&](Request, Reply reply) { reply.send(Response::text(text)); }));
  const auto client = make_client();
  Latch done, paused;
  std::string body;
  std::atomic<int> pauses = 0;
  Client::Events events{.head = [](Response) {},
                        .data =
                            [&](std::string_view bytes) {
                              body += bytes;
                              if (++pauses % 16 != 0) return true;
                              paused.open();
                              return false;
                            },
                        .done =
                            [&](Result<void> result, Progress) {
                              CHECK(result);
                              done.open();
                            }};
  const auto call = client->start({.host = "127.0.0.1", .port = server->port()}, {}, events);
  while (true) {
    {
      std::unique_lock lock(paused.mutex);
      paused.changed.wait_for(lock, std::chrono::milliseconds(20), [&] { return paused.set; });
      paused.set = false;
    }
    call->resume();
    const std::lock_guard lock(done.mutex);
    if (done.set) break;
  }
  CHECK(body == text);
}

TEST_CASE("net file: sent in full, in part, and for HEAD not at all") {
  const std::string text = pattern(3u << 20);
  const auto tls = make_identity();
  for (const bool secure : {false, true}) {
    ServerOptions options;
    if (secure) options.tls = TlsIdentity{tls.certificate, tls.key, {}};
    const auto server = serve_or_fail(whole([&](Request request, Reply reply) {
                                        const int fd = file_of(text);
                                        if (request.path() == "/part") {
                                          return reply.send_file(Response::text("", 206), fd, 1000, 500);
                                        }
                                        reply.send_file(Response::text(""), fd, 0, text.size());
                                      }),
                                      std::move(options));
    const auto client = make_client();
    const Endpoint to{
        .host = "127.0.0.1", .port = server->port(), .tls = secure, .ca_pem = secure ? tls.certificate : ""};
    const auto all = client->fetch(to, {});
    REQUIRE_MESSAGE(all, (all ? "" : all.error().message));
    CHECK(all->body == text);
    CHECK(client->fetch(to, {.target = "/part"})->body == text.substr(1000, 500));
    const auto head = client->fetch(to, {.method = Method::kHead});
    REQUIRE(head);
    CHECK(head->headers.get("Content-Length") == std::to_string(text.size()));
    CHECK(head->body.empty());
    CHECK(server->connections() == 1);
  }
}

TEST_CASE("net tls: the first byte decides, and a client trusts only its CA") {
  const auto identity = make_identity();
  ServerOptions options;
  options.tls = TlsIdentity{identity.certificate, identity.key, {}};
  const auto server = serve_or_fail(whole([](Request request, Reply reply) {
                                      reply.send(Response::text(request.peer.tls ? "secure" : "plain"));
                                    }),
                                    std::move(options));
  const auto client = make_client();
  const Endpoint plain{.host = "127.0.0.1", .port = server->port()};
  Endpoint secure = plain;
  secure.tls = true;
  secure.ca_pem = identity.certificate;
  for (int i = 0; i < 3; ++i) {
    CHECK(client->fetch(plain, {})->body == "plain");
    const auto reply = client->fetch(secure, {});
    REQUIRE_MESSAGE(reply, (reply ? "" : reply.error().message));
    CHECK(reply->body == "secure");
  }
  secure.ca_pem = make_identity().certificate;
  CHECK(client->fetch(secure, {}).error().reason == "tls_handshake");
  CHECK_FALSE(serve({.tls = TlsIdentity{"no", "certificate", {}}}, {}));
}

#include "net/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

#include <doctest/doctest.h>

#include "os/executor.h"

using namespace mk;
using namespace mk::net;

namespace {

// A client that sends exactly the bytes it is told.
class RawClient {
 public:
  explicit RawClient(uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval limit{5, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    connected = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { close(); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    return true;
  }
  // Reads until the text has been seen, the end, or five seconds.
  std::string read_until(std::string_view text) {
    std::string all;
    char block[4096];
    while (all.find(text) == std::string::npos) {
      const ssize_t count = ::recv(fd_, block, sizeof block, 0);
      if (count <= 0) break;
      all.append(block, static_cast<size_t>(count));
    }
    return all;
  }
  std::string read_to_end() { return read_until(std::string_view("\0never\0", 7)); }
  bool connected = false;

 private:
  int fd_ = -1;
};

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

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
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

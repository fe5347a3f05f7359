// HTTP/1.1 server: keep-alive, TCP_NODELAY, one write per reply, bounded headers and bodies, deadlines,
// drain, TLS or plain by the first byte. Handlers run on the server's I/O threads and must not block: long
// work goes to an executor and answers through the Reply later, from any thread.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "net/http.h"
#include "net/io.h"

namespace mk::net {

// The right to answer one request, once. Movable, usable from any thread. Dropped unanswered, it sends 500.
class Reply {
 public:
  struct State;
  explicit Reply(std::shared_ptr<State> state);
  Reply(Reply&&) noexcept;
  Reply& operator=(Reply&&) noexcept;
  ~Reply();

  // A reply without a connection: `call` gets the whole response, once. For tests and for calling a handler
  // from inside the process. Streams and files are collected first.
  static Reply capture(std::function<void(Response)> call);

  void send(Response response);
  // Sends what `make` gives. It is called on the connection's I/O thread, for callers that have no time to print; must
  // be as quick as a handler.
  void send_made(std::function<Response()> make);

  // Sends `length` bytes of the open file from `offset`; takes ownership of `fd`. Never holds the file in
  // memory.
  void send_file(Response head, int fd, uint64_t offset, uint64_t length);

  // Starts a reply that is written bit by bit: of the length that the head's own Content-Length announces (a
  // mismatch cuts the connection), else chunked. See Stream.
  class Stream stream(Response head);

  // Calls back once, on the I/O thread, when the client is gone before the answer; not after it.
  void on_closed(std::function<void()> call);

 private:
  std::shared_ptr<State> state_;
};

// A reply of unknown length. Thread-safe. Dropped without finish(), the connection is cut so that the client
// sees it.
class Stream {
 public:
  explicit Stream(std::shared_ptr<Reply::State> state);
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();

  // Queues one chunk; false when the peer is gone or more than `Limits::stream_queue_bytes_max` wait (then it
  // is cut).
  bool write(std::string_view chunk);
  size_t queued_bytes() const;
  void on_drained(std::function<void()> call);  // called once, when the queue is next empty
  void on_closed(std::function<void()> call);  // called once, when the peer is gone; at once if it is already
  void finish();

 private:
  std::shared_ptr<Reply::State> state_;
};

// The body of a request whose policy is kStream. Read until end; not reading slows the sender down.
class Body {
 public:
  struct State;
  explicit Body(std::shared_ptr<State> state);
  Body(Body&&) noexcept;
  ~Body();
  // Calls back on an I/O thread with the next bytes (valid during the call), or an empty view at the end.
  void read(std::function<void(Result<std::string_view>)> call);
  // Writes all of it into `fd` (not owned), then calls back with the count.
  void into_file(int fd, std::function<void(Result<uint64_t>)> call);

 private:
  std::shared_ptr<State> state_;
};

enum class BodyPolicy : uint8_t { kWhole, kStream };

// What to do with a request whose headers have arrived. `policy` decides which handler is called.
struct Decision {
  BodyPolicy policy = BodyPolicy::kWhole;
  uint64_t body_bytes_max = 3u << 20;
  std::function<void(Request, Reply)> whole;
  std::function<void(Request, Body, Reply)> stream;
  std::optional<Response> refuse;  // answered at once, the body is not read
  // Writes what net/ itself refuses (a body that is too large or malformed) in the protocol's form. May be
  // null.
  Response (*error)(const Error&) = nullptr;
  bool upgrade = false;  // room for WebSocket and SPDY; not carried yet
};

// Chooses a handler by the request's head. Called on an I/O thread; must be fast.
using Dispatch = std::function<Decision(Request&)>;

struct Limits {
  size_t header_bytes_max = 32u << 10;
  size_t connections_max = 10'000;
  size_t stream_queue_bytes_max = 8u << 20;
  Duration header_deadline = Duration::from_seconds(20);     // from the first byte to the end of the head
  Duration body_idle_deadline = Duration::from_seconds(60);  // for each next KiB (kProgressBytes)
  Duration write_deadline = Duration::from_seconds(60);      // the same, for a client that reads slowly
  Duration idle_deadline = Duration::from_seconds(120);      // between requests
};

struct TlsIdentity {
  std::string certificate_pem;
  std::string key_pem;
  std::string client_ca_pem;  // empty: client certificates are not asked for
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;      // 0 = any; see Server::port()
  std::string unix_path;  // a Unix socket instead; an old socket file there is replaced; mode 0600
  size_t threads = 1;
  std::shared_ptr<Io> io;  // these threads instead of own ones
  Limits limits = {};
  std::optional<TlsIdentity> tls;  // with it, the first byte decides TLS or plain
  bool find_peer_uid = false;      // sock_diag lookup of loopback peers at accept
  Headers reply_headers;           // on every reply, net's own refusals too
};

class Server {
 public:
  virtual ~Server() = default;  // stops at once
  virtual uint16_t port() const = 0;
  // Lets running requests end until `deadline` has passed, then cuts. Accepts no more once it has no connection, or
  // after a moment (kDrainGraceMs): who was sent here just before still is answered.
  virtual void drain(Duration deadline) = 0;
  virtual size_t connections() const = 0;
};

// Fails when the address cannot be bound, saying which and why.
Result<std::unique_ptr<Server>> serve(ServerOptions options, Dispatch dispatch);

}  // namespace mk::net

// HTTP/1.1 client: pooled keep-alive connections, deadlines, streamed bodies both ways. Asynchronous core
// with blocking wrappers. Connects only to where the caller says: guarding against user-chosen addresses is
// the egress policy's work, not this class's.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "net/http.h"
#include "net/io.h"

namespace mk::net {

struct Endpoint {
  std::string host;  // name or address; ignored when unix_path is set
  uint16_t port = 0;
  std::string unix_path;  // a Unix socket instead of TCP
  bool tls = false;
  std::string ca_pem;  // trust only this CA
  bool operator==(const Endpoint&) const = default;
};

struct ClientRequest {
  Method method = Method::kGet;
  std::string target = "/";
  Headers headers;
  std::string body;
  // The body comes through Call::write() and end_body() instead; `body_length`, when known, becomes
  // Content-Length.
  bool stream_body = false;
  std::optional<uint64_t> body_length = {};
  Duration connect_deadline = Duration::from_seconds(5);
  Duration deadline = Duration::from_seconds(60);  // until the reply's head; zero = none
  bool deadline_covers_body = false;               // until the reply's end instead; fetch() sets it
  uint64_t body_bytes_max = 64u << 20;             // of the reply
};

// How far a failed exchange got: only kNotSent is safe to retry for every method. A connection from the pool
// that the peer closed before the first byte of an answer fails with kSent and the reason "stale_connection".
enum class Progress : uint8_t { kNotSent, kSent, kAnswered };

class Client {
 public:
  struct Options {
    size_t threads = 1;
    std::shared_ptr<Io> io = {};                    // these threads instead of own ones
    size_t idle_connections_per_endpoint_max = 64;  // on each thread
    size_t connections_max = 4096;                  // on each thread, idle ones too
    // To one endpoint, on each thread. Calls beyond it wait in order of arrival, until their deadline, rather than
    // flood a peer that is slow for a moment with connections; more than may wait fail with kResourceExhausted.
    size_t connections_per_endpoint_max = SIZE_MAX;
    size_t waiting_per_endpoint_max = 0;
    size_t waiting_bytes_max = 256u << 20;  // of the bodies of all that wait on a thread
    Duration idle_deadline = Duration::from_seconds(30);
  };

  // One exchange's callbacks, all on an I/O thread, in order: head once, data any number of times, then done
  // once.
  struct Events {
    std::function<void(Response)> head;  // status and headers; body empty
    // Next bytes of the body. Returning false pauses reading until the Call's resume(), for back-pressure.
    std::function<bool(std::string_view)> data;
    std::function<void(Result<void>, Progress)> done;
    std::function<void()> writable =
        {};  // stream_body: after write() returned false, when there is room again
  };
  // Handle on a running exchange; dropping it does not cancel. From any thread; does nothing after `done`.
  class Call {
   public:
    virtual ~Call() = default;
    virtual void cancel() = 0;
    virtual void resume() = 0;
    // Queues bytes of a streamed body; false when so much waits that the caller should wait for `writable`.
    virtual bool write(std::string_view bytes) = 0;
    virtual void end_body() = 0;
  };

  virtual ~Client() = default;  // cancels what runs; not on one of its I/O threads
  virtual std::shared_ptr<Call> start(const Endpoint& to, ClientRequest request, Events events) = 0;
  // Closes the idle connections to a peer that is going away.
  virtual void close_idle(const Endpoint& to) = 0;

  // Whole reply; blocks the calling thread (never call it on an I/O thread).
  Result<Response> fetch(const Endpoint& to, ClientRequest request);
  // Whole reply by callback. Sent again once when nothing was sent, or on a stale pooled connection if the
  // method is idempotent.
  void fetch(const Endpoint& to, ClientRequest request, std::function<void(Result<Response>, Progress)> done);
};

std::unique_ptr<Client> make_client(Client::Options options = {});

bool is_idempotent(Method method);  // GET, HEAD, PUT, DELETE, OPTIONS

// "http://host:port/path" in parts; errors name what is wrong.
struct Url {
  Endpoint endpoint;
  std::string target;
  static Result<Url> parse(std::string_view text);
};

}  // namespace mk::net

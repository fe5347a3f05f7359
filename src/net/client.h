// HTTP/1.1 client: pooled keep-alive connections, deadlines, streamed replies. Asynchronous core with
// blocking wrappers. Connects only to where the caller says: guarding against user-chosen addresses is the
// egress policy's work, not this class's.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "net/http.h"

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
  Duration connect_deadline = Duration::from_seconds(5);
  Duration deadline = Duration::from_seconds(60);  // until the reply's head; zero = none
  uint64_t body_bytes_max = 64u << 20;             // of the reply
};

// How far a failed exchange got: only kNotSent is safe to retry for every method.
enum class Progress : uint8_t { kNotSent, kSent, kAnswered };

class Client {
 public:
  struct Options {
    size_t threads = 1;
    size_t idle_connections_per_endpoint_max = 64;
    Duration idle_deadline = Duration::from_seconds(30);
  };

  // One exchange's callbacks, all on an I/O thread, in order: head once, data any number of times, then done
  // once.
  struct Events {
    std::function<void(Response)> head;  // status and headers; body empty
    // Next bytes of the body. Returning false pauses reading until the Call's resume(), for back-pressure.
    std::function<bool(std::string_view)> data;
    std::function<void(Result<void>, Progress)> done;
  };
  // Handle on a running exchange; dropping it does not cancel.
  class Call {
   public:
    virtual ~Call() = default;
    virtual void cancel() = 0;
    virtual void resume() = 0;
  };

  virtual ~Client() = default;
  virtual std::shared_ptr<Call> start(const Endpoint& to, ClientRequest request, Events events) = 0;

  // Whole reply; blocks the calling thread (never call it on an I/O thread).
  Result<Response> fetch(const Endpoint& to, ClientRequest request);
  // Whole reply by callback. A request on a pooled connection that the peer had already closed is sent again
  // once.
  void fetch(const Endpoint& to, ClientRequest request, std::function<void(Result<Response>, Progress)> done);
};

std::unique_ptr<Client> make_client(Client::Options options = {});

// "http://host:port/path" in parts; errors name what is wrong.
struct Url {
  Endpoint endpoint;
  std::string target;
  static Result<Url> parse(std::string_view text);
};

}  // namespace mk::net

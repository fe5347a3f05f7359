// One connection of the client, and the call that uses it. On one I/O thread. Inside net/ only.
#pragma once
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/asio.h"
#include "net/client.h"
#include "net/io_thread.h"
#include "net/parser.h"

namespace mk::net {

class ClientCall;
class ClientConnection;

struct EndpointHash {
  size_t operator()(const Endpoint& e) const {
    const std::hash<std::string> hash;
    return (hash(e.host) * 31 + hash(e.unix_path)) * 31 + e.port;
  }
};

// What one client has to do with one endpoint on one thread.
struct Lane {
  size_t open = 0;  // connections, busy and idle
  std::vector<std::shared_ptr<ClientConnection>> idle;
  std::list<std::shared_ptr<ClientCall>> waiting;  // for a connection; the first came first

  bool unused() const { return open == 0 && waiting.empty(); }
};

// The connections of one client on one thread.
struct ClientThread : std::enable_shared_from_this<ClientThread> {
  ClientThread(std::shared_ptr<IoThread> on, Client::Options with)
      : thread(std::move(on)), options(std::move(with)) {}

  // Gives the call a connection, an idle or a new one; false when there is none to be had now.
  bool dispatch(Lane& lane, const std::shared_ptr<ClientCall>& call);
  // Gives connections to those who wait for one.
  void serve(const Endpoint& to);

  const std::shared_ptr<IoThread> thread;
  const Client::Options options;
  // All on the thread.
  std::unordered_map<Endpoint, Lane, EndpointHash> lanes;
  size_t waiting_bytes = 0;
  std::map<ClientConnection*, std::weak_ptr<ClientConnection>> all;
  std::map<std::string, std::shared_ptr<asio::ssl::context>> tls;
  bool closed = false;
};

// One exchange. Thread-safe by moving to its thread.
class ClientCall final : public Client::Call,
                         public IoThread::Swept,
                         public std::enable_shared_from_this<ClientCall> {
 public:
  ClientCall(std::shared_ptr<ClientThread> on, Endpoint endpoint, ClientRequest what, Client::Events calls)
      : owner(std::move(on)), to(std::move(endpoint)), request(std::move(what)), events(std::move(calls)) {}

  void cancel() override;
  void resume() override;
  bool write(std::string_view bytes) override;
  void end_body() override;

  void begin();                      // on the thread
  void leave_queue();                // on the thread; does nothing when it does not wait
  void sweep(int64_t now) override;  // while it waits
  void finish(Result<void> result);  // on the thread; at most once counts
  void queue_body(std::string_view bytes);
  void close_body();

  const std::shared_ptr<ClientThread> owner;
  const Endpoint to;
  ClientRequest request;
  Client::Events events;
  std::shared_ptr<ClientConnection> connection;  // null before begin() and after finish()
  Progress progress = Progress::kNotSent;
  bool done = false;
  bool cancelled = false;
  std::optional<std::list<std::shared_ptr<ClientCall>>::iterator> place;  // in its lane, while it waits
  int64_t give_up_at = 0;                                                 // 0 = never
  bool body_ended = false;
  bool wants_writable = false;
  std::string upload;  // streamed body that waits, framed
  std::atomic<size_t> upload_bytes = 0;
};

class ClientConnection final : public IoThread::Swept, public std::enable_shared_from_this<ClientConnection> {
 public:
  ClientConnection(std::shared_ptr<ClientThread> owner, Endpoint to);
  ~ClientConnection() override;

  void connect(std::shared_ptr<ClientCall> call);
  void use(std::shared_ptr<ClientCall> call);  // an idle one
  void flush();                                // more of a streamed body
  void resume();
  void close();  // the call, if any, is told by the caller
  void fail_call(Code code, std::string reason, std::string message);
  void sweep(int64_t now) override;
  bool open() const { return open_; }

 private:
  void resolve();
  void connect_to(const asio::generic::stream_protocol::endpoint& endpoint);
  void connected();
  void send();
  void send_more();
  void want_read();
  void on_read(const ErrorCode& code, size_t count);
  void parse();
  bool deliver_head();
  void complete();
  void ended(const ErrorCode& code);
  void set_deadline(Duration span);

  const std::shared_ptr<ClientThread> owner_;
  const std::shared_ptr<IoThread> thread_;
  const Endpoint to_;
  Socket socket_;
  std::optional<TlsSocket> tls_;
  std::optional<asio::ip::tcp::resolver> resolver_;
  Parser parser_;
  std::shared_ptr<ClientCall> call_;
  bool open_ = true;
  bool ready_ = false;   // connected
  bool reused_ = false;  // the call did not open it
  bool reading_ = false, writing_ = false, paused_ = false, parsing_ = false;
  bool head_given_ = false;
  bool ended_ = false;
  int64_t deadline_ = 0;
  std::vector<char> in_;
  size_t in_begin_ = 0, in_end_ = 0;
  std::string out_, out_body_, body_;
  size_t out_done_ = 0;
};

}  // namespace mk::net

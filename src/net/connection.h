// One connection of a server: reads a request, lets the handler answer, goes on. Lives on one I/O thread;
// only its Exchange is reached from others. Inside net/ only.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "net/asio.h"
#include "net/exchange.h"
#include "net/head.h"
#include "net/io_thread.h"
#include "net/parser.h"
#include "net/server.h"

namespace mk::net {

// What all connections of one server share.
struct ServerShared {
  Dispatch dispatch;
  Limits limits;
  bool find_peer_uid = false;
  std::string reply_lines;  // ServerOptions::reply_headers as sent
  std::shared_ptr<asio::ssl::context> tls;
  std::atomic<size_t> connections = 0;
  std::atomic<bool> draining = false;
};

class Connection;

// One request and the right to answer it. Handles on any thread hold it; the connection does until it is
// answered.
class Exchange final : public Reply::State,
                       public Body::State,
                       public std::enable_shared_from_this<Exchange> {
 public:
  explicit Exchange(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}

  void send(Response response) override;
  void send_made(std::function<Response()> make) override;
  void send_file(Response head, int fd, uint64_t offset, uint64_t length) override;
  void start_stream(Response head) override;
  bool write(std::string_view chunk) override;
  size_t queued_bytes() const override;
  void on_drained(std::function<void()> call) override;
  void on_closed(std::function<void()> call) override;
  void finish() override;
  void abandon() override;
  void read(std::function<void(Result<std::string_view>)> call) override;
  void into_file(int fd, std::function<void(Result<uint64_t>)> call) override;

  // For the connection, on its thread.
  void closed();                                      // the connection is gone
  bool take_queue(std::string& out, bool& finished);  // true when there is something to send
  void drained();                                     // calls on_drained if nothing waits

 private:
  void schedule_flush(std::unique_lock<std::mutex>& lock);

  const std::shared_ptr<Connection> connection_;
  mutable std::mutex mutex_;  // guards the rest
  std::string queue_;
  size_t in_flight_ = 0;  // taken from the queue, not yet written to the socket
  bool flush_posted_ = false;
  bool finished_ = false;
  bool gone_ = false;
  std::function<void()> on_drained_;
  std::function<void()> on_closed_;
};

class Connection final : public IoThread::Swept, public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<IoThread> thread, std::shared_ptr<ServerShared> shared, Socket socket,
             Peer peer);
  ~Connection() override;

  void start();
  void sweep(int64_t now) override;
  void close();  // at once
  void drain();  // after what runs now
  IoThread& thread() { return *thread_; }
  const Limits& limits() const { return shared_->limits; }

  // From the exchange, on the thread. Ignored when `from` is no longer the running one.
  void reply(const Exchange& from, Response response);
  void reply_file(const Exchange& from, Response head, int fd, uint64_t offset, uint64_t length);
  void reply_stream(const Exchange& from, Response head);
  void flush_stream(const Exchange& from);
  void abandoned(const Exchange& from);
  void read_body(const Exchange& from, std::function<void(Result<std::string_view>)> call);
  void watch_peer(const Exchange& from);

 private:
  enum class Phase : uint8_t { kIdle, kHead, kBody, kRunning, kDiscard, kLinger, kClosed };
  enum class After : uint8_t { kBegin, kFinish, kFile, kStream };  // what follows the current write

  // connection.cc: reading
  void wait_for_first_byte();
  void choose_tls();
  void run();
  bool step();
  bool step_head();
  void begin();
  void begin_body();
  bool step_body();
  bool step_discard();
  void deliver_body();
  std::optional<BadMessage> parse();
  void want_read();
  void on_read(const ErrorCode& code, size_t count);
  void on_end(const ErrorCode& code);
  void set_deadline(Duration span);
  void refuse(const BadMessage& problem);
  bool may_go_on() const;
  void finish_exchange();
  void linger();

  // connection_write.cc
  void answer(Response response, bool keep_alive);
  HeadFacts facts(const Response& response, bool keep_alive) const;
  void write(After after);
  void write_more();
  void on_written(const ErrorCode& code, size_t count);
  void written();
  void send_file_step();
  void send_file_tls_step();
  void close_file();
  bool is_running(const Exchange& from) const {
    return phase_ == Phase::kRunning && exchange_.get() == &from;
  }

  const std::shared_ptr<IoThread> thread_;
  const std::shared_ptr<ServerShared> shared_;
  Socket socket_;
  std::optional<TlsSocket> tls_;
  Peer peer_;
  Parser parser_;
  Phase phase_ = Phase::kIdle;
  bool stepping_ = false;  // run() is on the stack
  bool reading_ = false;   // a read is under way
  bool input_ended_ = false;
  bool keep_alive_ = true;  // after the current exchange
  bool draining_ = false;
  int64_t deadline_ = 0;   // monotonic nanoseconds; 0 = none
  uint64_t progress_ = 0;  // bytes since the deadline was last moved

  std::vector<char> in_;
  size_t in_begin_ = 0, in_end_ = 0;
  uint64_t linger_bytes_ = 0;

  std::shared_ptr<Exchange> exchange_;
  Decision decision_;
  std::string body_;  // streamed: read but not delivered
  std::function<void(Result<std::string_view>)> body_reader_;
  bool delivering_ = false;
  bool is_head_ = false;  // the request is HEAD

  std::string out_, out_body_;
  std::string_view out_tail_;
  size_t out_done_ = 0;
  bool writing_ = false;
  After after_ = After::kFinish;
  bool more_follows_ = false;  // the kernel may wait for more before it sends (file behind a head)
  Framing framing_ = Framing::kLength;
  uint64_t stream_left_ = 0;  // of an announced length
  bool streaming_ = false, stream_finished_ = false;
  int file_ = -1;
  uint64_t file_offset_ = 0, file_left_ = 0;
};

}  // namespace mk::net

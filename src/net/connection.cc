#include "net/connection.h"

#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/json.h"
#include "net/limits.h"
#include "net/tls.h"

namespace mk::net {

namespace {

Response plain_error(const Error& error, int status) {
  Json body = Json::object({{"error", error.sentence()}});
  return Response::json(body.dump(), status);
}

int status_of(const Error& error) {
  switch (error.code) {
    case Code::kTooLarge:
      return 413;
    case Code::kDeadlineExceeded:
      return 408;
    case Code::kInternal:
      return 500;
    default:
      return 400;
  }
}

}  // namespace

Connection::Connection(std::shared_ptr<IoThread> thread, std::shared_ptr<ServerShared> shared, Socket socket,
                       Peer peer)
    : thread_(std::move(thread)),
      shared_(std::move(shared)),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      parser_(Parser::Kind::kRequest, shared_->limits.header_bytes_max) {
  ++shared_->connections;
}

Connection::~Connection() {
  close_file();
  --shared_->connections;
}

void Connection::start() {
  thread_->add(shared_from_this());
  set_deadline(shared_->limits.header_deadline);
  if (shared_->tls) return wait_for_first_byte();
  run();
}

void Connection::wait_for_first_byte() {
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const ErrorCode& code) {
    if (code) return self->close();
    self->choose_tls();
  });
}

void Connection::choose_tls() {
  char first = 0;
  constexpr char kTlsHandshake = 0x16;
  const ssize_t count = ::recv(socket_.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  // Woken for nothing: an event may be of whatever had this descriptor's number before.
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return wait_for_first_byte();
  if (count <= 0) return close();
  if (first != kTlsHandshake) return run();
  peer_.tls = true;
  tls_.emplace(socket_, *shared_->tls);
  tls_->async_handshake(asio::ssl::stream_base::server, [self = shared_from_this()](const ErrorCode& code) {
    if (code) return self->close();
    self->peer_.certificate = certificate_of_peer(self->tls_->native_handle());
    self->run();
  });
}

void Connection::set_deadline(Duration span) {
  deadline_ = span.nanoseconds == 0 ? 0 : thread_->now() + span.nanoseconds;
  progress_ = 0;
}

void Connection::sweep(int64_t now) {
  if (deadline_ == 0 || now < deadline_ || phase_ == Phase::kClosed) return;
  const auto keep = shared_from_this();
  if (writing_ || phase_ == Phase::kIdle || phase_ == Phase::kDiscard || phase_ == Phase::kLinger)
    return close();
  const Error error{Code::kDeadlineExceeded, "request_too_slow",
                    "the request came too slowly and was given up"};
  if (phase_ == Phase::kHead || phase_ == Phase::kBody) return refuse({408, error});
  if (auto reader = std::exchange(body_reader_, nullptr)) {
    deadline_ = 0;
    input_ended_ = true;
    keep_alive_ = false;
    reader(fail(error));
  }
}

void Connection::close() {
  if (phase_ == Phase::kClosed) return;
  const auto keep = shared_from_this();
  phase_ = Phase::kClosed;
  thread_->remove(*this);
  ErrorCode ignored;
  socket_.close(ignored);
  close_file();
  if (auto reader = std::exchange(body_reader_, nullptr)) {
    reader(
        fail(Code::kCancelled, "client_gone", "the client closed the connection before its whole body came"));
  }
  if (const auto exchange = std::exchange(exchange_, nullptr)) exchange->closed();
  decision_ = {};
}

void Connection::drain() {
  draining_ = true;
  keep_alive_ = false;
  if (phase_ == Phase::kIdle) set_deadline(Duration::from_ms(kDrainGraceMs));
}

// Goes on until something has to be waited for. Never nests: a handler that answers at once returns to the
// loop.
void Connection::run() {
  if (std::exchange(stepping_, true)) return;
  const auto keep = shared_from_this();
  while (step()) {
  }
  stepping_ = false;
}

bool Connection::step() {
  switch (phase_) {
    case Phase::kIdle:
    case Phase::kHead:
      return step_head();
    case Phase::kBody:
      return step_body();
    case Phase::kDiscard:
      return step_discard();
    default:
      return false;
  }
}

// Offers what was read to the parser.
std::optional<BadMessage> Connection::parse() {
  const auto taken = parser_.put({in_.data() + in_begin_, in_end_ - in_begin_});
  if (!taken) return taken.error();
  in_begin_ += *taken;
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  return std::nullopt;
}

bool Connection::step_head() {
  if (in_begin_ == in_end_) {
    if (input_ended_) {
      close();
      return false;
    }
    want_read();
    return false;
  }
  if (phase_ == Phase::kIdle) {
    phase_ = Phase::kHead;
    set_deadline(shared_->limits.header_deadline);
  }
  if (const auto problem = parse()) {
    refuse(*problem);
    return false;
  }
  if (!parser_.head_done()) {
    want_read();
    return false;
  }
  begin();
  return true;
}

void Connection::begin() {
  Request& request = parser_.request();
  request.peer = peer_;
  is_head_ = request.method == Method::kHead;
  keep_alive_ = parser_.keep_alive() && !draining_ && !shared_->draining;
  deadline_ = 0;
  phase_ = Phase::kRunning;
  exchange_ = std::make_shared<Exchange>(shared_from_this());
  decision_ = shared_->dispatch(request);
  if (phase_ != Phase::kRunning) return;
  parser_.set_body(nullptr, decision_.body_bytes_max);
  if (decision_.refuse) return answer(*std::exchange(decision_.refuse, std::nullopt), keep_alive_);
  if (parser_.content_length().value_or(0) > decision_.body_bytes_max) {
    return refuse(
        {413, Error{Code::kTooLarge, "body_too_large",
                    "the body has " + std::to_string(*parser_.content_length()) + " bytes, more than the " +
                        std::to_string(decision_.body_bytes_max) + " taken here"}});
  }
  if (parser_.expects_continue() && !parser_.done() && in_begin_ == in_end_) {
    out_ = "HTTP/1.1 100 Continue\r\n\r\n";
    return write(After::kBegin);
  }
  begin_body();
}

void Connection::begin_body() {
  Request& request = parser_.request();
  if (decision_.policy == BodyPolicy::kStream) {
    body_.clear();
    parser_.set_body(&body_, decision_.body_bytes_max);
    Request taken = std::move(request);
    auto handler = std::exchange(decision_.stream, nullptr);
    return handler(std::move(taken), Body(exchange_), Reply(exchange_));
  }
  parser_.set_body(&request.body, decision_.body_bytes_max);
  if (const auto length = parser_.content_length()) {
    request.body.reserve(std::min<uint64_t>(*length, kBodyReserveBytesMax));
  }
  phase_ = Phase::kBody;
  set_deadline(shared_->limits.body_idle_deadline);
}

bool Connection::step_body() {
  if (!parser_.done() && in_begin_ != in_end_) {
    if (const auto problem = parse()) {
      refuse(*problem);
      return false;
    }
  }
  if (!parser_.done()) {
    want_read();
    return false;
  }
  deadline_ = 0;
  phase_ = Phase::kRunning;
  auto handler = std::exchange(decision_.whole, nullptr);
  handler(std::move(parser_.request()), Reply(exchange_));
  return true;
}

bool Connection::step_discard() {
  if (!parser_.done() && in_begin_ != in_end_) {
    if (parse()) {
      linger();
      return false;
    }
  }
  if (!parser_.done()) {
    want_read();
    return false;
  }
  finish_exchange();
  return true;
}

void Connection::read_body(const Exchange& from, std::function<void(Result<std::string_view>)> call) {
  if (!is_running(from)) {
    return call(fail(Code::kCancelled, "client_gone", "the connection of this body is closed"));
  }
  body_reader_ = std::move(call);
  deliver_body();
}

// Gives the reader what there is. The reader usually asks again from inside its call: no recursion.
void Connection::deliver_body() {
  if (std::exchange(delivering_, true)) return;
  const auto keep = shared_from_this();
  while (body_reader_) {
    if (body_.empty() && !parser_.done() && in_begin_ != in_end_) {
      if (const auto problem = parse()) {
        keep_alive_ = false;
        input_ended_ = true;
        std::exchange(body_reader_, nullptr)(fail(problem->error));
        break;
      }
    }
    if (body_.empty() && !parser_.done()) {
      if (input_ended_) {
        std::exchange(body_reader_, nullptr)(fail(
            Code::kCancelled, "client_gone", "the client closed the connection before its whole body came"));
        break;
      }
      if (deadline_ == 0) set_deadline(shared_->limits.body_idle_deadline);
      want_read();
      break;
    }
    deadline_ = 0;
    const std::string bytes = std::exchange(body_, {});
    std::exchange(body_reader_, nullptr)(std::string_view(bytes));
  }
  delivering_ = false;
}

void Connection::want_read() {
  if (reading_ || input_ended_ || phase_ == Phase::kClosed) return;
  const size_t waiting = in_end_ - in_begin_;
  const bool body = phase_ != Phase::kIdle && phase_ != Phase::kHead;
  const size_t head_max = shared_->limits.header_bytes_max + 1024;
  const size_t wanted = std::clamp(waiting * 2, kReadBufferBytes, body ? kReadBufferBytesMax : head_max);
  const bool long_body = phase_ == Phase::kBody || body_reader_;
  const size_t size = long_body && parser_.content_length().value_or(kReadBufferBytesMax) > kReadBufferBytes
                          ? kReadBufferBytesMax
                          : wanted;
  if (waiting == 0 && phase_ == Phase::kIdle && in_.size() > kReadBufferBytes) in_ = {};
  if (in_.size() < size) {
    std::vector<char> larger(size);
    if (waiting > 0) std::memcpy(larger.data(), in_.data() + in_begin_, waiting);
    in_ = std::move(larger);
    in_begin_ = 0;
    in_end_ = waiting;
  } else if (in_begin_ > 0) {
    std::memmove(in_.data(), in_.data() + in_begin_, waiting);
    in_begin_ = 0;
    in_end_ = waiting;
  }
  if (in_end_ == in_.size()) {  // an element of the message that fits no buffer
    if (phase_ == Phase::kHead || phase_ == Phase::kBody) {
      refuse({phase_ == Phase::kHead ? 431 : 400,
              Error{Code::kTooLarge, "too_large", "the header or a chunk of the body is too large"}});
    } else if (body_reader_) {
      input_ended_ = true;
      keep_alive_ = false;
      std::exchange(body_reader_, nullptr)(invalid("a chunk of the body is malformed"));
    }
    return;
  }
  reading_ = true;
  const auto buffer = asio::buffer(in_.data() + in_end_, in_.size() - in_end_);
  auto done = [self = shared_from_this()](const ErrorCode& code, size_t count) {
    self->on_read(code, count);
  };
  if (tls_) {
    tls_->async_read_some(buffer, std::move(done));
  } else {
    socket_.async_read_some(buffer, std::move(done));
  }
}

void Connection::on_read(const ErrorCode& code, size_t count) {
  reading_ = false;
  if (phase_ == Phase::kClosed) return;
  if (code) return on_end(code);
  in_end_ += count;
  progress_ += count;
  if (phase_ == Phase::kLinger) {
    linger_bytes_ += count;
    in_begin_ = in_end_ = 0;
    if (linger_bytes_ > kLingerBytesMax) return close();
    return want_read();
  }
  if ((phase_ == Phase::kBody || body_reader_) &&
      (progress_ >= kProgressBytes || decision_.policy == BodyPolicy::kStream)) {
    set_deadline(shared_->limits.body_idle_deadline);
  }
  if (body_reader_) return deliver_body();
  run();
}

void Connection::on_end(const ErrorCode&) {
  input_ended_ = true;
  keep_alive_ = false;
  if (phase_ != Phase::kRunning) return close();
  if (body_reader_) return deliver_body();
  close();  // the handler works on, but asked to be told (watch_peer)
}

void Connection::watch_peer(const Exchange& from) {
  if (is_running(from) && parser_.done() && in_begin_ == in_end_) want_read();
}

// Answers in place of the handler, and reads no further.
void Connection::refuse(const BadMessage& problem) {
  deadline_ = 0;
  phase_ = Phase::kRunning;
  is_head_ = false;
  keep_alive_ = false;
  if (!exchange_) exchange_ = std::make_shared<Exchange>(shared_from_this());
  answer(decision_.error ? decision_.error(problem.error) : plain_error(problem.error, problem.status),
         false);
}

void Connection::abandoned(const Exchange& from) {
  if (!is_running(from)) return;
  if (streaming_ || file_ >= 0) return close();
  const Error error{Code::kInternal, "no_answer", "the server gave no answer to this request"};
  answer(decision_.error ? decision_.error(error) : plain_error(error, status_of(error)), keep_alive_);
}

// Whether the next request on this connection can be reached: the rest of this one's body is none, or short.
bool Connection::may_go_on() const {
  if (!parser_.head_done()) return false;
  if (parser_.done()) return true;
  return parser_.content_length().value_or(UINT64_MAX) <= kDiscardBytesMax && !parser_.expects_continue();
}

void Connection::finish_exchange() {
  if (const auto exchange = std::exchange(exchange_, nullptr)) exchange->closed();
  body_reader_ = nullptr;
  streaming_ = stream_finished_ = false;
  if (!keep_alive_ || !may_go_on()) return linger();
  if (!parser_.done()) {
    body_.clear();
    parser_.set_body(nullptr, kDiscardBytesMax);
    phase_ = Phase::kDiscard;
    set_deadline(shared_->limits.body_idle_deadline);
    return run();
  }
  decision_ = {};
  parser_.reset();
  phase_ = Phase::kIdle;
  set_deadline(draining_ ? Duration::from_ms(kDrainGraceMs) : shared_->limits.idle_deadline);
  run();
}

// Closing with unread input resets the connection, and the reset may overtake our reply. So: send the end,
// throw away what still comes for a moment, then close.
void Connection::linger() {
  phase_ = Phase::kLinger;
  decision_ = {};
  in_begin_ = in_end_ = 0;
  set_deadline(Duration::from_ms(kLingerMs));
  if (tls_) {
    tls_->async_shutdown([self = shared_from_this()](const ErrorCode&) { self->close(); });
    return;
  }
  ErrorCode code;
  socket_.shutdown(Socket::shutdown_send, code);
  if (code || input_ended_) return close();
  want_read();
}

}  // namespace mk::net

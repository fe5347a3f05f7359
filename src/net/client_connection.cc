#include "net/client_connection.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/format.h"
#include "net/head.h"
#include "net/limits.h"
#include "net/tls.h"

namespace mk::net {

namespace {

std::string name_of(const Endpoint& to) {
  return to.unix_path.empty() ? fmt::format("{}:{}", to.host, to.port) : to.unix_path;
}

std::string host_header(const Endpoint& to) {
  if (!to.unix_path.empty()) return "localhost";
  const bool v6 = to.host.find(':') != std::string::npos;
  const bool usual = to.port == (to.tls ? 443 : 80);
  std::string host = v6 ? "[" + to.host + "]" : to.host;
  if (!usual) host.append(":").append(std::to_string(to.port));
  return host;
}

}  // namespace

ClientConnection::ClientConnection(std::shared_ptr<ClientThread> owner, Endpoint to)
    : owner_(std::move(owner)),
      thread_(owner_->thread),
      to_(std::move(to)),
      socket_(thread_->context),
      parser_(Parser::Kind::kResponse, kResponseHeaderBytesMax) {}

ClientConnection::~ClientConnection() = default;

void ClientConnection::set_deadline(Duration span) {
  deadline_ = span.nanoseconds == 0 ? 0 : thread_->now() + span.nanoseconds;
}

void ClientConnection::sweep(int64_t now) {
  if (deadline_ == 0 || now < deadline_ || !open_) return;
  if (!call_) return close();
  if (!ready_)
    return fail_call(Code::kUnavailable, "connect_timeout",
                     fmt::format("{} did not accept a connection in time", name_of(to_)));
  fail_call(Code::kDeadlineExceeded, "no_answer_in_time",
            fmt::format("{} did not answer in time", name_of(to_)));
}

void ClientConnection::close() {
  if (!std::exchange(open_, false)) return;
  const auto keep = shared_from_this();
  ErrorCode ignored;
  if (resolver_) resolver_->cancel();
  socket_.close(ignored);
  thread_->remove(*this);
  owner_->all.erase(this);
  const auto found = owner_->lanes.find(to_);
  Lane& lane = found->second;
  std::erase(lane.idle, keep);
  --lane.open;
  if (lane.unused()) {
    owner_->lanes.erase(found);
  } else if (!lane.waiting.empty()) {
    thread_->post([owner = owner_, to = to_] { owner->serve(to); });  // not from inside its callers
  }
}

void ClientConnection::fail_call(Code code, std::string reason, std::string message) {
  const auto keep = shared_from_this();
  close();
  if (const auto call = std::exchange(call_, nullptr))
    call->finish(fail(code, std::move(reason), std::move(message)));
}

void ClientConnection::connect(std::shared_ptr<ClientCall> call) {
  call_ = std::move(call);
  thread_->add(shared_from_this());
  owner_->all.emplace(this, weak_from_this());
  ++owner_->lanes[to_].open;
  set_deadline(call_->request.connect_deadline);
  if (!to_.unix_path.empty()) {
    if (to_.unix_path.size() >= sizeof(sockaddr_un::sun_path)) {
      return fail_call(Code::kInvalidArgument, "bad_endpoint", "the socket path is too long");
    }
    return connect_to(asio::local::stream_protocol::endpoint(to_.unix_path));
  }
  ErrorCode code;
  const auto address = asio::ip::make_address(to_.host, code);
  if (code) return resolve();
  connect_to(asio::ip::tcp::endpoint(address, to_.port));
}

void ClientConnection::resolve() {
  resolver_.emplace(thread_->context);
  resolver_->async_resolve(to_.host, std::to_string(to_.port),
                           [self = shared_from_this()](const ErrorCode& code, const auto& found) {
                             if (!self->open_) return;
                             if (code || found.empty()) {
                               return self->fail_call(
                                   Code::kUnavailable, "unknown_host",
                                   fmt::format("the host {} has no known address", self->to_.host));
                             }
                             self->connect_to(found.begin()->endpoint());
                           });
}

void ClientConnection::connect_to(const asio::generic::stream_protocol::endpoint& endpoint) {
  socket_.async_connect(endpoint, [self = shared_from_this()](const ErrorCode& code) {
    if (!self->open_) return;
    if (code) {
      return self->fail_call(Code::kUnavailable, "cannot_connect",
                             fmt::format("cannot connect to {}: {}", name_of(self->to_), code.message()));
    }
    self->connected();
  });
}

void ClientConnection::connected() {
  if (to_.unix_path.empty()) {
    const int on = 1;
    ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  const auto go = [self = shared_from_this()] {
    self->ready_ = true;
    self->send();
    self->want_read();
  };
  if (!to_.tls) return go();
  auto& context = owner_->tls[to_.ca_pem];
  if (!context) {
    auto made = client_tls(to_.ca_pem);
    if (!made) return fail_call(made.error().code, made.error().reason, made.error().message);
    context = *made;
  }
  tls_.emplace(socket_, *context);
  SSL_set_tlsext_host_name(tls_->native_handle(), to_.host.c_str());
  tls_->set_verify_callback(asio::ssl::host_name_verification(to_.host));
  tls_->async_handshake(
      asio::ssl::stream_base::client, [self = shared_from_this(), go](const ErrorCode& code) {
        if (!self->open_) return;
        if (code) {
          return self->fail_call(
              Code::kUnavailable, "tls_handshake",
              fmt::format("{} offers no TLS that is trusted here: {}", name_of(self->to_), code.message()));
        }
        go();
      });
}

void ClientConnection::use(std::shared_ptr<ClientCall> call) {
  call_ = std::move(call);
  reused_ = true;
  send();
}

void ClientConnection::send() {
  const ClientRequest& request = call_->request;
  set_deadline(request.deadline);
  parser_.reset(request.method == Method::kHead);
  head_given_ = paused_ = false;
  body_.clear();
  parser_.set_body(&body_, request.body_bytes_max);
  HeadFacts facts{.length = request.body.size()};
  if (request.stream_body && !request.body_length) facts.framing = Framing::kChunked;
  if (request.stream_body && request.body_length) facts.length = *request.body_length;
  const bool bodiless = request.method == Method::kGet || request.method == Method::kHead ||
                        request.method == Method::kDelete || request.method == Method::kOptions;
  if (bodiless && request.body.empty() && !request.stream_body) facts.framing = Framing::kNone;
  append_request_head(out_, request.method, request.target, request.headers, host_header(to_), facts);
  out_body_ = std::move(call_->request.body);
  out_done_ = 0;
  writing_ = true;
  if (tls_) {
    out_.append(out_body_);
    out_body_.clear();
  }
  send_more();
}

void ClientConnection::send_more() {
  std::array<iovec, 2> parts;
  size_t count = 0, skip = out_done_, left = 0;
  for (const std::string* part : {&out_, &out_body_}) {
    const size_t drop = std::min(skip, part->size());
    skip -= drop;
    if (drop == part->size()) continue;
    parts[count++] = {const_cast<char*>(part->data()) + drop, part->size() - drop};
    left += part->size() - drop;
  }
  if (left == 0) {
    writing_ = false;
    out_.clear();
    out_body_.clear();
    return flush();
  }
  if (tls_) {
    call_->progress = Progress::kSent;
    tls_->async_write_some(asio::buffer(parts[0].iov_base, parts[0].iov_len),
                           [self = shared_from_this()](const ErrorCode& code, size_t sent) {
                             if (!self->open_ || !self->call_) return;
                             if (code) return self->ended(code);
                             self->out_done_ += sent;
                             self->send_more();
                           });
    return;
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && errno != EAGAIN && errno != EINTR)
    return ended(ErrorCode(errno, boost::system::system_category()));
  if (sent > 0) {
    call_->progress = Progress::kSent;
    out_done_ += static_cast<size_t>(sent);
  }
  if (sent == static_cast<ssize_t>(left)) return send_more();
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const ErrorCode& code) {
    if (!self->open_ || !self->call_ || !self->writing_) return;
    if (code) return self->ended(code);
    self->send_more();
  });
}

// Sends what the writer of a streamed body has queued.
void ClientConnection::flush() {
  if (writing_ || !ready_ || !call_ || !call_->request.stream_body) return;
  const auto call = call_;
  if (!call->upload.empty()) {
    out_.swap(call->upload);
    call->upload.clear();
    out_done_ = 0;
    writing_ = true;
    return send_more();
  }
  call->upload_bytes = 0;
  if (std::exchange(call->wants_writable, false) && call->events.writable) call->events.writable();
}

void ClientConnection::want_read() {
  if (reading_ || paused_ || !open_) return;
  const size_t waiting = in_end_ - in_begin_;
  if (in_begin_ > 0 && waiting > 0) std::memmove(in_.data(), in_.data() + in_begin_, waiting);
  in_begin_ = 0;
  in_end_ = waiting;
  const bool long_body =
      call_ && head_given_ && parser_.content_length().value_or(kReadBufferBytesMax) > kReadBufferBytes;
  size_t wanted = long_body ? kReadBufferBytesMax : kReadBufferBytes;
  while (wanted < 2 * waiting) wanted *= 2;
  if (waiting >= kResponseHeaderBytesMax + 4096) {
    return fail_call(Code::kUnavailable, "bad_answer",
                     fmt::format("{} sent no well-formed answer", name_of(to_)));
  }
  if (in_.size() < wanted) in_.resize(wanted);
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

void ClientConnection::on_read(const ErrorCode& code, size_t count) {
  reading_ = false;
  if (!open_) return;
  if (!call_) return close();  // idle: the peer closed it, or sent what nobody asked for
  if (code) {
    ended_ = true;
    return paused_ ? void() : ended(code);
  }
  call_->progress = Progress::kAnswered;
  in_end_ += count;
  parse();
}

void ClientConnection::parse() {
  if (std::exchange(parsing_, true)) return;
  const auto keep = shared_from_this();
  const auto call = call_;
  bool bad = false;
  while (open_ && call_ == call && !paused_ && in_begin_ != in_end_ && !parser_.done()) {
    const auto taken = parser_.put({in_.data() + in_begin_, in_end_ - in_begin_});
    if (!taken) {
      bad = true;
      const bool large = taken.error().status == 413;
      fail_call(large ? Code::kTooLarge : Code::kUnavailable, large ? "answer_too_large" : "bad_answer",
                fmt::format("{} sent {}", name_of(to_),
                            large ? "a longer answer than is taken here" : "no well-formed answer"));
      break;
    }
    in_begin_ += *taken;
    if (parser_.head_done() && !deliver_head()) continue;
    if (!body_.empty()) {
      if (!call->events.data(body_)) paused_ = true;
      body_.clear();
    }
    if (*taken == 0) break;
  }
  parsing_ = false;
  if (bad || !open_ || call_ != call) return;
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  if (parser_.done() && !paused_) return complete();
  want_read();
}

// False when the head was an interim one, and the real one follows.
bool ClientConnection::deliver_head() {
  if (head_given_) return true;
  const int status = parser_.response().status;
  if (status >= 100 && status < 200 && status != 101) {
    parser_.reset(call_->request.method == Method::kHead);
    parser_.set_body(&body_, call_->request.body_bytes_max);
    return false;
  }
  head_given_ = true;
  if (!call_->request.deadline_covers_body) deadline_ = 0;
  if (call_->events.head) call_->events.head(std::move(parser_.response()));
  return true;
}

// The answer is whole: back into the pool if both sides can go on, then tell the caller, who may use it at
// once.
void ClientConnection::complete() {
  const auto keep = shared_from_this();
  const auto call = std::exchange(call_, nullptr);
  const bool sent_all =
      !writing_ && (!call->request.stream_body || (call->body_ended && call->upload.empty()));
  Lane& lane = owner_->lanes[to_];
  const bool wanted =
      !lane.waiting.empty() || lane.idle.size() < owner_->options.idle_connections_per_endpoint_max;
  if (parser_.keep_alive() && sent_all && in_begin_ == in_end_ && !ended_ && !owner_->closed && wanted) {
    set_deadline(owner_->options.idle_deadline);
    if (in_.size() > kReadBufferBytes && !reading_) in_ = {};
    lane.idle.push_back(keep);
    want_read();
  } else {
    close();
  }
  call->finish({});
  owner_->serve(to_);
}

void ClientConnection::resume() {
  if (!std::exchange(paused_, false)) return;
  parse();
  if (open_ && call_ && ended_ && !paused_) ended(asio::error::eof);
}

void ClientConnection::ended(const ErrorCode& code) {
  ended_ = true;
  if (code == asio::error::eof && head_given_ && parser_.put_end() && parser_.done()) return complete();
  const bool no_answer = call_->progress != Progress::kAnswered;
  if (no_answer && reused_) {
    return fail_call(Code::kUnavailable, "stale_connection",
                     fmt::format("{} closed the connection before it answered", name_of(to_)));
  }
  fail_call(Code::kUnavailable, "connection_lost",
            fmt::format("{} closed the connection {}", name_of(to_),
                        no_answer ? "before it answered" : "in the middle of its answer"));
}

// ---- ClientThread

bool ClientThread::dispatch(Lane& lane, const std::shared_ptr<ClientCall>& call) {
  if (!lane.idle.empty()) {
    call->connection = std::move(lane.idle.back());
    lane.idle.pop_back();
    call->connection->use(call);
    return true;
  }
  if (lane.open >= options.connections_per_endpoint_max || all.size() >= options.connections_max) return false;
  call->connection = std::make_shared<ClientConnection>(shared_from_this(), call->to);
  call->connection->connect(call);
  return true;
}

void ClientThread::serve(const Endpoint& to) {
  while (!closed) {
    const auto found = lanes.find(to);  // anew each time: a call that fails at once may end the lane
    if (found == lanes.end() || found->second.waiting.empty()) return;
    const auto call = found->second.waiting.front();
    const bool free = !found->second.idle.empty() || (found->second.open < options.connections_per_endpoint_max &&
                                                      all.size() < options.connections_max);
    if (!free) return;
    call->leave_queue();
    dispatch(lanes[to], call);
  }
}

// ---- ClientCall

void ClientCall::begin() {
  if (cancelled || owner->closed)
    return finish(fail(Code::kCancelled, "cancelled", "the call was cancelled"));
  Lane& lane = owner->lanes[to];
  if (lane.waiting.empty() && owner->dispatch(lane, shared_from_this())) return;
  // With no connection at all, nothing would ever end the wait.
  if (lane.open == 0 || lane.waiting.size() >= owner->options.waiting_per_endpoint_max ||
      owner->waiting_bytes + request.body.size() > owner->options.waiting_bytes_max) {
    const size_t waiting = lane.waiting.size();
    if (lane.unused()) owner->lanes.erase(to);
    return finish(fail(Code::kResourceExhausted, "too_many_connections",
                       waiting == 0 ? "too many connections are open"
                                    : fmt::format("{} requests wait for {} already", waiting, name_of(to))));
  }
  lane.waiting.push_back(shared_from_this());
  place = std::prev(lane.waiting.end());
  owner->waiting_bytes += request.body.size();
  if (request.deadline.nanoseconds > 0) give_up_at = owner->thread->now() + request.deadline.nanoseconds;
  owner->thread->add(shared_from_this());
}

void ClientCall::leave_queue() {
  if (!place) return;
  const auto found = owner->lanes.find(to);
  found->second.waiting.erase(*std::exchange(place, std::nullopt));
  owner->waiting_bytes -= request.body.size();
  owner->thread->remove(*this);
  if (found->second.unused()) owner->lanes.erase(found);
}

void ClientCall::sweep(int64_t now) {
  if (give_up_at == 0 || now < give_up_at) return;
  const auto keep = shared_from_this();
  leave_queue();
  finish(fail(Code::kDeadlineExceeded, "no_answer_in_time",
              fmt::format("{} had no connection free for the request in time", name_of(to))));
}

void ClientCall::finish(Result<void> result) {
  if (std::exchange(done, true)) return;
  const auto keep = shared_from_this();
  connection = nullptr;
  const Client::Events calls = std::exchange(events, {});
  if (calls.done) calls.done(std::move(result), progress);
}

void ClientCall::cancel() {
  owner->thread->run([self = shared_from_this()] {
    self->cancelled = true;
    if (self->connection)
      return self->connection->fail_call(Code::kCancelled, "cancelled", "the call was cancelled");
    if (!self->place) return;
    self->leave_queue();
    self->finish(fail(Code::kCancelled, "cancelled", "the call was cancelled"));
  });
}

void ClientCall::resume() {
  owner->thread->run([self = shared_from_this()] {
    if (self->connection) self->connection->resume();
  });
}

void ClientCall::queue_body(std::string_view bytes) {
  if (done || body_ended || bytes.empty()) return;
  if (!request.body_length) {
    std::array<char, 20> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), bytes.size(), 16).ptr;
    upload.append(text.data(), end).append("\r\n").append(bytes).append("\r\n");
  } else {
    upload.append(bytes);
  }
  if (connection) connection->flush();
}

void ClientCall::close_body() {
  if (done || std::exchange(body_ended, true)) return;
  if (!request.body_length) upload.append("0\r\n\r\n");
  if (connection) connection->flush();
}

bool ClientCall::write(std::string_view bytes) {
  const bool room = (upload_bytes += bytes.size()) <= kUploadQueueBytes;
  if (owner->thread->is_current()) {
    queue_body(bytes);
    wants_writable = !room && upload_bytes != 0;
    return !wants_writable;
  }
  owner->thread->post([self = shared_from_this(), room, copy = std::string(bytes)] {
    self->wants_writable = self->wants_writable || !room;
    self->queue_body(copy);
  });
  return room;
}

void ClientCall::end_body() {
  owner->thread->run([self = shared_from_this()] { self->close_body(); });
}

}  // namespace mk::net

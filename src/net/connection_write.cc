// The sending half of a connection.
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "net/connection.h"
#include "net/limits.h"

namespace mk::net {

HeadFacts Connection::facts(const Response& response, bool keep_alive) const {
  HeadFacts facts{.length = response.body.size(),
                  .keep_alive = keep_alive,
                  .http_1_1 = parser_.http_1_1(),
                  .date = thread_->date(),
                  .fixed = shared_->reply_lines};
  if (!status_has_body(response.status)) facts.framing = Framing::kNone;
  facts.keep_length_field = is_head_ && response.body.empty() && response.headers.has("Content-Length");
  return facts;
}

// A whole answer, in one write.
void Connection::answer(Response response, bool keep_alive) {
  keep_alive_ = keep_alive && keep_alive_ && !draining_ && may_go_on() &&
                !same_text(response.headers.get("Connection"), "close");
  const HeadFacts head = facts(response, keep_alive_);
  append_response_head(out_, response, head);
  out_body_.clear();
  if (!is_head_ && head.framing == Framing::kLength) out_body_ = std::move(response.body);
  write(After::kFinish);
}

void Connection::reply(const Exchange& from, Response response) {
  if (is_running(from)) answer(std::move(response), keep_alive_);
}

void Connection::reply_file(const Exchange& from, Response head, int fd, uint64_t offset, uint64_t length) {
  if (!is_running(from) || file_ >= 0) {
    ::close(fd);
    return;
  }
  file_ = fd;
  file_offset_ = offset;
  file_left_ = is_head_ ? 0 : length;
  HeadFacts head_facts = facts(head, keep_alive_);
  head_facts.length = length;
  append_response_head(out_, head, head_facts);
  out_body_.clear();
  if (file_left_ > 0 && file_left_ <= kSmallFileBytes) {
    out_body_.resize(file_left_);
    if (::pread(fd, out_body_.data(), file_left_, static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(file_left_)) {
      return close();  // the file is shorter than announced
    }
    file_left_ = 0;
  }
  more_follows_ = file_left_ > 0;
  write(file_left_ > 0 ? After::kFile : After::kFinish);
}

void Connection::reply_stream(const Exchange& from, Response head) {
  if (!is_running(from)) return;
  HeadFacts head_facts = facts(head, keep_alive_);
  framing_ = parser_.http_1_1() ? Framing::kChunked : Framing::kUntilClose;
  const std::string_view length = head.headers.get("Content-Length");
  stream_left_ = 0;
  if (std::from_chars(length.data(), length.data() + length.size(), stream_left_).ptr !=
      length.data() + length.size()) {
    head.headers.remove("Content-Length");
  } else if (!length.empty()) {
    framing_ = Framing::kLength;
    head_facts.keep_length_field = true;
  }
  if (!status_has_body(head.status)) framing_ = Framing::kNone;
  if (framing_ == Framing::kUntilClose) keep_alive_ = head_facts.keep_alive = false;
  head_facts.framing = framing_;
  append_response_head(out_, head, head_facts);
  streaming_ = true;
  stream_finished_ = false;
  thread_->post([self = shared_from_this(), exchange = exchange_] { self->flush_stream(*exchange); });
  watch_peer(from);
}

// Sends all that waits as one chunk, with the head before it and the end behind it if those are due.
void Connection::flush_stream(const Exchange& from) {
  if (!is_running(from) || !streaming_ || writing_ || stream_finished_) return;
  bool finished = false;
  const bool some = exchange_->take_queue(out_body_, finished);
  if (is_head_ || framing_ == Framing::kNone) out_body_.clear();
  if (!some && out_.empty()) return exchange_->drained();
  out_tail_ = {};
  if (framing_ == Framing::kChunked && !is_head_) {
    if (!out_body_.empty()) {
      std::array<char, 20> text;
      const auto end = std::to_chars(text.data(), text.data() + text.size(), out_body_.size(), 16).ptr;
      out_.append(text.data(), end).append("\r\n");
      out_tail_ = finished ? "\r\n0\r\n\r\n" : "\r\n";
    } else if (finished) {
      out_.append("0\r\n\r\n");
    }
  }
  if (framing_ == Framing::kLength && !is_head_) {
    if (out_body_.size() > stream_left_ || (finished && out_body_.size() < stream_left_)) return close();
    stream_left_ -= out_body_.size();
  }
  stream_finished_ = finished;
  write(finished ? After::kFinish : After::kStream);
}

void Connection::write(After after) {
  after_ = after;
  writing_ = true;
  out_done_ = 0;
  if (tls_ && out_body_.size() <= kJoinBytesMax) {
    out_.append(out_body_).append(out_tail_);
    out_body_.clear();
    out_tail_ = {};
  }
  write_more();
}

// Tries the socket at once: almost always it takes everything and nothing has to be waited for.
void Connection::write_more() {
  std::array<iovec, 3> parts;
  size_t count = 0, skip = out_done_, left = 0;
  for (const std::string_view part : {std::string_view(out_), std::string_view(out_body_), out_tail_}) {
    const size_t drop = std::min(skip, part.size());
    skip -= drop;
    if (drop == part.size()) continue;
    parts[count++] = {const_cast<char*>(part.data()) + drop, part.size() - drop};
    left += part.size() - drop;
  }
  if (left == 0) return written();
  if (tls_) {
    set_deadline(shared_->limits.write_deadline);
    tls_->async_write_some(
        asio::buffer(parts[0].iov_base, parts[0].iov_len),
        [self = shared_from_this()](const ErrorCode& code, size_t sent) { self->on_written(code, sent); });
    return;
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  const ssize_t sent = ::sendmsg(socket_.native_handle(), &message,
                                 MSG_NOSIGNAL | MSG_DONTWAIT | (more_follows_ ? MSG_MORE : 0));
  if (sent == static_cast<ssize_t>(left)) return written();
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return close();
  out_done_ += sent > 0 ? static_cast<size_t>(sent) : 0;
  progress_ += sent > 0 ? static_cast<size_t>(sent) : 0;
  if (deadline_ == 0 || progress_ >= kProgressBytes) set_deadline(shared_->limits.write_deadline);
  socket_.async_wait(Socket::wait_write,
                     [self = shared_from_this()](const ErrorCode& code) { self->on_written(code, 0); });
}

void Connection::on_written(const ErrorCode& code, size_t count) {
  if (phase_ == Phase::kClosed) return;
  if (code) return close();
  out_done_ += count;
  write_more();
}

void Connection::written() {
  writing_ = false;
  out_.clear();
  if (out_body_.capacity() > kJoinBytesMax) {
    out_body_ = {};
  } else {
    out_body_.clear();
  }
  out_tail_ = {};
  deadline_ = 0;
  switch (after_) {
    case After::kBegin:
      begin_body();
      return run();
    case After::kFinish:
      close_file();
      return finish_exchange();
    case After::kFile:
      return tls_ ? send_file_tls_step() : send_file_step();
    case After::kStream: {
      const auto exchange = exchange_;
      exchange->drained();
      if (exchange_ == exchange) flush_stream(*exchange);
      return;
    }
  }
}

void Connection::send_file_step() {
  uint64_t budget = kSendFileStep;
  while (file_left_ > 0 && budget > 0) {
    auto offset = static_cast<off_t>(file_offset_);
    const ssize_t sent =
        ::sendfile(socket_.native_handle(), file_, &offset, std::min<uint64_t>(file_left_, budget));
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      if (deadline_ == 0 || progress_ >= kProgressBytes) set_deadline(shared_->limits.write_deadline);
      writing_ = true;
      socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const ErrorCode& code) {
        if (self->phase_ == Phase::kClosed) return;
        if (code) return self->close();
        self->send_file_step();
      });
      return;
    }
    if (sent <= 0) return close();  // the peer is gone, or the file became shorter
    const auto count = static_cast<uint64_t>(sent);
    file_offset_ += count;
    file_left_ -= count;
    progress_ += count;
    budget -= std::min(budget, count);
  }
  if (file_left_ > 0) {  // let other connections have their turn
    writing_ = true;
    set_deadline(shared_->limits.write_deadline);
    thread_->post([self = shared_from_this()] {
      if (self->phase_ != Phase::kClosed) self->send_file_step();
    });
    return;
  }
  more_follows_ = false;
  after_ = After::kFinish;
  written();
}

void Connection::send_file_tls_step() {
  out_.resize(std::min<uint64_t>(file_left_, kJoinBytesMax));
  const ssize_t count = ::pread(file_, out_.data(), out_.size(), static_cast<off_t>(file_offset_));
  if (count <= 0) return close();
  out_.resize(static_cast<size_t>(count));
  file_offset_ += static_cast<uint64_t>(count);
  file_left_ -= static_cast<uint64_t>(count);
  write(file_left_ > 0 ? After::kFile : After::kFinish);
}

void Connection::close_file() {
  if (file_ >= 0) ::close(std::exchange(file_, -1));
  more_follows_ = false;
}

}  // namespace mk::net

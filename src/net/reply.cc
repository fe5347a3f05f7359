// The handles that handlers hold.
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "net/exchange.h"

namespace mk::net {

Reply::Reply(std::shared_ptr<State> state) : state_(std::move(state)) {}
Reply::Reply(Reply&&) noexcept = default;

Reply& Reply::operator=(Reply&& other) noexcept {
  if (this != &other && state_) state_->abandon();
  state_ = std::move(other.state_);
  return *this;
}

Reply::~Reply() {
  if (state_) state_->abandon();
}

void Reply::send(Response response) {
  if (const auto state = std::exchange(state_, nullptr)) state->send(std::move(response));
}

void Reply::send_made(std::function<Response()> make) {
  if (const auto state = std::exchange(state_, nullptr)) state->send_made(std::move(make));
}

void Reply::send_file(Response head, int fd, uint64_t offset, uint64_t length) {
  if (const auto state = std::exchange(state_, nullptr)) {
    state->send_file(std::move(head), fd, offset, length);
  } else {
    ::close(fd);
  }
}

Stream Reply::stream(Response head) {
  auto state = std::exchange(state_, nullptr);
  if (state) state->start_stream(std::move(head));
  return Stream(std::move(state));
}

void Reply::on_closed(std::function<void()> call) {
  if (state_) state_->on_closed(std::move(call));
}

Stream::Stream(std::shared_ptr<Reply::State> state) : state_(std::move(state)) {}
Stream::Stream(Stream&&) noexcept = default;

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this != &other && state_) state_->abandon();
  state_ = std::move(other.state_);
  return *this;
}

Stream::~Stream() {
  if (state_) state_->abandon();
}

bool Stream::write(std::string_view chunk) {
  return state_ && state_->write(chunk);
}
size_t Stream::queued_bytes() const {
  return state_ ? state_->queued_bytes() : 0;
}
void Stream::on_drained(std::function<void()> call) {
  if (state_) state_->on_drained(std::move(call));
}
void Stream::on_closed(std::function<void()> call) {
  if (state_) state_->on_closed(std::move(call));
}
void Stream::finish() {
  if (const auto state = std::exchange(state_, nullptr)) state->finish();
}

Body::Body(std::shared_ptr<State> state) : state_(std::move(state)) {}
Body::Body(Body&&) noexcept = default;
Body::~Body() = default;
void Body::read(std::function<void(Result<std::string_view>)> call) {
  state_->read(std::move(call));
}
void Body::into_file(int fd, std::function<void(Result<uint64_t>)> call) {
  state_->into_file(fd, std::move(call));
}

namespace {

// Collects an answer for Reply::capture.
class Captured final : public Reply::State {
 public:
  explicit Captured(std::function<void(Response)> call) : call_(std::move(call)) {}

  void send(Response response) override { call_(std::move(response)); }

  void send_file(Response head, int fd, uint64_t offset, uint64_t length) override {
    char block[16 << 10];
    while (head.body.size() < length) {
      const size_t left = std::min<uint64_t>(sizeof block, length - head.body.size());
      const ssize_t count = ::pread(fd, block, left, static_cast<off_t>(offset + head.body.size()));
      if (count <= 0) break;
      head.body.append(block, static_cast<size_t>(count));
    }
    ::close(fd);
    call_(std::move(head));
  }

  void start_stream(Response head) override { response_ = std::move(head); }
  bool write(std::string_view chunk) override {
    const std::lock_guard lock(mutex_);
    response_.body.append(chunk);
    return true;
  }
  size_t queued_bytes() const override { return 0; }
  void on_drained(std::function<void()> call) override { call(); }
  void on_closed(std::function<void()>) override {}
  void finish() override { call_(std::move(response_)); }
  void abandon() override { call_(Response::text("the handler gave no answer", 500)); }

 private:
  std::function<void(Response)> call_;
  std::mutex mutex_;
  Response response_;
};

}  // namespace

Reply Reply::capture(std::function<void(Response)> call) {
  return Reply(std::make_shared<Captured>(std::move(call)));
}

}  // namespace mk::net

#include "net/observed.h"

#include <memory>
#include <mutex>
#include <utility>

#include "net/exchange.h"

namespace mk::net {
namespace {

constexpr int kClientGone = 499;

// Who is told how it ended, once, whatever becomes of the answer.
class Told {
 public:
  explicit Told(std::function<void(int)> call) : call_(std::move(call)) {}
  Told(const Told&) = delete;
  ~Told() { tell(kClientGone); }
  void tell(int status) {
    if (const auto call = std::exchange(call_, nullptr)) call(status);
  }

 private:
  std::function<void(int)> call_;
};

// Calls from several threads may come in any order, so the handles are guarded; what they call locks for itself.
class Observed final : public Reply::State {
 public:
  Observed(Reply reply, std::function<void(int)> told)
      : reply_(std::make_shared<Reply>(std::move(reply))), told_(std::move(told)) {}
  ~Observed() override { tell(kClientGone); }

  void send(Response response) override {
    tell(response.status);
    if (const auto reply = take()) reply->send(std::move(response));
  }
  void send_made(std::function<Response()> make) override {
    const auto reply = take();
    if (!reply) return;
    reply->send_made([make = std::move(make), told = std::make_shared<Told>(take_told())] {
      Response response = make();
      told->tell(response.status);
      return response;
    });
  }
  void send_file(Response head, int fd, uint64_t offset, uint64_t length) override {
    tell(head.status);
    if (const auto reply = take()) reply->send_file(std::move(head), fd, offset, length);
  }
  void start_stream(Response head) override {
    tell(head.status);
    const auto reply = take();
    if (!reply) return;
    Stream stream = reply->stream(std::move(head));
    const std::lock_guard lock(mutex_);
    stream_ = std::make_shared<Stream>(std::move(stream));
  }
  bool write(std::string_view chunk) override {
    const auto stream = streaming();
    return stream && stream->write(chunk);
  }
  size_t queued_bytes() const override {
    const auto stream = streaming();
    return stream ? stream->queued_bytes() : 0;
  }
  void on_drained(std::function<void()> call) override {
    if (const auto stream = streaming()) stream->on_drained(std::move(call));
  }
  void on_closed(std::function<void()> call) override {
    if (const auto stream = streaming()) return stream->on_closed(std::move(call));
    std::shared_ptr<Reply> reply;
    {
      const std::lock_guard lock(mutex_);
      reply = reply_;
    }
    if (reply) reply->on_closed(std::move(call));
  }
  void finish() override {
    if (const auto stream = streaming()) stream->finish();
  }
  void abandon() override {
    tell(kClientGone);
    (void)take();
    const std::lock_guard lock(mutex_);
    stream_.reset();
  }

 private:
  std::function<void(int)> take_told() {
    const std::lock_guard lock(mutex_);
    return std::exchange(told_, nullptr);
  }
  void tell(int status) {
    if (const auto told = take_told()) told(status);
  }
  std::shared_ptr<Reply> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(reply_, nullptr);
  }
  std::shared_ptr<Stream> streaming() const {
    const std::lock_guard lock(mutex_);
    return stream_;
  }

  mutable std::mutex mutex_;
  std::shared_ptr<Reply> reply_;
  std::shared_ptr<Stream> stream_;
  std::function<void(int)> told_;
};

}  // namespace

Reply observe(Reply reply, std::function<void(int status)> told) {
  return Reply(std::make_shared<Observed>(std::move(reply), std::move(told)));
}

}  // namespace mk::net

#include "net/exchange.h"

#include <unistd.h>

#include <utility>

#include "net/connection.h"

namespace mk::net {

void Exchange::send(Response response) {
  IoThread& thread = connection_->thread();
  if (thread.is_current()) return connection_->reply(*this, std::move(response));
  thread.post([self = shared_from_this(), response = std::move(response)]() mutable {
    self->connection_->reply(*self, std::move(response));
  });
}

void Exchange::send_made(std::function<Response()> make) {
  connection_->thread().run(
      [self = shared_from_this(), make = std::move(make)] { self->connection_->reply(*self, make()); });
}

void Exchange::send_file(Response head, int fd, uint64_t offset, uint64_t length) {
  struct Owned {
    explicit Owned(int file) : fd(file) {}
    Owned(Owned&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
    ~Owned() {
      if (fd >= 0) ::close(fd);
    }
    int fd;
  };
  connection_->thread().run(
      [self = shared_from_this(), head = std::move(head), owned = Owned(fd), offset, length]() mutable {
        self->connection_->reply_file(*self, std::move(head), std::exchange(owned.fd, -1), offset, length);
      });
}

void Exchange::start_stream(Response head) {
  connection_->thread().run([self = shared_from_this(), head = std::move(head)]() mutable {
    self->connection_->reply_stream(*self, std::move(head));
  });
}

// Posted even on the I/O thread, so that what one handler writes in a row leaves in one piece.
void Exchange::schedule_flush(std::unique_lock<std::mutex>& lock) {
  if (std::exchange(flush_posted_, true)) return;
  lock.unlock();
  connection_->thread().post([self = shared_from_this()] { self->connection_->flush_stream(*self); });
}

bool Exchange::write(std::string_view chunk) {
  std::unique_lock lock(mutex_);
  if (gone_ || finished_) return false;
  if (chunk.empty()) return true;
  if (queue_.size() + in_flight_ + chunk.size() > connection_->limits().stream_queue_bytes_max &&
      queue_.size() + in_flight_ > 0) {
    gone_ = true;
    lock.unlock();
    connection_->thread().post([self = shared_from_this()] { self->connection_->abandoned(*self); });
    return false;
  }
  queue_.append(chunk);
  schedule_flush(lock);
  return true;
}

size_t Exchange::queued_bytes() const {
  const std::lock_guard lock(mutex_);
  return queue_.size() + in_flight_;
}

void Exchange::on_drained(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    if (queue_.size() + in_flight_ > 0) {
      on_drained_ = std::move(call);
      return;
    }
  }
  call();
}

void Exchange::on_closed(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (!gone_) {
      on_closed_ = std::move(call);
      call = nullptr;
    }
  }
  if (call) return call();
  connection_->thread().run([self = shared_from_this()] { self->connection_->watch_peer(*self); });
}

void Exchange::finish() {
  std::unique_lock lock(mutex_);
  if (gone_ || finished_) return;
  finished_ = true;
  schedule_flush(lock);
}

void Exchange::abandon() {
  connection_->thread().run([self = shared_from_this()] { self->connection_->abandoned(*self); });
}

void Exchange::read(std::function<void(Result<std::string_view>)> call) {
  connection_->thread().run([self = shared_from_this(), call = std::move(call)]() mutable {
    self->connection_->read_body(*self, std::move(call));
  });
}

namespace {

// Reads on and writes until the end. Blocks the I/O thread only for copies into the page cache.
void copy_on(const std::shared_ptr<Exchange>& from, int fd, uint64_t done,
             std::function<void(Result<uint64_t>)> call) {
  from->read([from, fd, done, call = std::move(call)](Result<std::string_view> bytes) mutable {
    if (!bytes) return call(Failure(std::move(bytes).error()));
    if (bytes->empty()) return call(done);
    while (!bytes->empty()) {
      const ssize_t count = ::write(fd, bytes->data(), bytes->size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        const bool full = errno == ENOSPC || errno == EDQUOT;
        return call(fail(full ? Code::kResourceExhausted : Code::kInternal, full ? "disk_full" : "file_write",
                         full ? "the disk is full" : "the file cannot be written"));
      }
      done += static_cast<uint64_t>(count);
      bytes->remove_prefix(static_cast<size_t>(count));
    }
    copy_on(from, fd, done, std::move(call));
  });
}

}  // namespace

void Exchange::into_file(int fd, std::function<void(Result<uint64_t>)> call) {
  copy_on(shared_from_this(), fd, 0, std::move(call));
}

void Exchange::closed() {
  std::function<void()> call, drop;
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    call = std::exchange(on_closed_, nullptr);
    drop = std::exchange(on_drained_, nullptr);
    queue_.clear();
    in_flight_ = 0;
  }
  if (call) call();
}

bool Exchange::take_queue(std::string& out, bool& finished) {
  const std::lock_guard lock(mutex_);
  flush_posted_ = false;
  finished = finished_;
  out.clear();
  out.swap(queue_);
  in_flight_ = out.size();
  return !out.empty() || finished;
}

void Exchange::drained() {
  std::function<void()> call;
  {
    const std::lock_guard lock(mutex_);
    in_flight_ = 0;
    if (queue_.empty()) call = std::exchange(on_drained_, nullptr);
  }
  if (call) call();
}

}  // namespace mk::net

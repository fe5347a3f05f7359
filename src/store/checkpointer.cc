#include "store/checkpointer.h"

#include <pthread.h>

#include "store/limits.h"

namespace mk::store {

Result<std::unique_ptr<Checkpointer>> Checkpointer::start(const Connection::Place& place,
                                                          std::function<void(bool)> failed) {
  auto out = std::unique_ptr<Checkpointer>(new Checkpointer(std::move(failed)));
  MK_TRY(out->db_, Connection::open(place, Connection::Mode::kCheckpoint, kCheckpointCacheKib));
  out->thread_ = std::thread([self = out.get()] { self->run(); });
  pthread_setname_np(out->thread_.native_handle(), "mk-log");
  return out;
}

Checkpointer::~Checkpointer() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

int64_t Checkpointer::tell(int64_t log_bytes) {
  std::unique_lock lock(mutex_);
  if (log_bytes < log_) {  // it began anew
    moved_ = 0;
    ++restarts_;
  }
  log_ = log_bytes;
  const int64_t left = log_ - moved_;
  if (moving_ || wanted_ || log_ < kWalBytesGoal || left <= kWalBytesTail) return left;
  wanted_ = true;
  lock.unlock();
  changed_.notify_all();
  return left;
}

void Checkpointer::settle() {
  std::unique_lock lock(mutex_);
  wanted_ = false;
  changed_.wait(lock, [&] { return !moving_; });
}

void Checkpointer::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return closing_ || wanted_; });
    if (closing_) return;
    wanted_ = false;
    moving_ = true;
    const uint64_t restarts = restarts_;
    lock.unlock();
    const auto moved = db_->checkpoint(false);
    if (!moved) failed_(db_->disk_full());
    lock.lock();
    moving_ = false;
    // The log may have begun anew meanwhile: then this says nothing of the present one.
    if (moved && restarts == restarts_) moved_ = *moved;
    changed_.notify_all();
  }
}

}  // namespace mk::store

#include "store/readers.h"

#include <chrono>

#include "store/limits.h"

namespace mk::store {

Result<std::unique_ptr<Connection>> Readers::enter() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !held_ && active_.size() + opening_ < count_; });
  if (!idle_.empty()) {
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    active_.push_back(connection.get());
    return connection;
  }
  ++opening_;
  lock.unlock();
  auto opened = Connection::open(place_, Connection::Mode::kReadOnly, kReaderCacheKib);
  lock.lock();
  --opening_;
  if (opened) {
    active_.push_back(opened->get());
  } else {
    changed_.notify_all();
  }
  return opened;
}

void Readers::leave(std::unique_ptr<Connection> connection) {
  {
    std::lock_guard lock(mutex_);
    std::erase(active_, connection.get());
    if (!connection->broken()) idle_.push_back(std::move(connection));
  }
  changed_.notify_all();
}

Result<void> Readers::run(const std::function<Result<void>(RowReader&)>& read) {
  MK_TRY(auto connection, enter());
  // The snapshot is taken at the first statement, and is one for all of them.
  auto result = connection->script("BEGIN");
  if (result) result = read(*connection);
  if (connection->in_transaction()) (void)connection->script("ROLLBACK");
  leave(std::move(connection));
  return result;
}

bool Readers::hold_back(Duration patience) {
  std::unique_lock lock(mutex_);
  held_ = true;
  auto gone = [&] { return active_.empty() && opening_ == 0; };
  if (changed_.wait_for(lock, std::chrono::nanoseconds(patience.nanoseconds), gone)) return true;
  // An interrupt hits only what runs at this moment, so it is repeated.
  for (int i = 0; i < 10; ++i) {
    for (Connection* connection : active_) connection->interrupt();
    if (changed_.wait_for(lock, std::chrono::nanoseconds(patience.nanoseconds / 10), gone)) return true;
  }
  return false;
}

void Readers::let_in() {
  {
    std::lock_guard lock(mutex_);
    held_ = false;
  }
  changed_.notify_all();
}

}  // namespace mk::store

// A bounded pool of read connections. Thread-safe.
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "base/time.h"
#include "store/sqlite.h"

namespace mk::store {

class Readers {
 public:
  Readers(Connection::Place place, size_t count) : place_(std::move(place)), count_(count == 0 ? 1 : count) {}

  Result<void> run(const std::function<Result<void>(RowReader&)>& read);
  // Lets no new read begin and waits for those that run; after `patience` they are broken off. False when one
  // still runs after twice that time. Then let_in() in any case.
  bool hold_back(Duration patience);
  void let_in();

 private:
  Result<std::unique_ptr<Connection>> enter();
  void leave(std::unique_ptr<Connection> connection);

  const Connection::Place place_;
  const size_t count_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::vector<Connection*> active_;
  size_t opening_ = 0;
  bool held_ = false;
};

}  // namespace mk::store

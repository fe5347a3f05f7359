// Moves the log into the database file beside the writer: on a thread and a connection of its own, waiting
// for nobody. It cannot empty the log while the writer goes on appending; when little is left, the writer
// moves that itself and the log starts anew.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "store/sqlite.h"

namespace mk::store {

class Checkpointer {
 public:
  // `failed` is called on the checkpointer's thread when the database file could not be written: nothing
  // should be committed any more.
  static Result<std::unique_ptr<Checkpointer>> start(const Connection::Place& place,
                                                     std::function<void(bool disk_full)> failed);
  ~Checkpointer();

  // The writer says how long the log is after a commit; moves it when there is enough of it. Returns how many
  // bytes are in the log only, as far as is known.
  int64_t tell(int64_t log_bytes);
  // Waits until no move is under way; none begins before tell().
  void settle();

 private:
  explicit Checkpointer(std::function<void(bool)> failed) : failed_(std::move(failed)) {}
  void run();

  const std::function<void(bool)> failed_;
  std::unique_ptr<Connection> db_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool wanted_ = false, moving_ = false, closing_ = false;
  int64_t moved_ = 0;      // bytes of the present log that are in the database
  int64_t log_ = 0;        // its length when the writer last told
  uint64_t restarts_ = 0;  // how often it began anew
  std::thread thread_;
};

}  // namespace mk::store

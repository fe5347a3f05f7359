// The Store on one SQLite file (or in memory): the queue, the writer's role, and what it publishes. Whoever
// has the role decides and commits: the store's own thread, or the thread of a caller that is alone.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "store/batch.h"
#include "store/checkpointer.h"
#include "store/disk.h"
#include "store/index.h"
#include "store/readers.h"
#include "store/ring.h"
#include "store/sqlite.h"

namespace mk::store {

class SqliteStore final : public Store {
 public:
  static Result<std::unique_ptr<Store>> open(StoreOptions options, std::shared_ptr<const BodyCipher> cipher);
  ~SqliteStore() override;

  void submit(Txn txn, Completion done) override;
  Result<Committed> commit(Txn txn) override;
  ObjectRef get(const Key& key) const override { return index_.get(key); }
  Listing list(const Selection& selection) const override { return index_.list(selection); }
  std::vector<ObjectRef> owned_by(std::string_view uid) const override { return index_.owned_by(uid); }
  Version version() const override { return index_.version(); }
  Result<std::unique_ptr<Watch>> watch(Selection selection, Version from,
                                       std::function<void()> ready) override;
  Result<void> read(const std::function<Result<void>(RowReader&)>& read) const override;
  Result<std::vector<std::pair<int64_t, Blob>>> segments(std::string_view stream) const override;
  void merge_segments(std::string stream, int64_t first, int64_t last, std::string merged,
                      Completion done) override;
  void drop_segments(std::string stream, Completion done) override;
  Stats stats() const override;

 private:
  SqliteStore(StoreOptions options, std::shared_ptr<const BodyCipher> cipher)
      : options_(std::move(options)), cipher_(std::move(cipher)) {}
  bool in_memory() const { return options_.path.empty(); }
  Result<void> open_files();
  Result<void> load();

  bool enqueue(Submission& submission);  // false: the queue is full
  bool take_role();                      // only when nobody has it or waits for it
  void give_role_back();
  void run();                                              // the store's own thread
  void write_waiting(std::unique_lock<std::mutex>& lock);  // of the queue; takes the role, writes one batch
  void write_all();                                        // in a simulation, where there is no thread
  std::vector<Submission> take_up();
  // These need the role.
  void carry_out(std::vector<Submission>& batch);
  // Commits what holds. An error is that of the whole batch.
  Result<void> commit_batch(std::vector<Submission>& batch, std::vector<Result<Committed>>& results,
                            Batch& decided);
  Result<void> save_counters(const Counters& counters);
  void stop_writing(bool disk_full);
  void trim_log();
  void empty_log();
  void count_spare();
  void vacuum_step();
  Error read_only_error() const;

  const StoreOptions options_;
  const std::shared_ptr<const BodyCipher> cipher_;  // may be null
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<Connection> db_;  // the writer's; in memory shared with readers under db_mutex_
  mutable std::mutex db_mutex_;
  std::unique_ptr<Readers> readers_;            // null in memory
  std::unique_ptr<Checkpointer> checkpointer_;  // null in memory and in a simulation
  Index index_;
  std::shared_ptr<Ring> ring_;
  Counters counters_;         // the writer's
  int64_t log_seen_ = 0;      // the writer's: bytes of log when it last looked
  int64_t empty_at_ = 0;      // the writer's: where it next waits for the log to be emptied; 0 = at the cap
  bool auto_vacuum_ = false;  // the file can give pages back

  mutable std::mutex queue_mutex_;
  std::condition_variable queue_filled_;
  std::deque<Submission> queue_;
  size_t queue_bytes_ = 0;
  bool closing_ = false;
  bool writing_ = false;     // somebody has the writer's role
  size_t last_batch_ = 0;    // transactions in it: more than one says that others write as well
  int64_t spare_pages_ = 0;  // to be given back to the file system

  std::atomic<bool> read_only_ = false, disk_full_ = false;
  std::atomic<uint64_t> commits_ = 0, transactions_ = 0;
  std::thread writer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for tasks of a simulation
};

}  // namespace mk::store

// The Store on one SQLite file (or in memory): the writer's thread, its queue, and what it publishes.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "store/batch.h"
#include "store/disk.h"
#include "store/index.h"
#include "store/readers.h"
#include "store/ring.h"
#include "store/sqlite.h"

namespace mk::store {

class SqliteStore final : public Store {
 public:
  static Result<std::unique_ptr<Store>> open(StoreOptions options);
  ~SqliteStore() override;

  void submit(Txn txn, Completion done) override;
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
  explicit SqliteStore(StoreOptions options) : options_(std::move(options)) {}
  bool in_memory() const { return options_.path.empty(); }
  Result<void> open_files();
  Result<void> load();

  void run();  // the writer's thread
  bool take_up(std::vector<Submission>& batch);
  void carry_out(std::vector<Submission>& batch);
  // Commits what holds. An error is that of the whole batch.
  Result<void> commit_batch(std::vector<Submission>& batch, std::vector<Result<Committed>>& results,
                            Batch& decided);
  Result<void> save_counters(const Counters& counters);
  void stop_writing();
  void trim_log();
  Error read_only_error() const;

  const StoreOptions options_;
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<Connection> db_;  // the writer's thread; in memory shared with readers under db_mutex_
  mutable std::mutex db_mutex_;
  std::unique_ptr<Readers> readers_;  // null in memory
  Index index_;
  std::shared_ptr<Ring> ring_;
  Counters counters_;  // the writer's thread

  mutable std::mutex queue_mutex_;
  std::condition_variable queue_filled_;
  std::deque<Submission> queue_;
  size_t queue_bytes_ = 0;
  bool closing_ = false;

  std::atomic<bool> read_only_ = false, disk_full_ = false;
  std::atomic<uint64_t> commits_ = 0, transactions_ = 0;
  std::thread writer_;
};

}  // namespace mk::store

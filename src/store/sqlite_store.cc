#include "store/sqlite_store.h"

#include <pthread.h>

#include <algorithm>

#include "base/format.h"
#include "base/log.h"
#include "os/executor.h"
#include "store/awaited.h"
#include "store/limits.h"
#include "store/schema.h"

namespace mk::store {

Result<std::unique_ptr<Store>> SqliteStore::open(StoreOptions options,
                                                 std::shared_ptr<const BodyCipher> cipher) {
  auto store = std::unique_ptr<SqliteStore>(new SqliteStore(std::move(options), std::move(cipher)));
  MK_OK(store->open_files());
  MK_OK(store->load());
  store->ring_ = std::make_shared<Ring>(store->options_.watch_ring_events_max,
                                        store->options_.watch_ring_bytes_max, store->counters_.version);
  if (store->options_.executor) return store;
  store->writer_ = std::thread([self = store.get()] { self->run(); });
  pthread_setname_np(store->writer_.native_handle(), "mk-store");
  return store;
}

Result<void> SqliteStore::open_files() {
  if (in_memory()) {
    MK_TRY(db_, Connection::open({}, Connection::Mode::kMemory, kWriterCacheKib));
    return migrate(*db_, options_.schemas, true);
  }
  MK_TRY(disk_, Disk::claim(options_.path));
  if (!disk_->keep_reserve()) {
    read_only_ = disk_full_ = true;
    log::error("the disk is full: the store is read-only until there is room and modelkit is restarted",
               {{"path", options_.path}, {"bytes_needed", kReserveBytes}});
  }
  const Connection::Place place{options_.path, options_.vfs};
  MK_TRY(db_, Connection::open(place, Connection::Mode::kReadWrite, kWriterCacheKib));
  MK_OK(migrate(*db_, options_.schemas, !read_only_));
  readers_ = std::make_unique<Readers>(place, options_.readers);
  MK_TRY(const int64_t vacuum, db_->number("PRAGMA auto_vacuum"));
  auto_vacuum_ = vacuum != 0;
  if (read_only_ || options_.executor) return {};
  MK_TRY(checkpointer_, Checkpointer::start(place, [this](bool full) { stop_writing(full); }));
  return {};
}

Result<void> SqliteStore::load() {
  MK_OK(db_->query("SELECT version, segment FROM store_counters", {}, [&](const Row& row) {
    counters_.version = static_cast<Version>(row.integer(0));
    counters_.segment = row.integer(1);
    return true;
  }));
  std::vector<Change> objects;
  Result<void> held;
  MK_OK(db_->query("SELECT id, resource, space, name, version, body FROM store_objects ORDER BY id", {},
                   [&](const Row& row) {
                     Key key{std::string(row.text(1)), std::string(row.text(2)), std::string(row.text(3))};
                     const std::string name = key.text();
                     Result<std::string> body = std::string(row.text(5));
                     if (cipher_ && cipher_->covers(key)) body = cipher_->open(key, *body);
                     if (!body) {
                       held = Failure(std::move(body).error());
                       return false;
                     }
                     auto object =
                         restore(std::move(key), *body, static_cast<Version>(row.integer(4)), row.integer(0));
                     if (!object) {
                       held = fail(Error{Code::kFailedPrecondition, "object_damaged",
                                         fmt::format("the database holds a damaged object: {}", name),
                                         "restore a backup of the data folder"});
                       return false;
                     }
                     counters_.row = row.integer(0);
                     objects.push_back({nullptr, *std::move(object), false});
                     return true;
                   }));
  MK_OK(held);
  index_.apply(objects, counters_.version);
  if (index_.size() != objects.size()) {
    return fail(Error{Code::kFailedPrecondition, "object_damaged", "the database holds an object twice",
                      "restore a backup of the data folder"});
  }
  return {};
}

SqliteStore::~SqliteStore() {
  {
    std::lock_guard lock(queue_mutex_);
    closing_ = true;
  }
  queue_filled_.notify_one();
  if (writer_.joinable())
    writer_.join();
  else
    write_all();
  *alive_ = false;
  checkpointer_.reset();  // before the writer's connection, which moves the rest of the log when it closes
  if (read_only_ && db_ && !in_memory()) db_->leave_log_on_close();
}

// ---- submitting
// ----------------------------------------------------------------------------------------------

namespace {

Result<void> check_segment_size(size_t bytes) {
  if (bytes <= kSegmentBytesMax) return {};
  return fail(Code::kTooLarge, "segment_too_large",
              fmt::format("{} bytes at once are too many; at most {}", bytes, kSegmentBytesMax));
}

}  // namespace

namespace {

// What can be done on the caller's thread: serialising belongs there.
Submission prepare(Txn txn) {
  Submission submission;
  submission.bytes = 256;
  for (ObjectOp& op : txn.objects) {
    std::shared_ptr<Stored> object;
    if (op.kind != ObjectOp::Kind::kDelete && !submission.refused) {
      auto made = draft(op.key, std::move(op.body));
      if (made) {
        object = *std::move(made);
        submission.bytes += object->body.size();
      } else {
        submission.refused = std::move(made).error();
      }
    }
    submission.drafts.push_back(std::move(object));
  }
  for (const SegmentAppend& segment : txn.segments) {
    submission.bytes += segment.bytes.size();
    if (auto held = check_segment_size(segment.bytes.size()); !held)
      submission.refused = std::move(held).error();
  }
  submission.txn = std::move(txn);
  return submission;
}

Failure overloaded() {
  return fail(
      Error{Code::kResourceExhausted, "store_overloaded", "too many writes are waiting", "try again later"});
}

}  // namespace

bool SqliteStore::enqueue(Submission& submission) {
  bool wake = false, post = false;
  {
    std::lock_guard lock(queue_mutex_);
    if (queue_.size() >= kPendingTxnsMax || queue_bytes_ >= kPendingBytesMax) return false;
    wake = queue_.empty() && !writing_;  // whoever has the role looks again
    post = queue_.empty() && options_.executor;
    queue_bytes_ += submission.bytes;
    queue_.push_back(std::move(submission));
  }
  if (post) {
    options_.executor->post([this, alive = alive_] {
      if (*alive) write_all();
    });
  } else if (wake) {
    queue_filled_.notify_one();
  }
  return true;
}

void SqliteStore::submit(Txn txn, Completion done) {
  Submission submission = prepare(std::move(txn));
  submission.done = std::move(done);
  if (!enqueue(submission) && submission.done) submission.done(overloaded());
}

Result<Committed> SqliteStore::commit(Txn txn) {
  std::vector<Submission> batch(1);
  batch[0] = prepare(std::move(txn));
  if (!options_.executor && take_role()) {
    std::optional<Result<Committed>> result;
    batch[0].done = [&](Result<Committed> done) { result = std::move(done); };
    carry_out(batch);
    give_role_back();
    return *std::move(result);
  }
  const Awaited awaited;
  batch[0].done = awaited.completion();
  if (!enqueue(batch[0])) return overloaded();
  if (options_.executor) write_all();
  return awaited.wait();
}

void SqliteStore::merge_segments(std::string stream, int64_t first, int64_t last, std::string merged,
                                 Completion done) {
  Txn txn;
  txn.rows = [stream = std::move(stream), first, last,
              merged = std::move(merged)](RowWriter& rows) -> Result<void> {
    const std::string_view name = stream;
    MK_OK(check_segment_size(merged.size()));
    int64_t there = 0;
    MK_OK(rows.query("SELECT count(*) FROM store_segments WHERE stream = ? AND id IN (?, ?)",
                     {name, first, last}, [&](const Row& row) {
                       there = row.integer(0);
                       return false;
                     }));
    if (there != (first == last ? 1 : 2)) {
      return fail(Code::kNotFound, "segment_not_found", "the segments were replaced or dropped meanwhile");
    }
    MK_TRY([[maybe_unused]] auto gone,
           rows.exec("DELETE FROM store_segments INDEXED BY store_segments_by_stream "
                     "WHERE stream = ? AND id BETWEEN ? AND ?",
                     {name, first, last}));
    MK_TRY([[maybe_unused]] auto added,
           rows.exec("INSERT INTO store_segments(stream, id, bytes) VALUES(?, ?, ?)",
                     {name, last, Bytes{merged}}));
    return {};
  };
  submit(std::move(txn), std::move(done));
}

void SqliteStore::drop_segments(std::string stream, Completion done) {
  Txn txn;
  txn.rows = [stream = std::move(stream)](RowWriter& rows) -> Result<void> {
    MK_TRY([[maybe_unused]] auto gone,
           rows.exec("DELETE FROM store_segments WHERE stream = ?", {std::string_view(stream)}));
    return {};
  };
  submit(std::move(txn), std::move(done));
}

// ---- the writer
// ----------------------------------------------------------------------------------------------

// Alone means that nobody waits and that the last batch was of one: with more callers than one a batch of
// their transactions needs fewer syncs than each for itself.
bool SqliteStore::take_role() {
  std::lock_guard lock(queue_mutex_);
  if (writing_ || !queue_.empty() || last_batch_ > 1) return false;
  writing_ = true;
  return true;
}

void SqliteStore::give_role_back() {
  bool waiting = false;
  {
    std::lock_guard lock(queue_mutex_);
    writing_ = false;
    last_batch_ = 1;
    waiting = !queue_.empty() || spare_pages_ > 0 || closing_;
  }
  if (waiting) queue_filled_.notify_one();
}

void SqliteStore::run() {
  std::unique_lock lock(queue_mutex_);
  while (true) {
    queue_filled_.wait(lock, [&] { return !writing_ && (closing_ || !queue_.empty() || spare_pages_ > 0); });
    if (!queue_.empty()) {
      write_waiting(lock);
    } else if (closing_) {
      return;
    } else {
      writing_ = true;
      lock.unlock();
      vacuum_step();
      lock.lock();
      writing_ = false;
    }
  }
}

void SqliteStore::write_all() {
  std::unique_lock lock(queue_mutex_);
  while (!queue_.empty() && !writing_) write_waiting(lock);
}

void SqliteStore::write_waiting(std::unique_lock<std::mutex>& lock) {
  writing_ = true;
  std::vector<Submission> batch = take_up();
  last_batch_ = batch.size();
  lock.unlock();
  carry_out(batch);
  batch.clear();
  lock.lock();
  writing_ = false;
}

std::vector<Submission> SqliteStore::take_up() {
  std::vector<Submission> batch;
  size_t bytes = 0;
  while (!queue_.empty() && batch.size() < kBatchTxnsMax && bytes < kBatchBytesMax) {
    bytes += queue_.front().bytes;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  queue_bytes_ -= bytes;
  return batch;
}

void SqliteStore::carry_out(std::vector<Submission>& batch) {
  std::vector<Result<Committed>> results;
  results.reserve(batch.size());
  Batch decided(*db_, index_, counters_, cipher_.get());
  if (auto held = commit_batch(batch, results, decided); !held) {
    results.assign(batch.size(), fail(std::move(held).error()));
  } else {
    counters_ = decided.counters();
    // Index before ring: who gets an event finds its object at least as new.
    index_.apply(decided.changes(), counters_.version);
    ring_->publish(decided.changes(), counters_.version);
  }
  transactions_ += batch.size();
  for (size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].done) batch[i].done(std::move(results[i]));
  }
  trim_log();  // after the answers
}

Result<void> SqliteStore::commit_batch(std::vector<Submission>& batch,
                                       std::vector<Result<Committed>>& results, Batch& decided) {
  if (read_only_) return fail(read_only_error());
  std::unique_lock<std::mutex> shared(db_mutex_, std::defer_lock);
  if (in_memory()) shared.lock();  // readers must not see half a batch
  auto begun = db_->exec("BEGIN IMMEDIATE");
  if (!begun && !db_->broken() && !db_->disk_full())
    return fail(std::move(begun).error());  // busy: nothing happened
  bool held = begun.has_value();
  for (size_t i = 0; held && i < batch.size(); ++i) {
    results.push_back(decided.add(batch[i]));
    held = !decided.spoilt();
  }
  held = held && save_counters(decided.counters()) && db_->exec("COMMIT").has_value();
  ++commits_;
  if (held) return {};
  if (db_->in_transaction()) (void)db_->exec("ROLLBACK");
  stop_writing(db_->disk_full());
  return fail(read_only_error());
}

Result<void> SqliteStore::save_counters(const Counters& counters) {
  if (counters.version == counters_.version && counters.segment == counters_.segment) return {};
  MK_TRY([[maybe_unused]] auto changed,
         db_->exec("UPDATE store_counters SET version = ?, segment = ?",
                   {static_cast<int64_t>(counters.version), counters.segment}));
  return {};
}

// On the writer's thread or the checkpointer's.
void SqliteStore::stop_writing(bool disk_full) {
  if (disk_full) disk_full_ = true;
  read_only_ = true;
  log::error("a commit failed: the store is read-only until modelkit is restarted",
             {{"path", options_.path}, {"disk_full", disk_full}, {"version", index_.version()}});
  if (disk_full && disk_) disk_->release_reserve();  // room to move the log at the next start
}

Error SqliteStore::read_only_error() const {
  if (disk_full_) {
    return {Code::kUnavailable, "disk_full", "the disk is full; nothing was written",
            "free some space, then restart modelkit"};
  }
  return {Code::kUnavailable, "store_read_only", "the store is read-only since a write failed",
          "see the log for the cause, then restart modelkit"};
}

// Keeps the log near its goal: most of it is moved beside us, the last bit here, so that the log starts anew.
void SqliteStore::trim_log() {
  if (in_memory() || read_only_) return;
  const int64_t log = db_->wal_bytes();
  if (log < log_seen_) count_spare();
  log_seen_ = log;
  const int64_t left = checkpointer_ ? checkpointer_->tell(log) : log;
  if (log < kWalBytesGoal) return;
  if (log >= std::max(kWalBytesMax, empty_at_)) return empty_log();
  if (checkpointer_ && left > kWalBytesTail) return;
  if (!db_->checkpoint(false)) stop_writing(db_->disk_full());
}

// A reader that never ends would let the log grow without bound, so at the cap readers wait, and so does the
// writer.
void SqliteStore::empty_log() {
  if (checkpointer_) checkpointer_->settle();
  if (!readers_->hold_back(Duration::from_ms(options_.reader_patience_ms)))
    log::warn("a read holds up the log for too long", {{"log_bytes", db_->wal_bytes()}});
  const bool moved = db_->checkpoint(true).has_value();
  readers_->let_in();
  if (!moved) return stop_writing(db_->disk_full());
  const int64_t log = db_->wal_bytes();
  if (checkpointer_) checkpointer_->tell(log);
  // Somebody outside this process reads, a backup most likely: it is not to cost a wait at every commit.
  empty_at_ = log < kWalBytesMax ? 0 : log + kWalBytesMax;
  count_spare();
}

// Pages that nothing uses, beyond those that are soon used again.
void SqliteStore::count_spare() {
  if (!auto_vacuum_ || options_.executor) return;
  const auto spare = db_->number("PRAGMA freelist_count");
  const auto all = db_->number("PRAGMA page_count");
  if (!spare || !all) return;
  std::lock_guard lock(queue_mutex_);
  spare_pages_ = std::max<int64_t>(0, *spare - std::max(kSparePagesMin, *all / kSpareFraction));
}

void SqliteStore::vacuum_step() {
  const int64_t pages = std::min(kVacuumStepPages, spare_pages_);  // changed with the role only
  const bool done =
      !read_only_ && db_->script(fmt::format("PRAGMA incremental_vacuum({})", pages)).has_value();
  {
    std::lock_guard lock(queue_mutex_);
    spare_pages_ = done ? spare_pages_ - pages : 0;
  }
  if (done) return trim_log();
  if (!read_only_) stop_writing(db_->disk_full());
}

// ---- reading
// -------------------------------------------------------------------------------------------------

Result<std::unique_ptr<Watch>> SqliteStore::watch(Selection selection, Version from,
                                                  std::function<void()> ready) {
  return ring_->watch(std::move(selection), from, index_.version(), std::move(ready));
}

Result<void> SqliteStore::read(const std::function<Result<void>(RowReader&)>& read) const {
  if (!in_memory()) return readers_->run(read);
  std::lock_guard lock(db_mutex_);
  db_->set_read_only(true);
  auto result = read(*db_);
  db_->set_read_only(false);
  return result;
}

Result<std::vector<std::pair<int64_t, Blob>>> SqliteStore::segments(std::string_view stream) const {
  std::vector<std::pair<int64_t, Blob>> out;
  MK_OK(read([&](RowReader& rows) {
    return rows.query(
        "SELECT id, bytes FROM store_segments INDEXED BY store_segments_by_stream WHERE stream = ? ORDER BY "
        "id",
        {stream}, [&](const Row& row) {
          out.emplace_back(row.integer(0), Blob(row.text(1)));
          return true;
        });
  }));
  return out;
}

Store::Stats SqliteStore::stats() const {
  Stats out;
  out.version = index_.version();
  out.objects = index_.size();
  out.watchers = ring_->watchers();
  out.commits = commits_;
  out.transactions = transactions_;
  out.read_only = read_only_;
  std::lock_guard lock(queue_mutex_);
  out.pending = queue_.size();
  return out;
}

}  // namespace mk::store

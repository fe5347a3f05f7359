// One commit in the making: takes transactions in order, decides each against the index and what the batch
// has done so far, and writes those that hold into the open SQLite transaction. On the writer's thread only.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "store/body_cipher.h"
#include "store/index.h"
#include "store/sqlite.h"
#include "store/stored.h"

namespace mk::store {

// A transaction as handed to the writer.
struct Submission {
  Txn txn;
  std::vector<std::shared_ptr<Stored>> drafts;  // for each of txn.objects; null for deletions
  std::optional<Error> refused;                 // found wrong before it got here
  Completion done;
  size_t bytes = 0;
};

// The last numbers given out. Segment ids are never given twice while the store is open.
struct Counters {
  Version version = 0;
  int64_t row = 0, segment = 0;
};

class Batch {
 public:
  // `cipher` may be null.
  Batch(Connection& db, const Index& index, const Counters& start, const BodyCipher* cipher = nullptr)
      : db_(db), index_(index), counters_(start), cipher_(cipher) {}

  // An error drops this transaction alone, unless the batch is spoilt.
  Result<Committed> add(Submission& submission);
  // The disk failed under it: nothing of this batch may be committed.
  bool spoilt() const { return torn_ || db_.broken() || db_.disk_full() || !db_.in_transaction(); }

  std::span<const Change> changes() const { return changes_; }
  const Counters& counters() const { return counters_; }

 private:
  StoredRef find(const Key& key) const;
  Result<void> decide(const ObjectOp& op, const std::shared_ptr<Stored>& draft);
  Result<void> run_rows(const Txn& txn);
  Result<void> write(Submission& submission, size_t first);
  Result<void> write_change(const Change& change);
  void undo(size_t first, const Counters& start);

  Connection& db_;
  const Index& index_;
  Counters counters_;
  const BodyCipher* const cipher_;
  bool torn_ = false;
  std::vector<Change> changes_;
  std::map<Key, StoredRef> latest_;  // of keys touched in this batch; null = deleted
};

}  // namespace mk::store

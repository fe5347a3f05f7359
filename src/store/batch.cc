#include "store/batch.h"

#include "base/format.h"

namespace mk::store {

StoredRef Batch::find(const Key& key) const {
  auto at = latest_.find(key);
  return at == latest_.end() ? index_.find_for_writer(key) : at->second;
}

Result<void> Batch::decide(const ObjectOp& op, const std::shared_ptr<Stored>& draft) {
  StoredRef before = find(op.key);
  if (op.kind == ObjectOp::Kind::kCreate) {
    if (before) return fail(Code::kAlreadyExists, "object_exists", op.key.text() + " exists already");
    seal(*draft, ++counters_.version, ++counters_.row);
  } else {
    if (!before) return fail(Code::kNotFound, "object_not_found", op.key.text() + " does not exist");
    if (op.if_version && *op.if_version != before->version) {
      return fail(Error{Code::kConflict, "version_conflict",
                        fmt::format("{} has changed: it is at version {}, not {}", op.key.text(),
                                    before->version, *op.if_version),
                        "read it again and repeat the change"});
    }
    ++counters_.version;
    if (draft) seal(*draft, counters_.version, before->row);
  }
  Change change;
  change.deleted = op.kind == ObjectOp::Kind::kDelete;
  change.after = change.deleted ? with_version(*before, counters_.version) : draft;
  change.before = std::move(before);
  latest_[op.key] = change.deleted ? nullptr : change.after;
  changes_.push_back(std::move(change));
  return {};
}

Result<void> Batch::write_change(const Change& change) {
  const Stored& object = *change.after;
  const auto version = static_cast<int64_t>(object.version);
  Result<int64_t> changed = 0;
  std::string sealed;
  std::string_view body = object.body;
  if (!change.deleted && cipher_ && cipher_->covers(object.key)) body = sealed = cipher_->seal(object.key, object.body);
  if (change.deleted) {
    changed = db_.exec("DELETE FROM store_objects WHERE id = ?", {object.row});
  } else if (change.before) {
    changed = db_.exec("UPDATE store_objects SET version = ?, body = ? WHERE id = ?",
                       {version, body, object.row});
  } else {
    changed = db_.exec(
        "INSERT INTO store_objects(id, resource, space, name, version, body) VALUES(?, ?, ?, ?, ?, ?)",
        {object.row, std::string_view(object.key.resource), std::string_view(object.key.space),
         std::string_view(object.key.name), version, body});
  }
  if (!changed) return fail(std::move(changed).error());
  MK_CHECK(*changed == 1);  // index and table are one
  return {};
}

Result<void> Batch::write(Submission& submission, size_t first) {
  for (size_t i = first; i < changes_.size(); ++i) MK_OK(write_change(changes_[i]));
  for (const SegmentAppend& segment : submission.txn.segments) {
    MK_TRY(auto changed,
           db_.exec("INSERT INTO store_segments(stream, id, bytes) VALUES(?, ?, ?)",
                    {std::string_view(segment.stream), ++counters_.segment, Bytes{segment.bytes}}));
    MK_CHECK(changed == 1);
  }
  return {};
}

void Batch::undo(size_t first, const Counters& start) {
  while (changes_.size() > first) {
    latest_[changes_.back().key()] = changes_.back().before;
    changes_.pop_back();
  }
  counters_ = start;
}

// Only `rows` can fail halfway for a reason of its own, so only it pays for a savepoint.
Result<void> Batch::run_rows(const Txn& txn) {
  if (!txn.rows) return {};
  MK_TRY([[maybe_unused]] auto opened, db_.exec("SAVEPOINT txn"));
  Result<void> held = txn.rows(db_);
  if (!db_.in_transaction())
    return held ? fail(Code::kInternal, "transaction_ended", "the transaction was ended") : held;
  if (!held) {
    MK_TRY([[maybe_unused]] auto rolled, db_.exec("ROLLBACK TO txn"));
  }
  MK_TRY([[maybe_unused]] auto released, db_.exec("RELEASE txn"));
  return held;
}

Result<Committed> Batch::add(Submission& submission) {
  if (submission.refused) return fail(*std::move(submission.refused));
  const Counters start = counters_;
  const size_t first = changes_.size();
  Result<void> held;
  for (size_t i = 0; held && i < submission.txn.objects.size(); ++i) {
    held = decide(submission.txn.objects[i], submission.drafts[i]);
  }
  if (held) held = run_rows(submission.txn);
  if (held) {
    held = write(submission, first);
    torn_ = !held;
  }
  if (!held) {
    undo(first, start);
    return fail(std::move(held).error());
  }
  Committed out;
  out.version = counters_.version;
  for (size_t i = first; i < changes_.size(); ++i) out.objects.push_back(changes_[i].after);
  return out;
}

}  // namespace mk::store

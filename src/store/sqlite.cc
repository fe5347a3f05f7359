#include "store/sqlite.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "base/format.h"
#include "base/log.h"
#include "store/limits.h"

namespace mk::store {

namespace {

constexpr int kPageBytes = 4096;
constexpr int kBusyWaitMs = 1000;      // for another program's lock
constexpr int kCheckpointWaitMs = 50;  // for a reader outside this process

// Process-wide, before the first connection: SQLite need not count its memory under a global lock.
void configure_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
  });
}

class StatementRow final : public Row {
 public:
  explicit StatementRow(sqlite3_stmt* statement) : statement_(statement) {}
  bool is_null(int column) const override { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  int64_t integer(int column) const override { return sqlite3_column_int64(statement_, column); }
  double number(int column) const override { return sqlite3_column_double(statement_, column); }
  std::string_view text(int column) const override {
    // A blob is its bytes; sqlite3_column_text would look for a terminator and make a copy.
    const bool blob = sqlite3_column_type(statement_, column) == SQLITE_BLOB;
    const void* data =
        blob ? sqlite3_column_blob(statement_, column) : sqlite3_column_text(statement_, column);
    if (!data) return {};
    return {static_cast<const char*>(data), static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  sqlite3_stmt* statement_;
};

int bind(sqlite3_stmt* statement, int at, const Value& value) {
  struct Binder {
    sqlite3_stmt* s;
    int at;
    int text(std::string_view v) const {
      // A null pointer would bind NULL instead of the empty text.
      return sqlite3_bind_text64(s, at, v.data() ? v.data() : "", v.size(), SQLITE_STATIC, SQLITE_UTF8);
    }
    int operator()(std::monostate) const { return sqlite3_bind_null(s, at); }
    int operator()(int64_t v) const { return sqlite3_bind_int64(s, at, v); }
    int operator()(double v) const { return sqlite3_bind_double(s, at, v); }
    int operator()(const std::string& v) const { return text(v); }
    int operator()(std::string_view v) const { return text(v); }
    int operator()(Bytes v) const {
      return sqlite3_bind_blob64(s, at, v.data.data() ? v.data.data() : "", v.data.size(), SQLITE_STATIC);
    }
  };
  return std::visit(Binder{statement, at}, value);
}

}  // namespace

// A statement in use: values bound on construction, given back on destruction.
class Connection::Lease {
 public:
  Lease(sqlite3_stmt* handle, bool* busy) : handle_(handle), busy_(busy) {
    if (busy_) *busy_ = true;
  }
  Lease(Lease&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)), busy_(other.busy_) {}
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (!handle_) return;
    if (!busy_) {  // a second use of the same text while the first runs: not cached
      sqlite3_finalize(handle_);
      return;
    }
    sqlite3_reset(handle_);
    sqlite3_clear_bindings(handle_);
    *busy_ = false;
  }
  sqlite3_stmt* get() const { return handle_; }

 private:
  sqlite3_stmt* handle_;
  bool* busy_;
};

Result<std::unique_ptr<Connection>> Connection::open(const Place& place, Mode mode, int cache_kib) {
  configure_once();
  auto connection = std::unique_ptr<Connection>(new Connection());
  const bool memory = mode == Mode::kMemory;
  connection->read_only_ = mode == Mode::kReadOnly;
  // Readers open read-write too: only such a connection may take part in the log's shared index. query_only
  // and the check in lease() keep them from writing.
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
  const char* vfs = place.vfs.empty() ? nullptr : place.vfs.c_str();
  int code = sqlite3_open_v2(memory ? ":memory:" : place.path.c_str(), &connection->db_, flags, vfs);
  if (code != SQLITE_OK) return fail(connection->error(code, "open"));
  sqlite3_db_config(connection->db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(connection->db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_busy_timeout(connection->db_, kBusyWaitMs);
  std::string setup = fmt::format(
      "PRAGMA cache_size=-{}; PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=ON; PRAGMA secure_delete=FAST;",
      cache_kib);
  if (mode == Mode::kReadWrite) {
    // auto_vacuum is decided before the first page is written; an older file keeps what it has until `modelkit migrate`.
    // Saying it again would be a write, which a full disk refuses.
    MK_TRY(const int64_t pages, connection->number("PRAGMA page_count"));
    if (pages == 0) setup += "PRAGMA auto_vacuum=INCREMENTAL; ";
    setup += fmt::format("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit={};", kWalBytesMax);
  } else if (mode == Mode::kReadOnly) {
    setup += "PRAGMA query_only=ON;";
  } else if (mode == Mode::kCheckpoint) {
    setup += "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;";
  } else {
    setup += "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF;";
  }
  MK_OK(connection->script(setup));
  if (mode == Mode::kReadWrite) {
    std::string journal;
    MK_OK(connection->query("PRAGMA journal_mode", {}, [&](const Row& row) {
      journal = row.text(0);
      return false;
    }));
    if (journal != "wal") {  // no shared memory there: a network share, most likely
      return fail(Error{Code::kFailedPrecondition, "no_log",
                        "the file system of the data folder cannot hold a database",
                        "choose a data folder on a local disk"});
    }
    // Replaces SQLite's own checkpoint inside the commit: the writer does it after it has answered.
    sqlite3_wal_hook(
        connection->db_,
        [](void* self, sqlite3*, const char*, int pages) {
          static_cast<Connection*>(self)->wal_bytes_ = int64_t{pages} * kPageBytes;
          return SQLITE_OK;
        },
        connection.get());
  }
  return connection;
}

Connection::~Connection() {
  for (Statement& statement : statements_) sqlite3_finalize(statement.handle);
  sqlite3_close_v2(db_);
}

Error Connection::error(int code, std::string_view doing) {
  const int primary = code & 0xff;
  const bool full =
      primary == SQLITE_FULL || (primary == SQLITE_IOERR && db_ && sqlite3_system_errno(db_) == ENOSPC);
  if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY) {
    return {Code::kAlreadyExists, "row_exists", "it exists already"};
  }
  if (primary == SQLITE_TOOBIG)
    return {Code::kTooLarge, "value_too_large", "a value is too large to be stored"};
  if (primary == SQLITE_INTERRUPT) {
    return {Code::kUnavailable, "read_interrupted", "the read took too long and was broken off",
            "ask for less at a time"};
  }
  // The text names tables and files: for the operator's log only.
  log::error("database error",
             {{"code", code}, {"doing", doing}, {"text", db_ ? sqlite3_errmsg(db_) : "no memory"}});
  disk_full_ |= full;
  if (full)
    return {Code::kUnavailable, "disk_full", "the disk is full; nothing was written",
            "free some space, then restart modelkit"};
  switch (primary) {
    case SQLITE_NOTADB:
      return {Code::kFailedPrecondition, "not_our_database", "the database file is no database",
              "move it away, or restore a backup of the data folder"};
    case SQLITE_CORRUPT:
      broken_ = true;
      return {Code::kUnavailable, "database_damaged", "the database file is damaged",
              "restore a backup of the data folder"};
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
      broken_ = true;
      return {Code::kUnavailable, "disk_failed", "the database could not be read or written",
              "see the log for the cause"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Code::kUnavailable, "database_busy", "the database is in use by another program",
              "end it and try again"};
    default:
      return {Code::kInternal, "statement_failed", "the store could not carry this out"};
  }
}

Result<sqlite3_stmt*> Connection::prepare(std::string_view sql) {
  sqlite3_stmt* handle = nullptr;
  const char* rest = nullptr;
  int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                &handle, &rest);
  if (code != SQLITE_OK) return fail(error(code, sql));
  std::string_view tail(rest, static_cast<size_t>(sql.data() + sql.size() - rest));
  const bool one = handle && tail.find_first_not_of(" \n\t;") == std::string_view::npos;
  if (!one) {
    sqlite3_finalize(handle);
    log::error("refused statement", {{"sql", sql}});
    return fail(Code::kInternal, "statement_refused", "the store could not carry this out");
  }
  return handle;
}

void Connection::evict() {
  for (auto at = std::prev(statements_.end()); statements_.size() > kStatementsMax; --at) {
    if (!at->busy) {
      by_sql_.erase(at->sql);
      sqlite3_finalize(at->handle);
      at = statements_.erase(at);
    }
    if (at == statements_.begin()) return;
  }
}

Result<Connection::Lease> Connection::lease(std::string_view sql, const std::vector<Value>& values) {
  auto found = by_sql_.find(sql);
  sqlite3_stmt* handle = nullptr;
  bool* busy = nullptr;
  if (found == by_sql_.end()) {
    MK_TRY(handle, prepare(sql));
    statements_.push_front(Statement{std::string(sql), handle, false});
    by_sql_.emplace(statements_.front().sql, statements_.begin());
    busy = &statements_.front().busy;
    *busy = true;
    evict();
  } else if (found->second->busy) {
    MK_TRY(handle, prepare(sql));
  } else {
    statements_.splice(statements_.begin(), statements_, found->second);
    handle = found->second->handle;
    busy = &found->second->busy;
  }
  Lease out(handle, busy);
  if (static_cast<int>(values.size()) != sqlite3_bind_parameter_count(handle) ||
      (read_only_ && !sqlite3_stmt_readonly(handle))) {
    log::error("a read that writes, or a wrong number of values", {{"sql", sql}});
    return fail(Code::kInternal, "statement_refused", "the store could not carry this out");
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (int code = bind(handle, static_cast<int>(i) + 1, values[i]); code != SQLITE_OK)
      return fail(error(code, sql));
  }
  return out;
}

Result<void> Connection::query(std::string_view sql, const std::vector<Value>& values,
                               const std::function<bool(const Row&)>& each) {
  MK_TRY(Lease statement, lease(sql, values));
  StatementRow row(statement.get());
  int code = SQLITE_OK;
  while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
    if (!each(row)) return {};
  }
  if (code != SQLITE_DONE) return fail(error(code, sql));
  return {};
}

Result<int64_t> Connection::exec(std::string_view sql, const std::vector<Value>& values) {
  MK_TRY(Lease statement, lease(sql, values));
  const int64_t before = sqlite3_total_changes64(db_);
  int code = SQLITE_OK;
  while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
  }
  if (code != SQLITE_DONE) return fail(error(code, sql));
  // sqlite3_changes would repeat the last count after a statement that changes nothing, e.g. DDL;
  // total_changes counts cascades as well, so it only tells whether there was any.
  return sqlite3_total_changes64(db_) == before ? 0 : sqlite3_changes64(db_);
}

int64_t Connection::last_insert_id() const {
  return sqlite3_last_insert_rowid(db_);
}

Result<void> Connection::script(const std::string& sql) {
  if (int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr); code != SQLITE_OK) {
    return fail(error(code, sql));
  }
  return {};
}

Result<int64_t> Connection::number(std::string_view sql) {
  int64_t out = 0;
  MK_OK(query(sql, {}, [&](const Row& row) {
    out = row.integer(0);
    return false;
  }));
  return out;
}

bool Connection::in_transaction() const {
  return sqlite3_get_autocommit(db_) == 0;
}

void Connection::interrupt() {
  sqlite3_interrupt(db_);
}

Result<int64_t> Connection::checkpoint(bool all) {
  int frames = 0, moved = 0;
  sqlite3_busy_timeout(db_, kCheckpointWaitMs);
  int code = sqlite3_wal_checkpoint_v2(
      db_, nullptr, all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &frames, &moved);
  sqlite3_busy_timeout(db_, kBusyWaitMs);
  const bool busy =
      code == SQLITE_BUSY;  // a reader is in the way, or another checkpoint; what could be moved was
  if (!busy && code != SQLITE_OK) return fail(error(code, "checkpoint"));
  if (!busy) wal_bytes_ = all ? 0 : int64_t{frames} * kPageBytes;
  return int64_t{std::max(moved, 0)} * kPageBytes;
}

void Connection::leave_log_on_close() {
  sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

}  // namespace mk::store

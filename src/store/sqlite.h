// One SQLite connection with its prepared statements: the only file layer that sees sqlite3.h.
// One thread at a time, but interrupt().
#pragma once
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace mk::store {

class Connection final : public RowWriter {
 public:
  enum class Mode : uint8_t { kReadWrite, kReadOnly, kCheckpoint, kMemory };
  struct Place {
    std::string path;  // not used for kMemory
    std::string vfs;   // empty = the system's
  };
  static Result<std::unique_ptr<Connection>> open(const Place& place, Mode mode, int cache_kib);
  ~Connection() override;

  Result<void> query(std::string_view sql, const std::vector<Value>& values,
                     const std::function<bool(const Row&)>& each) override;
  Result<int64_t> exec(std::string_view sql, const std::vector<Value>& values = {}) override;
  int64_t last_insert_id() const override;

  void set_read_only(bool on) { read_only_ = on; }  // on: statements that would write are refused
  Result<void> script(const std::string& sql);      // any number of statements, not cached
  Result<int64_t> number(std::string_view sql);     // the first column of the first row; 0 without one
  // The disk or the file failed since opening: what was not committed is lost and nothing more should be
  // written.
  bool broken() const { return broken_; }
  bool disk_full() const { return disk_full_; }
  bool in_transaction() const;
  void interrupt();                                 // from any thread: running statements fail
  int64_t wal_bytes() const { return wal_bytes_; }  // after the last commit
  // Moves the log into the database file. `all`: waits for nobody, but empties the file when no reader is in
  // the way. Returns how many bytes of the present log the database has now.
  Result<int64_t> checkpoint(bool all);
  void leave_log_on_close();  // for a broken disk: recovery reads the log next time

 private:
  struct Statement {
    std::string sql;
    sqlite3_stmt* handle = nullptr;
    bool busy = false;
  };
  class Lease;
  struct Log;  // the wal hook

  Connection() = default;
  Result<Lease> lease(std::string_view sql, const std::vector<Value>& values);
  Result<sqlite3_stmt*> prepare(std::string_view sql);
  void evict();
  Error error(int code, std::string_view doing);

  sqlite3* db_ = nullptr;
  bool read_only_ = false, broken_ = false, disk_full_ = false;
  int64_t wal_bytes_ = 0;
  std::list<Statement> statements_;  // latest first
  std::unordered_map<std::string_view, std::list<Statement>::iterator> by_sql_;
};

}  // namespace mk::store

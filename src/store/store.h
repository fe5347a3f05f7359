// The one durable store: objects, rows and segments behind a single writer.
//
// Writers submit transactions; the writer thread decides many of them in order, commits them as one SQLite
// transaction (WAL, synchronous=FULL), publishes index and watch events, and only then completes the callers.
// Readers never touch the writer: objects come from a memory index, rows from read connections.
// After a failed commit the store is read-only until the process restarts (errors say so).
// Thread-safe throughout.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace mk::os {
class Executor;
}

namespace mk::store {

using Version = uint64_t;  // resourceVersion: one counter for the whole store; opaque to everyone else

// Names one object. `resource` is "plural" for the core group, else "plural.group": "pods",
// "inferenceservices.serving.kserve.io". `space` is the namespace, empty for cluster-wide kinds.
struct Key {
  std::string resource, space, name;
  auto operator<=>(const Key&) const = default;
  std::string text() const;  // "pods default/web-0", for people
};

// One version of one object; immutable, shared by index, watchers and readers.
struct Object {
  Key key;
  Version version = 0;
  std::string uid;
  std::string body;  // JSON with metadata.resourceVersion filled in; serialised once
  std::vector<std::pair<std::string, std::string>> labels;  // sorted by key
  std::vector<std::string> owners;                          // uids of ownerReferences
  Json json() const;                                        // parsed anew at each call
};
using ObjectRef = std::shared_ptr<const Object>;

// ---- writing
// -------------------------------------------------------------------------------------------------

struct ObjectOp {
  enum class Kind : uint8_t { kCreate, kUpdate, kDelete } kind = Kind::kCreate;
  Key key;
  // For create and update. metadata.uid must be set; metadata.resourceVersion is overwritten by the writer.
  Json body;
  // Update and delete happen only if the object still has this version; unset = whatever it has.
  std::optional<Version> if_version;
};

struct Bytes {  // bound as a BLOB
  std::string_view data;
};
using Value = std::variant<std::monostate, int64_t, double, std::string, std::string_view, Bytes>;
using Blob = std::string;

// A result row; columns by position. Views live until the next step.
class Row {
 public:
  virtual ~Row() = default;
  virtual bool is_null(int column) const = 0;
  virtual int64_t integer(int column) const = 0;
  virtual double number(int column) const = 0;
  virtual std::string_view text(int column) const = 0;  // text or blob bytes
};

// SQL on tables, one statement a call. Statements are prepared once per connection and cached by their text,
// so pass string literals and bind what varies. Bound text need live only while the call runs. `query` stops
// early when `each` returns false; `each` may run further queries. A broken UNIQUE or PRIMARY KEY gives
// kAlreadyExists.
class RowReader {
 public:
  virtual ~RowReader() = default;
  virtual Result<void> query(std::string_view sql, const std::vector<Value>& values,
                             const std::function<bool(const Row&)>& each) = 0;
};
class RowWriter : public RowReader {
 public:
  virtual Result<int64_t> exec(std::string_view sql,
                               const std::vector<Value>& values = {}) = 0;  // -> rows changed
  virtual int64_t last_insert_id() const = 0;
};

// Append-only bytes by stream, e.g. a run's metric points. Each append is one segment; merging replaces the
// segments up to `last` by one. Opaque to the store; the owner versions its own encoding.
struct SegmentAppend {
  std::string stream;
  std::string bytes;
};

// All or nothing. Objects are checked first (in order), then `rows` runs on the writer thread inside a
// savepoint: it must be quick and touch nothing but its RowWriter. An error anywhere drops the whole Txn and
// nothing else.
struct Txn {
  std::vector<ObjectOp> objects;
  std::function<Result<void>(RowWriter&)> rows;
  std::vector<SegmentAppend> segments;
};

struct Committed {
  Version version = 0;  // of the last object written, or the store's current one
  std::vector<ObjectRef>
      objects;  // as stored, in the order of Txn::objects; deleted ones in their last state
};
using Completion = std::function<void(Result<Committed>)>;

// ---- reading and watching
// ------------------------------------------------------------------------------------

struct Selection {
  std::string resource;              // empty = all resources
  std::optional<std::string> space;  // unset = all namespaces
};
struct Listing {
  std::vector<ObjectRef> objects;  // ordered by (resource, space, name)
  Version version = 0;             // everything up to here is in `objects`
};

struct Event {
  enum class Kind : uint8_t { kAdded, kModified, kDeleted, kBookmark } kind = Kind::kAdded;
  ObjectRef object;    // the new state; for kDeleted the last state with the version of the deletion
  ObjectRef previous;  // for kModified and kDeleted, so that selectors can see transitions
  Version version = 0;
};

// One subscription. Events arrive in commit order, none twice, none left out. `ready` is called (on the
// writer's thread; must only hand over) once events may wait and not again before the next take(). So: take()
// once after subscribing, and after each `ready` until it gives nothing. take() never blocks. A watcher that
// falls behind the ring gets Code::kGone and must list again.
class Watch {
 public:
  // Unsubscribes; `ready` is not called afterwards. Waits for a `ready` that runs on another thread, so
  // hold no lock that it takes.
  virtual ~Watch() = default;
  virtual Result<std::vector<Event>> take(size_t events_max = 1000) = 0;
  // Every event up to this version has been handed out by take(): what a bookmark says. Take until empty
  // first.
  virtual Version reached() const = 0;
};

class Store {
 public:
  virtual ~Store() = default;  // finishes what was submitted

  // Calls `done` on the writer's thread, in the order of submission, after the commit is durable and visible
  // to readers; it must be quick and hand over (it may submit, never block). A transaction that finds the
  // queue full is refused with kResourceExhausted on the caller's thread.
  virtual void submit(Txn txn, Completion done) = 0;
  // Blocks; never on an I/O thread, inside `rows` or a completion. When nobody else writes, the caller's
  // thread is the writer's for this once.
  virtual Result<Committed> commit(Txn txn);

  virtual ObjectRef get(const Key& key) const = 0;  // null when absent
  virtual Listing list(const Selection& selection) const = 0;
  virtual std::vector<ObjectRef> owned_by(std::string_view owner_uid) const = 0;
  virtual Version version() const = 0;
  // Events after `from`; kGone when the ring no longer reaches back that far, or `from` is not of this store.
  virtual Result<std::unique_ptr<Watch>> watch(Selection selection, Version from,
                                               std::function<void()> ready) = 0;

  // Runs `read` on a read connection with one consistent view of the tables; blocks while all are busy. Be
  // quick (the log cannot be emptied meanwhile; a read of seconds may be broken off), and never read or
  // commit inside.
  virtual Result<void> read(const std::function<Result<void>(RowReader&)>& read) const = 0;

  virtual Result<std::vector<std::pair<int64_t, Blob>>> segments(
      std::string_view stream) const = 0;  // (id, bytes)
  // Replaces the segments with ids from `first` to `last` by `merged`, which takes the id `last`; kNotFound
  // when either is not in the stream any more. A merge is one write like any other and holds up the rest, so
  // `merged` is bounded (kSegmentBytesMax): merge what is small and leave what is large. Part of the writer's
  // order like every Txn.
  virtual void merge_segments(std::string stream, int64_t first, int64_t last, std::string merged,
                              Completion done) = 0;
  virtual void drop_segments(std::string stream, Completion done) = 0;

  struct Stats {
    Version version = 0;
    size_t objects = 0, watchers = 0, pending = 0;
    uint64_t commits = 0, transactions = 0;
    bool read_only = false;
  };
  virtual Stats stats() const = 0;
};

// A module's tables. Run once, in order, when the database's recorded number for `module` is below an index
// + 1.
struct Schema {
  std::string module;
  std::vector<std::string> migrations;  // each one or more SQL statements; never edited once released
};

struct StoreOptions {
  std::string path;  // database file; its folder must exist. Empty = memory only, nothing durable
  std::vector<Schema> schemas;
  size_t watch_ring_events_max = 10'000;
  size_t watch_ring_bytes_max = 8u << 20;  // of object bodies
  size_t readers = 2;                      // read connections, opened when first needed
  int64_t reader_patience_ms = 2000;       // how long a read may hold up a full log before it is broken off
  std::string vfs;  // SQLite's name of the file layer; empty = the system's. Tests put faults here
  // For simulations: the store has no threads; it writes in tasks of this executor, and in commit().
  os::Executor* executor = nullptr;
};
// Errors: kFailedPrecondition when another process has it open, a newer modelkit wrote it, or it is no
// database of ours. A store that opens on a full disk is read-only.
Result<std::unique_ptr<Store>> open_store(StoreOptions options);

}  // namespace mk::store

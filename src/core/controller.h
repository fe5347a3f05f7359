// Controllers make the world match what is declared. Level-triggered: a controller is told that a key may
// need work, never what happened; it reads, plans, acts. The same controllers run on our store and on a
// cluster, so they see only Reader (may be stale) and Writer (may conflict; resourceVersion is opaque).
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "os/executor.h"
#include "store/store.h"

namespace mk::core {

using store::Key;
using store::ObjectRef;

// Every controller test also runs on a LaggyReader: it may show an older state for a while, but a consistent
// one.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual ObjectRef get(const Key& key) const = 0;  // null when absent (or not seen yet)
  virtual std::vector<ObjectRef> list(const store::Selection& selection) const = 0;
  virtual std::vector<ObjectRef> owned_by(std::string_view uid) const = 0;
};

class Writer {
 public:
  virtual ~Writer() = default;
  // All take whole objects (apiVersion, kind, metadata). kConflict, kAlreadyExists and kNotFound are ordinary
  // answers: reconcile returns them and is run again.
  virtual Result<ObjectRef> create(Json object) = 0;
  virtual Result<ObjectRef> update(Json object) = 0;         // needs metadata.resourceVersion
  virtual Result<ObjectRef> update_status(Json object) = 0;  // needs metadata.resourceVersion
  // grace_period_s = 0 ends the deletion of a Pod whose processes are gone (only its node says that).
  virtual Result<void> remove(const Key& key, std::optional<std::string> if_uid = {},
                              std::optional<int64_t> grace_period_s = {}) = 0;
  // "What happened to this object", de-duplicated with a count. type is "Normal" or "Warning".
  virtual void event(const store::Object& about, std::string_view type, std::string_view reason,
                     std::string_view message) = 0;
};

// What a reconcile wants next. Errors are retried with back-off (5 ms doubling to 5 min); Again::never after
// success.
struct Again {
  std::optional<Duration> after;
  static Again never() { return {}; }
  static Again in(Duration d) { return {d}; }
};

struct World {
  const Reader& reader;
  Writer& writer;
  const os::Clock& clock;
};

struct Controller {
  std::string name;  // "inferenceservice": metrics, logs, field manager
  // Keys of this resource are reconciled when they change, and all of them at start. Empty: only what
  // `related` maps.
  std::string resource;
  // Changes of these resources also wake keys: by the controlling owner of `resource`'s kind (owner = true),
  // or by `map`.
  struct Related {
    std::string resource;
    bool owner = true;
    std::function<std::vector<Key>(const Reader&, const store::Object&)> map = {};
  };
  std::vector<Related> related;
  // As a map of Related, of every kind there is or will be.
  std::function<std::vector<Key>(const Reader&, const store::Object&)> every = {};
  std::function<Result<Again>(World&, const Key&)> reconcile;
  size_t workers = 1;  // keys at once; one key never runs twice at a time
};

// Runs controllers on an executor until destroyed. Keys are de-duplicated while they wait; a key woken while
// it runs is run once more.
class ControllerHost {
 public:
  ControllerHost(store::Store& store, Reader& reader, Writer& writer, os::Executor& executor);
  ~ControllerHost();
  void add(Controller controller);  // before start()
  void start();
  // A kind that came after the start: those who look at every kind look at it, too.
  void watch_also(const std::string& resource);
  void wake(std::string_view controller, const Key& key);  // something outside the store changed
  size_t waiting() const;                                  // keys queued or running
  void stop();                                             // waits for what runs

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mk::core

// Watches: long replies of one JSON event a line. No thread belongs to a watch; events are pumped in turns on
// the executor when the store says that some wait, as fast as the client reads. What all watchers of a kind
// read is printed once. Thread-safe.
#pragma once
#include <memory>
#include <optional>

#include "api/kubernetes/encode.h"
#include "api/kubernetes/limits.h"
#include "core/objects.h"
#include "net/server.h"
#include "os/executor.h"
#include "store/store.h"

namespace mk::api::kubernetes {

struct WatchTiming {
  Duration bookmark_every = kBookmarkEvery;
  Duration tick = Duration::from_seconds(1);  // how precise bookmarks and time-outs are
  Duration round_pause = kWatchRoundPause;
};

class Watches {
 public:
  Watches(store::Store& store, os::Executor& executor, WatchTiming timing = {});
  ~Watches();  // ends all of them

  struct Wish {
    store::Selection selection;
    core::Sight sight;  // ends when the caller may see nothing of it any more
    core::Selector selector;
    Encoder encoder;
    std::optional<store::Version> from;  // unset or 0: all that there is now as ADDED, then what follows
    bool bookmarks = false;
    bool initial_events = false;  // as unset `from`, closed by a bookmark that says so
    Duration timeout;
  };
  void start(Wish wish, net::Reply reply);
  void stop();  // ends all of them and takes no more: before the server drains
  size_t count() const;

 private:
  class Session;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mk::api::kubernetes

// What a controller sees on a cluster: a view of the store that is late, merges several changes into one,
// delivers kinds in an order of their own, and now and then makes its watchers list again. Writes go to the
// true store. Seeded and single-threaded.
#pragma once
#include <deque>
#include <map>
#include <set>

#include "os/executor.h"
#include "store/store.h"

namespace mk::core::testing {

class LaggyStore final : public store::Store {
 public:
  struct Lag {
    Duration delay_max = Duration::from_ms(500);
    unsigned merge_percent = 50;  // of the changes that can be merged with the next one
    unsigned relist_percent = 2;  // of deliveries
    unsigned lose_percent = 0;    // a planted bug: the watcher is never told
  };
  // `on_commit` is set to what must be called after changes of `real` have been published, and unset at the
  // end.
  LaggyStore(store::Store& real, std::function<void()>& on_commit, os::SimulatedExecutor& executor,
             uint64_t seed, Lag lag);
  ~LaggyStore() override;

  void submit(store::Txn txn, store::Completion done) override {
    real_.submit(std::move(txn), std::move(done));
  }
  Result<store::Committed> commit(store::Txn txn) override { return real_.commit(std::move(txn)); }
  store::ObjectRef get(const store::Key& key) const override;
  store::Listing list(const store::Selection& selection) const override;
  std::vector<store::ObjectRef> owned_by(std::string_view uid) const override;
  store::Version version() const override { return real_.version(); }
  Result<std::unique_ptr<store::Watch>> watch(store::Selection selection, store::Version from,
                                              std::function<void()> ready) override;
  Result<void> read(const std::function<Result<void>(store::RowReader&)>& read) const override {
    return real_.read(read);
  }
  Result<std::vector<std::pair<int64_t, store::Blob>>> segments(std::string_view stream) const override {
    return real_.segments(stream);
  }
  void merge_segments(std::string stream, int64_t first, int64_t last, std::string merged,
                      store::Completion done) override {
    real_.merge_segments(std::move(stream), first, last, std::move(merged), std::move(done));
  }
  void drop_segments(std::string stream, store::Completion done) override {
    real_.drop_segments(std::move(stream), std::move(done));
  }
  Stats stats() const override { return real_.stats(); }

 private:
  struct Late {
    Duration due;
    store::Event event;
  };
  class View;
  // One resource as the controllers know it.
  struct Resource {
    std::unique_ptr<store::Watch> watch;
    std::deque<Late> late;
    std::map<store::Key, store::ObjectRef> seen;
    std::set<View*> watchers;
  };
  void pull();
  void deliver(Resource& resource);
  bool merge_into_next(Resource& resource, const store::Event& event);
  void tell(Resource& resource, const store::Event& event);

  store::Store& real_;
  std::function<void()>& on_commit_;
  os::SimulatedExecutor& executor_;
  os::SeededRandom random_;
  const Lag lag_;
  std::map<std::string, Resource> resources_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace mk::core::testing

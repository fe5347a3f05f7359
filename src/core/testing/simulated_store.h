// A memory store for simulations: every submit is complete, on the caller's thread, when it returns, so a
// seed replays exactly; and writes can be made to fail as they do on a cluster. Single-threaded.
#pragma once
#include <memory>

#include "os/random.h"
#include "store/store.h"

namespace mk::core::testing {

class SimulatedStore final : public store::Store {
 public:
  struct Faults {
    unsigned conflict_percent = 0;     // of conditional writes: somebody else was faster
    unsigned unavailable_percent = 0;  // of all writes
  };
  SimulatedStore(uint64_t seed, Faults faults);

  void submit(store::Txn txn, store::Completion done) override;
  store::ObjectRef get(const store::Key& key) const override { return real_->get(key); }
  store::Listing list(const store::Selection& selection) const override { return real_->list(selection); }
  std::vector<store::ObjectRef> owned_by(std::string_view uid) const override { return real_->owned_by(uid); }
  store::Version version() const override { return real_->version(); }
  Result<std::unique_ptr<store::Watch>> watch(store::Selection selection, store::Version from,
                                              std::function<void()> ready) override;
  Result<void> read(const std::function<Result<void>(store::RowReader&)>& read) const override {
    return real_->read(read);
  }
  Result<std::vector<std::pair<int64_t, store::Blob>>> segments(std::string_view stream) const override {
    return real_->segments(stream);
  }
  void merge_segments(std::string stream, int64_t first, int64_t last, std::string merged, store::Completion done) override {
    real_->merge_segments(std::move(stream), first, last, std::move(merged), std::move(done));
  }
  void drop_segments(std::string stream, store::Completion done) override {
    real_->drop_segments(std::move(stream), std::move(done));
  }
  Stats stats() const override { return real_->stats(); }

  std::function<void()> on_commit;  // called after every successful write
  Faults faults;

 private:
  std::unique_ptr<store::Store> real_;
  os::SeededRandom random_;
};

}  // namespace mk::core::testing

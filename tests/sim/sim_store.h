// The real store as the simulation sees it: answers are told to the model, watches are checked against it,
// writes fail and take their time. Runs on the simulated executor.
#pragma once
#include "model.h"
#include "os/executor.h"
#include "os/random.h"

namespace mk::sim {

// Bugs that the simulation must find; planted one at a time.
enum class Bug : uint8_t { kNone, kAckBeforeSync, kLostEvent, kTwoOwners, kLostRequeue, kMergedDeleteCreate };
inline constexpr std::pair<const char*, Bug> kBugs[] = {
    {"ack-before-sync", Bug::kAckBeforeSync},
    {"lost-event", Bug::kLostEvent},
    {"two-owners", Bug::kTwoOwners},
    {"lost-requeue", Bug::kLostRequeue},
    {"merged-delete-create", Bug::kMergedDeleteCreate},
};

class SimStore final : public store::Store {
 public:
  struct Faults {
    unsigned conflict_percent = 0;     // of conditional writes: somebody else was faster
    unsigned unavailable_percent = 0;  // of all writes
    unsigned slow_percent = 0;         // of all writes: the disk takes up to two seconds
  };
  struct Parts {
    Model& model;
    Complaints& complaints;
    os::SimulatedExecutor& executor;
    os::SeededRandom& random;
    size_t ring_max;
    Bug bug;
  };
  SimStore(std::unique_ptr<store::Store> real, const Parts& parts) : parts_(parts), real_(std::move(real)) {}
  ~SimStore() override;

  void submit(store::Txn txn, store::Completion done) override;
  Result<store::Committed> commit(store::Txn txn) override;
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
  void merge_segments(std::string stream, int64_t first, int64_t last, std::string merged,
                      store::Completion done) override {
    real_->merge_segments(std::move(stream), first, last, std::move(merged), std::move(done));
  }
  void drop_segments(std::string stream, store::Completion done) override {
    real_->drop_segments(std::move(stream), std::move(done));
  }
  Stats stats() const override { return real_->stats(); }

  Faults faults;
  std::function<void()> on_commit;  // called in a task of its own after writes

 private:
  std::optional<Error> injected(const store::Txn& txn);
  store::Completion recorded(const store::Txn& txn, store::Completion done);
  void tell_committed();

  const Parts parts_;
  std::unique_ptr<store::Store> real_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace mk::sim

#include "sim_store.h"

#include <algorithm>

namespace mk::sim {

using store::Event;

namespace {

// Where the planted bugs of delivery are.
class FaultyWatch final : public store::Watch {
 public:
  FaultyWatch(std::unique_ptr<store::Watch> real, Bug bug, os::SeededRandom& random)
      : real_(std::move(real)), bug_(bug), random_(random) {}

  Result<std::vector<Event>> take(size_t events_max) override {
    auto events = real_->take(events_max);
    if (events && bug_ == Bug::kLostEvent)
      std::erase_if(*events, [&](const Event&) { return random_.below(200) == 0; });
    if (events && bug_ == Bug::kMergedDeleteCreate) merge(*events);
    return events;
  }
  store::Version reached() const override { return real_->reached(); }

 private:
  static void merge(std::vector<Event>& events) {
    for (size_t i = 0; i < events.size(); ++i) {
      if (events[i].kind != Event::Kind::kDeleted) continue;
      for (size_t j = i + 1; j < events.size(); ++j) {
        if (events[j].kind != Event::Kind::kAdded || events[j].object->key != events[i].object->key) continue;
        events[j].kind = Event::Kind::kModified;
        events[j].previous = events[i].previous;
        events.erase(events.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      }
    }
  }
  std::unique_ptr<store::Watch> real_;
  const Bug bug_;
  os::SeededRandom& random_;
};

}  // namespace

SimStore::~SimStore() {
  *alive_ = false;
}

std::optional<Error> SimStore::injected(const store::Txn& txn) {
  os::SeededRandom& random = parts_.random;
  if (random.below(100) < faults.slow_percent)
    parts_.executor.hold_up(Duration::from_ms(static_cast<int64_t>(random.below(2000))));
  if (random.below(100) < faults.unavailable_percent)
    return Error{Code::kUnavailable, "injected", "the store is away for a moment"};
  const bool conditional =
      std::ranges::any_of(txn.objects, [](const auto& op) { return op.if_version.has_value(); });
  if (conditional && random.below(100) < faults.conflict_percent)
    return Error{Code::kConflict, "injected", "somebody else was faster"};
  return {};
}

store::Completion SimStore::recorded(const store::Txn& txn, store::Completion done) {
  return [&model = parts_.model, ops = Model::kinds_of(txn),
          done = std::move(done)](Result<store::Committed> result) {
    if (result)
      model.acknowledge(ops, *result);
    else if (result.error().code == Code::kUnavailable)
      model.cut_off(ops);
    if (done) done(std::move(result));
  };
}

void SimStore::tell_committed() {
  if (!on_commit) return;
  parts_.executor.post([this, alive = alive_] {
    if (*alive && on_commit) on_commit();
  });
}

void SimStore::submit(store::Txn txn, store::Completion done) {
  if (auto error = injected(txn)) {
    if (done) done(fail(*std::move(error)));
    return;
  }
  auto completion =
      recorded(txn, [this, alive = alive_, done = std::move(done)](Result<store::Committed> result) {
        if (*alive) tell_committed();
        if (done) done(std::move(result));
      });
  real_->submit(std::move(txn), std::move(completion));
}

Result<store::Committed> SimStore::commit(store::Txn txn) {
  if (auto error = injected(txn)) return fail(*std::move(error));
  std::optional<Result<store::Committed>> result;
  auto completion = recorded(txn, [&](Result<store::Committed> done) { result = std::move(done); });
  real_->submit(std::move(txn), std::move(completion));
  (void)real_->commit({});  // carries out what waits, in order
  tell_committed();
  return *std::move(result);
}

Result<std::unique_ptr<store::Watch>> SimStore::watch(store::Selection selection, store::Version from,
                                                      std::function<void()> ready) {
  auto real = real_->watch(selection, from, std::move(ready));
  if (!real) {
    if (from >= parts_.model.start() && parts_.model.changes_after(from) < parts_.ring_max)
      parts_.complaints.add("a watch was refused though its version is not too old");
    return real;
  }
  auto faulty = std::make_unique<FaultyWatch>(*std::move(real), parts_.bug, parts_.random);
  return checked_watch(std::move(faulty), std::move(selection), from, parts_.ring_max, parts_.model,
                       parts_.complaints);
}

}  // namespace mk::sim

#include "core/testing/simulated_store.h"

#include <algorithm>

namespace mk::core::testing {

SimulatedStore::SimulatedStore(uint64_t seed, Faults f)
    : faults(f), real_(store::open_store({}).value()), random_(seed) {}

void SimulatedStore::submit(store::Txn txn, store::Completion done) {
  const bool conditional =
      std::ranges::any_of(txn.objects, [](const auto& op) { return op.if_version.has_value(); });
  if (random_.below(100) < faults.unavailable_percent)
    return done(fail(Code::kUnavailable, "injected", "the store is away for a moment"));
  if (conditional && random_.below(100) < faults.conflict_percent)
    return done(fail(Code::kConflict, "injected", "somebody else was faster"));
  auto result = real_->commit(std::move(txn));
  const bool committed = result.has_value();
  done(std::move(result));
  if (committed && on_commit) on_commit();
}

// The real store calls `ready` on its writer's thread, before commit() above returns: the caller waits
// meanwhile, so nothing runs at the same time.
Result<std::unique_ptr<store::Watch>> SimulatedStore::watch(store::Selection selection, store::Version from,
                                                            std::function<void()> ready) {
  return real_->watch(std::move(selection), from, std::move(ready));
}

}  // namespace mk::core::testing

// A transaction's outcome for a caller that waits: hand completion() over, then wait().
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "store/store.h"

namespace mk::store {

class Awaited {
 public:
  // The state is shared: the writer may still be inside notify when the caller has gone on.
  Completion completion() const {
    return [state = state_](Result<Committed> result) {
      {
        std::lock_guard lock(state->mutex);
        state->result = std::move(result);
      }
      state->arrived.notify_one();
    };
  }
  Result<Committed> wait() const {
    std::unique_lock lock(state_->mutex);
    state_->arrived.wait(lock, [&] { return state_->result.has_value(); });
    return *std::move(state_->result);
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable arrived;
    std::optional<Result<Committed>> result;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace mk::store

#include "store/store.h"

#include <condition_variable>
#include <mutex>

#include "store/sqlite_store.h"

namespace mk::store {

Result<Committed> Store::commit(Txn txn) {
  struct Waiter {
    std::mutex mutex;
    std::condition_variable arrived;
    std::optional<Result<Committed>> result;
  };
  // Shared: the writer may still be inside notify when this caller has gone on.
  auto waiter = std::make_shared<Waiter>();
  submit(std::move(txn), [waiter](Result<Committed> result) {
    {
      std::lock_guard lock(waiter->mutex);
      waiter->result = std::move(result);
    }
    waiter->arrived.notify_one();
  });
  std::unique_lock lock(waiter->mutex);
  waiter->arrived.wait(lock, [&] { return waiter->result.has_value(); });
  return *std::move(waiter->result);
}

Result<std::unique_ptr<Store>> open_store(StoreOptions options) {
  return SqliteStore::open(std::move(options));
}

}  // namespace mk::store

#include "store/store.h"

#include "store/awaited.h"
#include "store/sqlite_store.h"

namespace mk::store {

Result<Committed> Store::commit(Txn txn) {
  Awaited awaited;
  submit(std::move(txn), awaited.completion());
  return awaited.wait();
}

Result<std::unique_ptr<Store>> open_store(StoreOptions options) {
  return SqliteStore::open(std::move(options), nullptr);
}

Result<std::unique_ptr<Store>> open_store(StoreOptions options, std::shared_ptr<const BodyCipher> cipher) {
  return SqliteStore::open(std::move(options), std::move(cipher));
}

}  // namespace mk::store

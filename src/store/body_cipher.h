// Keeps the bodies of some objects encrypted on the disk. The index in memory, and so every reader, has them in the clear.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "store/store.h"

namespace mk::store {

// Thread-safe.
class BodyCipher {
 public:
  virtual ~BodyCipher() = default;
  virtual bool covers(const Key& key) const = 0;
  virtual std::string seal(const Key& key, std::string_view body) const = 0;
  // A body that was written before it was covered is returned as it is.
  virtual Result<std::string> open(const Key& key, std::string_view stored) const = 0;
};

Result<std::unique_ptr<Store>> open_store(StoreOptions options, std::shared_ptr<const BodyCipher> cipher);

}  // namespace mk::store

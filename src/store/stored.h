// Objects as the store keeps them: an Object, where it lies in the table, and where its version stands in its
// body.
#pragma once
#include <memory>

#include "store/store.h"

namespace mk::store {

struct Stored : Object {
  int64_t row = 0;
  size_t version_at = 0;  // offset of the digits of metadata.resourceVersion in `body`
  size_t version_digits = 0;
};
using StoredRef = std::shared_ptr<const Stored>;

// Everything but the version, which only the writer knows: runs on the caller's thread, where serialising
// belongs.
Result<std::shared_ptr<Stored>> draft(Key key, Json body);
// Fills in the version of a draft.
void seal(Stored& object, Version version, int64_t row);
// The same state under another version: what watchers of a deletion get.
StoredRef with_version(const Stored& object, Version version);
// An object read back from the table.
Result<StoredRef> restore(Key key, std::string_view body, Version version, int64_t row);

// One step of the store, as index and watchers see it.
struct Change {
  StoredRef before;  // null for a creation
  StoredRef after;   // for a deletion the last state with the version of the deletion
  bool deleted = false;
  const Key& key() const { return after->key; }
};

}  // namespace mk::store

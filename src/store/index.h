// Every live object in memory. One thread changes it (the writer); any thread reads.
#pragma once
#include <map>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "store/stored.h"

namespace mk::store {

class Index {
 public:
  ObjectRef get(const Key& key) const;
  Listing list(const Selection& selection) const;
  std::vector<ObjectRef> owned_by(std::string_view owner_uid) const;
  Version version() const;
  size_t size() const;

  // Null when absent. Without the lock: for the thread that calls apply().
  StoredRef find_for_writer(const Key& key) const { return find(key); }
  // All changes become visible together, with the version that they lead to.
  void apply(std::span<const Change> changes, Version version);

 private:
  struct Place {
    std::string_view space, name;
    auto operator<=>(const Place&) const = default;
  };
  static Place place(const Object& object) { return {object.key.space, object.key.name}; }
  struct Less {  // the objects themselves are the keys, so that their names are kept once
    using is_transparent = void;
    bool operator()(const StoredRef& a, const StoredRef& b) const { return place(*a) < place(*b); }
    bool operator()(const StoredRef& a, Place b) const { return place(*a) < b; }
    bool operator()(Place a, const StoredRef& b) const { return a < place(*b); }
  };
  using Table = std::set<StoredRef, Less>;

  StoredRef find(const Key& key) const;
  void put(const StoredRef& object);
  void erase(const Key& key);
  void disown(const Stored& object);

  mutable std::shared_mutex mutex_;
  std::map<std::string, Table, std::less<>> tables_;         // by resource
  std::unordered_map<std::string, std::set<Key>> children_;  // by the owner's uid
  Version version_ = 0;
  size_t size_ = 0;
};

}  // namespace mk::store

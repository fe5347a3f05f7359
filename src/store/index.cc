#include "store/index.h"

#include <mutex>

namespace mk::store {

StoredRef Index::find(const Key& key) const {
  auto table = tables_.find(key.resource);
  if (table == tables_.end()) return nullptr;
  auto found = table->second.find(Place{key.space, key.name});
  return found == table->second.end() ? nullptr : *found;
}

ObjectRef Index::get(const Key& key) const {
  std::shared_lock lock(mutex_);
  return find(key);
}

Listing Index::list(const Selection& selection) const {
  std::shared_lock lock(mutex_);
  Listing out;
  out.version = version_;
  auto add = [&](const Table& table) {
    if (!selection.space) {
      out.objects.reserve(out.objects.size() + table.size());
      out.objects.insert(out.objects.end(), table.begin(), table.end());
      return;
    }
    for (auto at = table.lower_bound(Place{*selection.space, {}});
         at != table.end() && (*at)->key.space == *selection.space; ++at) {
      out.objects.push_back(*at);
    }
  };
  if (selection.resource.empty()) {
    for (const auto& [resource, table] : tables_) add(table);
  } else if (auto table = tables_.find(selection.resource); table != tables_.end()) {
    add(table->second);
  }
  return out;
}

std::vector<ObjectRef> Index::owned_by(std::string_view owner_uid) const {
  std::shared_lock lock(mutex_);
  std::vector<ObjectRef> out;
  auto children = children_.find(std::string(owner_uid));
  if (children == children_.end()) return out;
  for (const Key& key : children->second) out.push_back(find(key));
  return out;
}

Version Index::version() const {
  std::shared_lock lock(mutex_);
  return version_;
}

size_t Index::size() const {
  std::shared_lock lock(mutex_);
  return size_;
}

void Index::disown(const Stored& object) {
  for (const std::string& owner : object.owners) {
    auto children = children_.find(owner);
    if (children == children_.end()) continue;
    children->second.erase(object.key);
    if (children->second.empty()) children_.erase(children);
  }
}

void Index::put(const StoredRef& object) {
  Table& table = tables_[object->key.resource];
  if (auto at = table.find(object); at != table.end()) {
    if ((*at)->owners != object->owners) {
      disown(**at);
      for (const std::string& owner : object->owners) children_[owner].insert(object->key);
    }
    auto node = table.extract(at++);
    node.value() = object;
    table.insert(at, std::move(node));
    return;
  }
  table.insert(object);
  for (const std::string& owner : object->owners) children_[owner].insert(object->key);
  ++size_;
}

void Index::erase(const Key& key) {
  Table& table = tables_[key.resource];
  auto at = table.find(Place{key.space, key.name});
  if (at == table.end()) return;
  disown(**at);
  table.erase(at);
  --size_;
}

void Index::apply(std::span<const Change> changes, Version version) {
  std::unique_lock lock(mutex_);
  for (const Change& change : changes) {
    if (change.deleted) {
      erase(change.key());
    } else {
      put(change.after);
    }
  }
  version_ = version;
}

}  // namespace mk::store

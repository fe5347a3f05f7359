// What the store must be: every acknowledged change in order, and what may be true of those that were cut
// off. Holds the store to it after a restart, and every watch at every take().
#pragma once
#include <map>
#include <string>
#include <vector>

#include "store/store.h"

namespace mk::sim {

// What a run found wrong, in words; the first few are printed.
class Complaints {
 public:
  void add(std::string text) {
    if (texts_.size() < kKept) texts_.push_back(std::move(text));
    ++count_;
  }
  bool any() const { return count_ > 0; }
  size_t count() const { return count_; }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  static constexpr size_t kKept = 20;
  size_t count_ = 0;
  std::vector<std::string> texts_;
};

class Model {
 public:
  using Kinds = std::vector<std::pair<store::ObjectOp::Kind, store::Key>>;
  struct Change {
    store::Event::Kind kind;
    store::ObjectRef object;
  };

  explicit Model(Complaints& complaints) : complaints_(complaints) {}

  static Kinds kinds_of(const store::Txn& txn);
  void acknowledge(const Kinds& ops, const store::Committed& done);
  // The machine or the disk failed before the answer: it may be there, or not.
  void cut_off(const Kinds& ops);
  // What is read back must be what was acknowledged; afterwards the model is what was read.
  void compare_after_restart(const store::Store& store);
  void compare(const store::Store& store);

  // The first change after `version` that this selection sees.
  const Change* next(const store::Selection& selection, store::Version version) const;
  size_t changes_after(store::Version version) const;
  store::Version start() const { return start_; }  // watches from before it are gone
  uint64_t digest() const { return digest_; }      // of all changes; the same for the same seed
  uint64_t changes() const { return changes_; }
  const std::map<store::Key, store::ObjectRef>& objects() const { return objects_; }

 private:
  void differ(const store::Key& key, const store::ObjectRef& want, const store::ObjectRef& have);

  Complaints& complaints_;
  std::map<store::Key, store::ObjectRef> objects_;
  using Log = std::map<store::Version, Change>;
  Log log_;
  std::map<std::string, Log> by_resource_;
  std::map<store::Key, bool> uncertain_;  // cut off: true when a deletion is among them
  store::Version start_ = 0, newest_ = 0;
  uint64_t digest_ = 0xcbf29ce484222325, changes_ = 0;
};

// A watch that holds `real` to the model. `ring_max`: how many events the store keeps.
std::unique_ptr<store::Watch> checked_watch(std::unique_ptr<store::Watch> real, store::Selection selection,
                                            store::Version from, size_t ring_max, const Model& model,
                                            Complaints& complaints);

}  // namespace mk::sim

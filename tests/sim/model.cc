#include "model.h"

#include <algorithm>

#include "base/format.h"

namespace mk::sim {

using store::Event;
using store::Key;
using store::ObjectOp;
using store::ObjectRef;
using store::Version;

namespace {

std::string describe(const ObjectRef& object) {
  return object ? fmt::format("version {}", object->version) : "absent";
}

bool same(const ObjectRef& a, const ObjectRef& b) {
  if (!a || !b) return !a && !b;
  return a->version == b->version && a->body == b->body;
}

int controllers_of(const store::Object& object) {
  const Json body = object.json();
  int out = 0;
  for (const Json& owner : body.at({"metadata", "ownerReferences"}).items())
    out += owner["controller"].boolean();
  return out;
}

const char* name_of(Event::Kind kind) {
  constexpr const char* kNames[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"};
  return kNames[static_cast<size_t>(kind)];
}

}  // namespace

Model::Kinds Model::kinds_of(const store::Txn& txn) {
  Kinds out;
  for (const ObjectOp& op : txn.objects) out.emplace_back(op.kind, op.key);
  return out;
}

void Model::acknowledge(const Kinds& ops, const store::Committed& done) {
  if (done.objects.size() != ops.size())
    return complaints_.add("a commit answered for another number of objects");
  for (size_t i = 0; i < ops.size(); ++i) {
    const auto& [op, key] = ops[i];
    const ObjectRef& object = done.objects[i];
    if (object->version <= newest_)
      complaints_.add(
          fmt::format("version {} of {} was given out after {}", object->version, key.text(), newest_));
    newest_ = std::max(newest_, object->version);
    if (op != ObjectOp::Kind::kDelete && object->owners.size() > 1 && controllers_of(*object) > 1)
      complaints_.add(fmt::format("{} is owned twice at version {}", key.text(), object->version));
    const Change change{op == ObjectOp::Kind::kCreate   ? Event::Kind::kAdded
                        : op == ObjectOp::Kind::kDelete ? Event::Kind::kDeleted
                                                        : Event::Kind::kModified,
                        object};
    log_[object->version] = by_resource_[key.resource][object->version] = change;
    if (op == ObjectOp::Kind::kDelete)
      objects_.erase(key);
    else
      objects_[key] = object;
    ++changes_;
    for (const char c : fmt::format("{} {} {};", object->version, name_of(change.kind), key.text()))
      digest_ = (digest_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
}

void Model::cut_off(const Kinds& ops) {
  for (const auto& [op, key] : ops) uncertain_[key] |= op == ObjectOp::Kind::kDelete;
}

void Model::differ(const Key& key, const ObjectRef& want, const ObjectRef& have) {
  if (same(want, have)) return;
  // A transaction that was cut off left it so: newer than all that was acknowledged, or gone.
  const auto uncertain = uncertain_.find(key);
  if (uncertain != uncertain_.end() && (have ? have->version > newest_ : uncertain->second)) return;
  complaints_.add(fmt::format("an acknowledged write is lost: {} is {}, and should be {}", key.text(),
                              describe(have), describe(want)));
}

void Model::compare_after_restart(const store::Store& store) {
  compare(store);
  if (store.version() < newest_)
    complaints_.add(fmt::format("the version fell back from {} to {}", newest_, store.version()));
  objects_.clear();
  for (const ObjectRef& object : store.list({}).objects) objects_[object->key] = object;
  uncertain_.clear();
  log_.clear();
  by_resource_.clear();
  start_ = newest_ = store.version();
}

void Model::compare(const store::Store& store) {
  std::map<Key, ObjectRef> found;
  for (const ObjectRef& object : store.list({}).objects) found[object->key] = object;
  for (const auto& [key, object] : objects_) {
    const auto have = found.find(key);
    differ(key, object, have == found.end() ? nullptr : have->second);
  }
  for (const auto& [key, object] : found)
    if (!objects_.contains(key)) differ(key, nullptr, object);
}

const Model::Change* Model::next(const store::Selection& selection, Version version) const {
  const Log* log = &log_;
  if (!selection.resource.empty()) {
    const auto found = by_resource_.find(selection.resource);
    if (found == by_resource_.end()) return nullptr;
    log = &found->second;
  }
  for (auto at = log->upper_bound(version); at != log->end(); ++at)
    if (!selection.space || at->second.object->key.space == *selection.space) return &at->second;
  return nullptr;
}

size_t Model::changes_after(Version version) const {
  return static_cast<size_t>(std::distance(log_.upper_bound(version), log_.end()));
}

namespace {

class CheckedWatch final : public store::Watch {
 public:
  CheckedWatch(std::unique_ptr<store::Watch> real, store::Selection selection, Version from, size_t ring_max,
               const Model& model, Complaints& complaints)
      : real_(std::move(real)),
        selection_(std::move(selection)),
        cursor_(from),
        ring_max_(ring_max),
        model_(model),
        complaints_(complaints) {}

  Result<std::vector<Event>> take(size_t events_max) override {
    auto events = real_->take(events_max);
    if (!events) {
      if (cursor_ >= model_.start() && model_.changes_after(cursor_) < ring_max_)
        complaints_.add(
            fmt::format("a watch of {} was ended though it had not fallen behind", selection_.resource));
      return events;
    }
    for (const Event& event : *events) check(event);
    if (events->size() < events_max) {
      const auto* missed = model_.next(selection_, cursor_);
      if (missed && missed->object->version <= real_->reached())
        complaints_.add(fmt::format("a watch of {} misses {} {} at version {}", selection_.resource,
                                    name_of(missed->kind), missed->object->key.text(),
                                    missed->object->version));
      cursor_ = std::max(cursor_, real_->reached());
    }
    return events;
  }
  Version reached() const override { return real_->reached(); }

 private:
  void check(const Event& event) {
    const auto* want = model_.next(selection_, cursor_);
    const bool right = want && want->kind == event.kind && want->object->version == event.version &&
                       want->object->key == event.object->key && want->object->body == event.object->body;
    if (!right)
      complaints_.add(fmt::format("a watch of {} told {} {} at version {}, and should have told {}",
                                  selection_.resource, name_of(event.kind), event.object->key.text(),
                                  event.version,
                                  want ? fmt::format("{} {} at version {}", name_of(want->kind),
                                                     want->object->key.text(), want->object->version)
                                       : std::string("nothing")));
    cursor_ = std::max(cursor_, event.version);
  }

  std::unique_ptr<store::Watch> real_;
  const store::Selection selection_;
  Version cursor_;
  const size_t ring_max_;
  const Model& model_;
  Complaints& complaints_;
};

}  // namespace

std::unique_ptr<store::Watch> checked_watch(std::unique_ptr<store::Watch> real, store::Selection selection,
                                            Version from, size_t ring_max, const Model& model,
                                            Complaints& complaints) {
  return std::make_unique<CheckedWatch>(std::move(real), std::move(selection), from, ring_max, model,
                                        complaints);
}

}  // namespace mk::sim

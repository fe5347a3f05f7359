#include "core/testing/laggy_store.h"

#include <algorithm>

#include "kinds/kind.h"

namespace mk::core::testing {

using Kind = store::Event::Kind;

class LaggyStore::View final : public store::Watch {
 public:
  View(Resource& resource, store::Selection selection, store::Version from, std::function<void()> ready)
      : resource_(resource), selection_(std::move(selection)), ready_(std::move(ready)), reached_(from) {
    resource_.watchers.insert(this);
  }
  ~View() override { resource_.watchers.erase(this); }

  Result<std::vector<store::Event>> take(size_t events_max) override {
    if (gone_) return fail(Code::kGone, "expired", "too old; list again");
    std::vector<store::Event> out;
    while (!waiting_.empty() && out.size() < events_max) {
      out.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    if (!out.empty()) reached_ = out.back().version;
    return out;
  }
  store::Version reached() const override { return reached_; }
  void add(const store::Event& event) {
    if (selection_.space && event.object->key.space != *selection_.space) return;
    waiting_.push_back(event);
    ready_();
  }
  void expire() {
    gone_ = true;
    waiting_.clear();
    ready_();
  }

 private:
  Resource& resource_;
  store::Selection selection_;
  std::function<void()> ready_;
  std::deque<store::Event> waiting_;
  store::Version reached_;
  bool gone_ = false;
};

LaggyStore::LaggyStore(store::Store& real, std::function<void()>& on_commit, os::SimulatedExecutor& executor,
                       uint64_t seed, Lag lag)
    : real_(real), on_commit_(on_commit), executor_(executor), random_(seed), lag_(lag) {
  for (const kinds::Kind& kind : kinds::all()) {
    Resource& resource = resources_[kind.resource()];
    const store::Listing listing = real_.list({kind.resource(), {}});
    for (const auto& object : listing.objects) resource.seen[object->key] = object;
    resource.watch = real_.watch({kind.resource(), {}}, listing.version, [] {}).value();
  }
  on_commit_ = [this] { pull(); };
}

LaggyStore::~LaggyStore() {
  on_commit_ = nullptr;
  *alive_ = false;
}

void LaggyStore::pull() {
  for (auto& [name, resource] : resources_) {
    auto events = resource.watch->take();
    MK_CHECK(events);  // the true store's ring is larger than any simulation
    for (store::Event& event : *events) {
      Duration due = executor_.clock().monotonic() +
                     Duration{static_cast<int64_t>(
                         random_.below(static_cast<uint64_t>(lag_.delay_max.nanoseconds) + 1))};
      if (!resource.late.empty()) due = std::max(due, resource.late.back().due);  // order is kept
      resource.late.push_back({due, std::move(event)});
      executor_.post_after(due - executor_.clock().monotonic(), [this, alive = alive_, &resource] {
        if (*alive) deliver(resource);
      });
    }
  }
}

void LaggyStore::deliver(Resource& resource) {
  while (!resource.late.empty() && resource.late.front().due <= executor_.clock().monotonic()) {
    const store::Event event = std::move(resource.late.front().event);
    resource.late.pop_front();
    if (random_.below(100) < lag_.merge_percent && merge_into_next(resource, event)) continue;
    if (event.kind == Kind::kDeleted)
      resource.seen.erase(event.object->key);
    else
      resource.seen[event.object->key] = event.object;
    tell(resource, event);
  }
}

// Folds `event` into a later change of the same object, as a watcher sees it that was away between the two.
bool LaggyStore::merge_into_next(Resource& resource, const store::Event& event) {
  const auto next = std::ranges::find_if(
      resource.late, [&](const Late& late) { return late.event.object->key == event.object->key; });
  if (next == resource.late.end() || next->due > executor_.clock().monotonic() + lag_.delay_max) return false;
  store::Event& later = next->event;
  if (event.kind == Kind::kAdded && later.kind == Kind::kDeleted) {
    resource.late.erase(next);  // never seen at all
    return true;
  }
  if (event.kind == Kind::kAdded) later.kind = Kind::kAdded;
  if (event.kind == Kind::kDeleted) later.kind = Kind::kModified;  // another object under the same name
  later.previous = event.previous;
  return true;
}

void LaggyStore::tell(Resource& resource, const store::Event& event) {
  for (View* view : std::set<View*>(resource.watchers)) {
    if (random_.below(100) < lag_.lose_percent) continue;
    if (random_.below(100) < lag_.relist_percent)
      view->expire();
    else
      view->add(event);
  }
}

store::ObjectRef LaggyStore::get(const store::Key& key) const {
  const auto resource = resources_.find(key.resource);
  if (resource == resources_.end()) return nullptr;
  const auto found = resource->second.seen.find(key);
  return found == resource->second.seen.end() ? nullptr : found->second;
}

store::Listing LaggyStore::list(const store::Selection& selection) const {
  store::Listing out;
  out.version = real_.version();
  const auto resource = resources_.find(selection.resource);
  if (resource == resources_.end()) return out;
  for (const auto& [key, object] : resource->second.seen)
    if (!selection.space || key.space == *selection.space) out.objects.push_back(object);
  return out;
}

std::vector<store::ObjectRef> LaggyStore::owned_by(std::string_view uid) const {
  std::vector<store::ObjectRef> out;
  for (const auto& [name, resource] : resources_)
    for (const auto& [key, object] : resource.seen)
      if (std::ranges::find(object->owners, uid) != object->owners.end()) out.push_back(object);
  return out;
}

// Watchers list and watch in one go, so `from` is always what they have just seen.
Result<std::unique_ptr<store::Watch>> LaggyStore::watch(store::Selection selection, store::Version from,
                                                        std::function<void()> ready) {
  const auto resource = resources_.find(selection.resource);
  if (resource == resources_.end()) return fail(Code::kNotFound, "no_such_resource", "no such resource");
  return std::make_unique<View>(resource->second, std::move(selection), from, std::move(ready));
}

}  // namespace mk::core::testing

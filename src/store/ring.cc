#include "store/ring.h"

#include <algorithm>

#include "base/format.h"

namespace mk::store {

struct Ring::Waiter {
  Waiter(Selection wanted, Version from, std::function<void()> wake)
      : selection(std::move(wanted)), cursor(from), ready(std::move(wake)) {}
  const Selection selection;
  std::mutex taking;               // of cursor; before the ring's mutex
  Version cursor;                  // everything up to here has been taken
  std::atomic<bool> told = false;  // `ready` was called since the last take
  // Held while `ready` runs. Recursive: what `ready` lets go of may have been the last hold on the watch
  // itself.
  std::recursive_mutex calling;
  bool closed = false;
  std::function<void()> ready;
};

class Ring::Subscription final : public Watch {
 public:
  Subscription(std::shared_ptr<Ring> ring, std::shared_ptr<Waiter> waiter)
      : ring_(std::move(ring)), waiter_(std::move(waiter)) {}
  ~Subscription() override {
    ring_->leave(waiter_);
    std::lock_guard lock(waiter_->calling);
    waiter_->closed = true;
  }
  Result<std::vector<Event>> take(size_t events_max) override { return ring_->take(*waiter_, events_max); }
  Version reached() const override {
    std::lock_guard lock(waiter_->taking);
    return waiter_->cursor;
  }

 private:
  std::shared_ptr<Ring> ring_;
  std::shared_ptr<Waiter> waiter_;
};

Ring::Ring(size_t events_max, size_t bytes_max, Version start)
    : events_max_(std::max<size_t>(events_max, 1)), bytes_max_(bytes_max), start_(start), published_(start) {
  all_.lost = start;
}

Ring::Stream& Ring::stream_of(const std::string& resource) {
  if (resource.empty()) return all_;
  auto [at, fresh] = by_resource_.try_emplace(resource);
  if (fresh) at->second.lost = start_;
  return at->second;
}

namespace {
size_t weight(const Event& event) {
  return event.object->body.size() + sizeof(Stored);
}
}  // namespace

void Ring::append(EventRef event) {
  bytes_ += weight(*event);
  stream_of(event->object->key.resource).events.push_back(event);
  all_.events.push_back(std::move(event));
  while (all_.events.size() > events_max_ || (bytes_ > bytes_max_ && all_.events.size() > 1)) drop_oldest();
}

void Ring::drop_oldest() {
  const EventRef& oldest = all_.events.front();
  bytes_ -= weight(*oldest);
  Stream& stream = by_resource_.find(oldest->object->key.resource)->second;
  stream.lost = all_.lost = oldest->version;
  stream.events.pop_front();
  all_.events.pop_front();
}

void Ring::collect(Stream& stream, const std::string& space, std::vector<std::shared_ptr<Waiter>>& to_wake) {
  for (const auto& waiter : stream.waiters) {
    if (waiter->selection.space && *waiter->selection.space != space) continue;
    if (!waiter->told.exchange(true)) to_wake.push_back(waiter);
  }
}

void Ring::publish(std::span<const Change> changes, Version version) {
  std::vector<std::shared_ptr<Waiter>> to_wake;
  {
    std::unique_lock lock(mutex_);
    const Key* last = nullptr;  // neighbours are mostly alike: look for their waiters once
    for (const Change& change : changes) {
      auto event = std::make_shared<Event>();
      event->kind = change.deleted  ? Event::Kind::kDeleted
                    : change.before ? Event::Kind::kModified
                                    : Event::Kind::kAdded;
      event->object = change.after;
      event->previous = change.before;
      event->version = change.after->version;
      append(std::move(event));
      if (last && last->resource == change.key().resource && last->space == change.key().space) continue;
      last = &change.key();
      collect(stream_of(last->resource), last->space, to_wake);
      collect(all_, last->space, to_wake);
    }
    published_ = version;
  }
  for (const auto& waiter : to_wake) {
    std::lock_guard lock(waiter->calling);
    if (!waiter->closed && waiter->ready) waiter->ready();
  }
}

Result<std::unique_ptr<Watch>> Ring::watch(Selection selection, Version from, Version now,
                                           std::function<void()> ready) {
  std::unique_lock lock(mutex_);
  Stream& stream = stream_of(selection.resource);
  if (from < stream.lost) {
    return fail(Code::kGone, "version_too_old",
                fmt::format("resource version {} is too old; the oldest that can be watched is {}", from,
                            stream.lost));
  }
  if (from > std::max(now, published_)) {
    return fail(Code::kGone, "version_unknown",
                fmt::format("resource version {} is newer than this store's", from));
  }
  auto waiter = std::make_shared<Waiter>(std::move(selection), from, std::move(ready));
  stream.waiters.push_back(waiter);
  ++watchers_;
  return std::make_unique<Subscription>(shared_from_this(), std::move(waiter));
}

Result<std::vector<Event>> Ring::take(Waiter& waiter, size_t events_max) {
  std::lock_guard taking(waiter.taking);
  std::shared_lock lock(mutex_);
  const Stream& stream =
      waiter.selection.resource.empty() ? all_ : by_resource_.find(waiter.selection.resource)->second;
  if (waiter.cursor < stream.lost) {
    return fail(Code::kGone, "version_too_old",
                fmt::format("the watch fell behind: events up to {} are gone, {} was seen", stream.lost,
                            waiter.cursor));
  }
  waiter.told = false;  // publishing is shut out by the lock, so whatever comes later calls `ready` again
  auto at = std::upper_bound(stream.events.begin(), stream.events.end(), waiter.cursor,
                             [](Version version, const EventRef& event) { return version < event->version; });
  std::vector<Event> out;
  for (; at != stream.events.end() && out.size() < events_max; ++at) {
    waiter.cursor = (*at)->version;
    if (!waiter.selection.space || *waiter.selection.space == (*at)->object->key.space) out.push_back(**at);
  }
  if (at == stream.events.end()) waiter.cursor = std::max(waiter.cursor, published_);
  return out;
}

void Ring::leave(const std::shared_ptr<Waiter>& waiter) {
  std::unique_lock lock(mutex_);
  watchers_ -= std::erase(stream_of(waiter->selection.resource).waiters, waiter);
}

size_t Ring::watchers() const {
  std::shared_lock lock(mutex_);
  return watchers_;
}

}  // namespace mk::store

#include "core/controller.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>

#include "base/log.h"
#include "core/work_queue.h"
#include "kinds/kind.h"

namespace mk::core {
namespace {

bool is_ordinary(Code code) {
  return code == Code::kConflict || code == Code::kAlreadyExists || code == Code::kNotFound;
}

// The key of the owner that controls `object`, if it is of `resource`.
std::optional<Key> controlling_owner(const store::Object& object, const std::string& resource) {
  if (object.owners.empty()) return {};
  const Json body = object.json();
  for (const Json& owner : body.at({"metadata", "ownerReferences"}).items()) {
    if (!owner["controller"].boolean()) continue;
    const kinds::Kind* kind = kinds::find_kind_of(owner);
    if (!kind || kind->resource() != resource) return {};
    return Key{resource, kind->namespaced ? object.key.space : std::string(),
               std::string(owner["name"].text())};
  }
  return {};
}

}  // namespace

struct ControllerHost::State : std::enable_shared_from_this<State> {
  struct Entry {
    Controller controller;
    WorkQueue queue;
    size_t posted = 0;  // tasks on the executor that will take a key, or run one
  };
  // One watch of one resource, shared by all controllers that care.
  struct Feed {
    std::string resource;
    std::unique_ptr<store::Watch> watch;
    std::map<Key, ObjectRef> known;       // so that a relist sees what is gone
    std::atomic<bool> scheduled = false;  // a drain is on its way
    std::mutex draining;
  };

  State(store::Store& s, Reader& r, Writer& w, os::Executor& e)
      : store(s), reader(r), executor(e), world{r, w, e.clock()} {}

  void add_feed(const std::string& resource);
  void relist(Feed& feed);
  void drain(Feed& feed);
  void schedule_drain(Feed& feed);
  void wake_for(const ObjectRef& object);
  void wake_entry(Entry& entry, const std::vector<Key>& keys);
  void pump(Entry& entry);
  void run_next(Entry& entry);
  void finish(Entry& entry, const Key& key, const Result<Again>& result);
  void arm_timer();
  void on_timer(Duration due);
  void report(const Entry& entry, const Key& key, const Error& error);

  store::Store& store;
  Reader& reader;
  os::Executor& executor;
  World world;
  std::vector<std::unique_ptr<Entry>> entries;
  std::vector<std::unique_ptr<Feed>> feeds;

  mutable std::mutex mutex;  // queues, posted, running, timers
  std::condition_variable idle;
  size_t running = 0;  // inside a reconcile or a drain now
  bool stopping = false;
  std::atomic<bool> started = false;
  std::multiset<Duration> timers;  // monotonic times at which an executor timer will call on_timer
};

// ---- from the store's changes to keys
// ----------------------------------------------------------------------------

void ControllerHost::State::schedule_drain(Feed& feed) {
  if (feed.scheduled.exchange(true)) return;
  executor.post([weak = weak_from_this(), &feed] {
    if (auto self = weak.lock()) self->drain(feed);
  });
}

void ControllerHost::State::drain(Feed& feed) {
  {
    std::lock_guard lock(mutex);
    if (stopping) return;
    ++running;
  }
  {
    std::lock_guard one(feed.draining);
    feed.scheduled = false;
    while (true) {
      auto events = feed.watch->take();
      if (!events) {  // fell behind: start over from a listing
        relist(feed);
        break;
      }
      if (events->empty()) break;
      for (const store::Event& event : *events) {
        if (event.kind == store::Event::Kind::kBookmark) continue;
        if (event.kind == store::Event::Kind::kDeleted)
          feed.known.erase(event.object->key);
        else
          feed.known[event.object->key] = event.object;
        wake_for(event.object);
        if (event.previous && event.previous->owners != event.object->owners) wake_for(event.previous);
      }
    }
  }
  std::lock_guard lock(mutex);
  --running;
  idle.notify_all();
}

// Everything that exists, and everything that existed when we last looked, may need work.
void ControllerHost::State::relist(Feed& feed) {
  for (int attempt = 0;; ++attempt) {
    auto listing = store.list({feed.resource, {}});
    auto watch = store.watch({feed.resource, {}}, listing.version, [weak = weak_from_this(), &feed] {
      if (auto self = weak.lock()) self->schedule_drain(feed);
    });
    if (!watch) {  // the ring moved on between the two calls
      MK_CHECK(attempt < 1000);
      continue;
    }
    feed.watch = std::move(*watch);
    auto gone = std::move(feed.known);
    feed.known.clear();
    for (const ObjectRef& object : listing.objects) {
      gone.erase(object->key);
      feed.known[object->key] = object;
      wake_for(object);
    }
    for (const auto& [key, object] : gone) wake_for(object);
    break;
  }
  schedule_drain(feed);
}

void ControllerHost::State::wake_for(const ObjectRef& object) {
  const std::string& resource = object->key.resource;
  for (auto& entry : entries) {
    std::vector<Key> keys;
    const Controller& controller = entry->controller;
    if (controller.every) keys = controller.every(reader, *object);
    if (controller.resource == resource) keys.push_back(object->key);
    for (const Controller::Related& related : controller.related) {
      if (related.resource != resource) continue;
      if (related.map)
        std::ranges::copy(related.map(reader, *object), std::back_inserter(keys));
      else if (related.owner)
        if (auto owner = controlling_owner(*object, controller.resource)) keys.push_back(std::move(*owner));
    }
    if (!keys.empty()) wake_entry(*entry, keys);
  }
}

void ControllerHost::State::wake_entry(Entry& entry, const std::vector<Key>& keys) {
  std::lock_guard lock(mutex);
  for (const Key& key : keys) entry.queue.add(key);
  pump(entry);
}

// ---- from keys to runs
// -------------------------------------------------------------------------------------------

// Under the lock: as many tasks on the executor as there is work and workers allow.
void ControllerHost::State::pump(Entry& entry) {
  if (stopping) return;
  const size_t wanted = std::min(entry.controller.workers, entry.queue.active());
  while (entry.posted < wanted) {
    ++entry.posted;
    executor.post([weak = weak_from_this(), &entry] {
      if (auto self = weak.lock()) self->run_next(entry);
    });
  }
}

void ControllerHost::State::run_next(Entry& entry) {
  std::optional<Key> key;
  {
    std::lock_guard lock(mutex);
    if (!stopping) key = entry.queue.take();
    if (!key) {
      --entry.posted;
      return;
    }
    ++running;
  }
  const Result<Again> result = entry.controller.reconcile(world, *key);
  if (!result) report(entry, *key, result.error());
  finish(entry, *key, result);
}

void ControllerHost::State::finish(Entry& entry, const Key& key, const Result<Again>& result) {
  std::lock_guard lock(mutex);
  --running;
  --entry.posted;
  const Duration now = executor.clock().monotonic();
  if (!result)
    entry.queue.failed(key, now);
  else
    entry.queue.done(key, result->after ? std::optional(now + *result->after) : std::nullopt);
  pump(entry);
  arm_timer();
  idle.notify_all();
}

void ControllerHost::State::report(const Entry& entry, const Key& key, const Error& error) {
  if (is_ordinary(error.code)) return;  // the state moved on; the next run sees it
  log::warn("a reconcile failed and will be retried", {{"controller", entry.controller.name},
                                                       {"object", key.text()},
                                                       {"reason", error.reason},
                                                       {"error", error.sentence()}});
  if (const ObjectRef object = reader.get(key))
    world.writer.event(*object, "Warning", "ReconcileFailed", error.sentence());
}

// ---- time
// --------------------------------------------------------------------------------------------------------

// Under the lock: one of our timers rings no later than the earliest plan.
void ControllerHost::State::arm_timer() {
  std::optional<Duration> due;
  for (const auto& entry : entries)
    if (auto next = entry->queue.next_due(); next && (!due || *next < *due)) due = next;
  if (!due || stopping || (!timers.empty() && *timers.begin() <= *due)) return;
  timers.insert(*due);
  executor.post_after(*due - executor.clock().monotonic(), [weak = weak_from_this(), when = *due] {
    if (auto self = weak.lock()) self->on_timer(when);
  });
}

void ControllerHost::State::on_timer(Duration due) {
  std::lock_guard lock(mutex);
  timers.erase(timers.find(due));
  if (stopping) return;
  for (auto& entry : entries) {
    entry->queue.wake_due(executor.clock().monotonic());
    pump(*entry);
  }
  arm_timer();
}

// ---- the host
// ----------------------------------------------------------------------------------------------------

ControllerHost::ControllerHost(store::Store& store, Reader& reader, Writer& writer, os::Executor& executor)
    : state_(std::make_shared<State>(store, reader, writer, executor)) {}

ControllerHost::~ControllerHost() {
  stop();
}

void ControllerHost::add(Controller controller) {
  auto entry = std::make_unique<State::Entry>();
  entry->controller = std::move(controller);
  state_->entries.push_back(std::move(entry));
}

void ControllerHost::start() {
  std::set<std::string> resources;
  for (const auto& entry : state_->entries) {
    if (!entry->controller.resource.empty()) resources.insert(entry->controller.resource);
    for (const auto& related : entry->controller.related) resources.insert(related.resource);
    if (entry->controller.every)
      for (const kinds::Kind& kind : kinds::all()) resources.insert(kind.resource());
  }
  state_->started = true;
  for (const std::string& resource : resources) state_->add_feed(resource);
}

void ControllerHost::watch_also(const std::string& resource) {
  const bool wanted =
      std::ranges::any_of(state_->entries, [](const auto& e) { return !!e->controller.every; });
  if (wanted && state_->started) state_->add_feed(resource);
}

// Once for each resource; kinds that go leave theirs, which costs nothing and serves when they come back.
void ControllerHost::State::add_feed(const std::string& resource) {
  Feed* feed = nullptr;
  {
    std::lock_guard lock(mutex);
    if (stopping || std::ranges::any_of(feeds, [&](const auto& f) { return f->resource == resource; }))
      return;
    feeds.push_back(std::make_unique<Feed>());
    feed = feeds.back().get();
    feed->resource = resource;
    ++running;
  }
  {
    std::lock_guard one(feed->draining);
    relist(*feed);
  }
  std::lock_guard lock(mutex);
  --running;
  idle.notify_all();
}

void ControllerHost::wake(std::string_view controller, const Key& key) {
  for (const auto& entry : state_->entries)
    if (entry->controller.name == controller) state_->wake_entry(*entry, {key});
}

size_t ControllerHost::waiting() const {
  std::lock_guard lock(state_->mutex);
  size_t keys = 0;
  for (const auto& entry : state_->entries) keys += entry->queue.active();
  return keys;
}

void ControllerHost::stop() {
  {
    std::unique_lock lock(state_->mutex);
    state_->stopping = true;
    state_->idle.wait(lock, [&] { return state_->running == 0; });
  }
  for (const auto& feed : state_->feeds) feed->watch.reset();  // `ready` is not called afterwards
}

}  // namespace mk::core

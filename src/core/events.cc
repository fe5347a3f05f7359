#include "core/events.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>

#include "base/format.h"
#include "base/log.h"
#include "core/limits.h"

namespace mk::core {
namespace {

// FNV-1a: names Events by what they say; no attacker gains by a clash, two messages would merely share a
// counter.
uint64_t hash(std::initializer_list<std::string_view> parts) {
  uint64_t value = 0xcbf29ce484222325;
  for (std::string_view part : parts) {
    for (const char c : part) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    value = (value ^ 0xff) * 0x100000001b3;
  }
  return value;
}

std::string uid_of(uint64_t a, uint64_t b) {
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", a >> 32, a >> 16 & 0xffff, a & 0xffff, b >> 48,
                     b & 0xffff'ffff'ffff);
}

std::string cut(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  size_t end = bytes_max - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace

struct EventRecorder::State : std::enable_shared_from_this<State> {
  struct Pending {
    Json first;         // the Event as it would be created
    int64_t count = 0;  // times not yet written
    int64_t writing = 0;
    int attempts = 0;
  };

  State(Objects& o, std::string c) : objects(o), component(std::move(c)) {}

  Json event_for(const store::Object& about, std::string_view type, std::string_view reason,
                 const std::string& message, uint64_t id) const;
  void write(const Key& key);
  void wrote(const Key& key, const Result<store::Committed>& outcome);
  bool enter();
  void leave();

  Objects& objects;  // only between enter() and leave()
  const std::string component;
  std::mutex mutex;
  std::condition_variable left;
  size_t inside = 0;
  bool closed = false;
  std::map<Key, Pending> pending;
  std::map<std::string, std::set<uint64_t>> messages;  // by uid and reason
};

namespace {

// Whom upstream names as the source: people filter Events by it.
constexpr struct {
  std::string_view resource, reason, source;
} kSources[] = {
    {"deployments.apps", "ScalingReplicaSet", "deployment-controller"},
    {"replicasets.apps", "SuccessfulCreate", "replicaset-controller"},
    {"replicasets.apps", "SuccessfulDelete", "replicaset-controller"},
    {"replicasets.apps", "FailedCreate", "replicaset-controller"},
};

std::string_view source_of(std::string_view resource, std::string_view reason, std::string_view otherwise) {
  for (const auto& row : kSources)
    if (row.resource == resource && row.reason == reason) return row.source;
  return otherwise;
}

}  // namespace

Json EventRecorder::State::event_for(const store::Object& about, std::string_view type,
                                     std::string_view reason, const std::string& message, uint64_t id) const {
  const kinds::Kind* kind = kinds::find_resource(about.key.resource);
  const std::string now = objects.clock().now().rfc3339();
  const std::string space = about.key.space.empty() ? "default" : about.key.space;
  const std::string_view source = source_of(about.key.resource, reason, component);
  Json subject = Json::object({{"kind", kind ? kind->kind : ""},
                               {"apiVersion", kind ? kind->api_version() : ""},
                               {"name", about.key.name},
                               {"uid", about.uid},
                               {"resourceVersion", std::to_string(about.version)}});
  if (!about.key.space.empty()) subject["namespace"] = about.key.space;
  return Json::object({{"apiVersion", "v1"},
                       {"kind", "Event"},
                       {"metadata", Json::object({{"name", fmt::format("{}.{:016x}", about.key.name, id)},
                                                  {"namespace", space},
                                                  {"uid", uid_of(id, hash({space, now}))},
                                                  {"creationTimestamp", now}})},
                       {"involvedObject", std::move(subject)},
                       {"type", type},
                       {"reason", reason},
                       {"message", message},
                       {"count", 0},
                       {"firstTimestamp", now},
                       {"lastTimestamp", now},
                       {"source", Json::object({{"component", source}})},
                       {"reportingComponent", source}});
}

EventRecorder::EventRecorder(Objects& objects, std::string component)
    : state_(std::make_shared<State>(objects, std::move(component))) {}

EventRecorder::~EventRecorder() {
  std::unique_lock lock(state_->mutex);
  state_->closed = true;
  state_->left.wait(lock, [&] { return state_->inside == 0; });
}

bool EventRecorder::State::enter() {
  std::lock_guard lock(mutex);
  if (!closed) ++inside;
  return !closed;
}

void EventRecorder::State::leave() {
  std::lock_guard lock(mutex);
  --inside;
  left.notify_all();
}

void EventRecorder::record(const store::Object& about, std::string_view type, std::string_view reason,
                           std::string_view text) {
  std::string message = cut(text, limits::kEventMessageBytesMax);
  uint64_t id = hash({about.uid, type, reason, message});
  Key key;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->messages.size() >= limits::kEventSubjectsRememberedMax) state_->messages.clear();
    auto& seen = state_->messages[about.uid + "/" + std::string(reason)];
    if (!seen.contains(id) && seen.size() >= limits::kEventMessagesPerReasonMax) {
      id = hash({about.uid, type, reason});
      message = cut("(combined from similar events): " + message, limits::kEventMessageBytesMax);
    } else {
      seen.insert(id);
    }
    Json event = state_->event_for(about, type, reason, message, id);
    key = {"events", std::string(event.at({"metadata", "namespace"}).text()),
           std::string(event.at({"metadata", "name"}).text())};
    State::Pending& waiting = state_->pending[key];
    waiting.first = std::move(event);
    ++waiting.count;
    if (waiting.writing > 0) return;  // goes with the next write
    waiting.writing = waiting.count;
  }
  state_->write(key);
}

// One write of one Event is under way at a time, so counts are never lost and the queue is as long as the
// Events.
void EventRecorder::State::write(const Key& key) {
  if (!enter()) return;
  const ObjectRef old = objects.get(key);
  const bool readable = objects.get(Key{"namespaces", "", key.space}) != nullptr;
  store::Txn txn;
  {
    std::lock_guard lock(mutex);
    const Pending& waiting = pending[key];
    Json body = old ? old->json() : waiting.first;
    body["count"] = std::as_const(body)["count"].integer() + waiting.writing;
    for (const char* field : {"lastTimestamp", "message"}) body[field] = waiting.first[field];
    if (old)
      txn.objects.push_back({store::ObjectOp::Kind::kUpdate, key, std::move(body), old->version});
    else
      txn.objects.push_back({store::ObjectOp::Kind::kCreate, key, std::move(body), {}});
    if (!readable) pending.erase(key);  // in a namespace that is gone nobody would see it
  }
  if (readable)
    objects.store().submit(std::move(txn),
                           [self = shared_from_this(), key](const Result<store::Committed>& outcome) {
                             self->wrote(key, outcome);
                           });
  leave();
}

void EventRecorder::State::wrote(const Key& key, const Result<store::Committed>& outcome) {
  {
    std::lock_guard lock(mutex);
    Pending& waiting = pending[key];
    if (outcome) {
      waiting.count -= waiting.writing;
      waiting.attempts = 0;
    } else if (++waiting.attempts >= limits::kEventWriteAttempts ||
               outcome.error().code == Code::kUnavailable) {
      log::warn("an event could not be written",
                {{"event", key.text()}, {"error", outcome.error().sentence()}});
      waiting.count = 0;
    }
    if (waiting.count <= 0) {
      pending.erase(key);
      return;
    }
    waiting.writing = waiting.count;
  }
  write(key);
}

}  // namespace mk::core

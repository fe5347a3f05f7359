#include "core/retention.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>

#include "core/limits.h"

namespace mk::core {
namespace {

Time first_time(const Json& object, std::initializer_list<std::string_view> fields) {
  for (std::string_view field : fields)
    if (const auto time = Time::parse_rfc3339(object[field].text())) return *time;
  const auto made = Time::parse_rfc3339(object.at({"metadata", "creationTimestamp"}).text());
  return made ? *made : Time{};
}

// When a Pod ended; unset for one that has not, or that something else cleans up after.
std::optional<Time> ended(const Json& pod, const store::Object& object) {
  const std::string_view phase = pod.at({"status", "phase"}).text();
  if ((phase != "Succeeded" && phase != "Failed") || !object.owners.empty()) return {};
  Time last = first_time(pod, {});
  for (const Json& status : pod.at({"status", "containerStatuses"}).items())
    if (const auto time = Time::parse_rfc3339(status.at({"state", "terminated", "finishedAt"}).text()))
      last = std::max(last, *time);
  return last;
}

std::vector<Aged> events(const store::Store& store) {
  std::vector<Aged> out;
  for (const ObjectRef& object : store.list({"events", {}}).objects)
    out.push_back({object->key, first_time(object->json(), {"lastTimestamp", "eventTime"})});
  return out;
}

std::vector<Aged> finished_pods(const store::Store& store) {
  std::vector<Aged> out;
  for (const ObjectRef& object : store.list({"pods", {}}).objects)
    if (const auto time = ended(object->json(), *object)) out.push_back({object->key, *time});
  return out;
}

struct Rule {
  std::vector<Aged> (*entries)(const store::Store&);
  Duration age_max;
  size_t number_max;
};
constexpr Rule kRules[] = {
    {events, limits::kEventAgeMax, limits::kEventsPerNamespaceMax},
    {finished_pods, limits::kFinishedPodAgeMax, limits::kFinishedPodsPerNamespaceMax},
};

}  // namespace

std::vector<Key> too_many(std::vector<Aged> entries, Time now, Duration age_max, size_t number_max) {
  std::ranges::sort(entries, [](const Aged& a, const Aged& b) { return a.time > b.time; });  // newest first
  std::map<std::string, size_t> kept;
  std::vector<Key> out;
  for (Aged& entry : entries) {
    if (now - entry.time > age_max || kept[entry.key.space] >= number_max)
      out.push_back(std::move(entry.key));
    else
      ++kept[entry.key.space];
  }
  return out;
}

struct Retention::State : std::enable_shared_from_this<State> {
  State(Objects& o, os::Executor& e) : objects(o), executor(e) {}

  void sweep() {
    static const Identity kWho = Identity::system("retention");
    for (const Rule& rule : kRules)
      for (const Key& key :
           too_many(rule.entries(objects.store()), objects.clock().now(), rule.age_max, rule.number_max))
        (void)objects.remove(kWho, *kinds::find_resource(key.resource), key);  // the next sweep tries again
  }

  void plan() {
    executor.post_after(limits::kRetentionPeriod, [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->tick();
    });
  }

  void tick() {
    {
      std::lock_guard lock(mutex);
      if (stopping) return;
      sweeping = true;
    }
    sweep();
    std::lock_guard lock(mutex);
    sweeping = false;
    ended.notify_all();
    if (!stopping) plan();
  }

  Objects& objects;
  os::Executor& executor;
  std::mutex mutex;
  std::condition_variable ended;
  bool sweeping = false, stopping = false;
};

Retention::Retention(Objects& objects, os::Executor& executor)
    : state_(std::make_shared<State>(objects, executor)) {}

Retention::~Retention() {
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  state_->ended.wait(lock, [&] { return !state_->sweeping; });
}

void Retention::start() {
  state_->plan();
}
void Retention::sweep() {
  state_->sweep();
}

}  // namespace mk::core

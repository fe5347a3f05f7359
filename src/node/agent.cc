#include "node/agent.h"

#include <algorithm>
#include <set>

#include "node/limits.h"
#include "node/live_pod.h"
#include "node/pod_logs.h"

namespace mk::node {
namespace {
constexpr int kPassesMax = 16;  // plan and act until nothing is left to do; a Pod settles in two or three
}  // namespace

Agent::Agent(AgentSettings settings, PodRecords records, os::Processes& processes,
             std::shared_ptr<ProbeRunner> probes, std::shared_ptr<os::Executor> executor)
    : settings_(std::move(settings)),
      records_(std::move(records)),
      processes_(processes),
      probes_(std::move(probes)),
      executor_(std::move(executor)),
      hidden_(private_root(settings_.data)),
      waker_(std::make_shared<Waker>()) {}

Agent::~Agent() {
  processes_.on_exit({});
  std::lock_guard lock(waker_->mutex);
  waker_->wake = {};
}

Result<void> Agent::adopt(std::function<void(const store::Key&)> wake) {
  {
    std::lock_guard lock(waker_->mutex);
    waker_->wake = std::move(wake);
  }
  MK_TRY(const auto records, records_.load());
  for (const PodRecord& record : records) {
    auto live = std::make_shared<LivePod>();
    live->record = record;
    std::lock_guard lock(mutex_);
    pods_[record.uid] = std::move(live);
  }
  processes_.on_exit([this](const std::string& folder) {
    if (const PodRef live = find(records_.uid_of(folder))) (*waker_)(live->key());
  });
  // Watch what runs already: an end between now and the first reconcile is not missed either way.
  for (const PodRecord& record : records)
    for (const auto& [name, container] : record.containers)
      if (container.life >= 0) (void)processes_.look(records_.run_folder(record.uid, name, container.life));
  return {};
}

void Agent::wake_all() {
  std::vector<store::Key> keys;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [uid, live] : pods_) keys.push_back(live->key());
  }
  for (const store::Key& key : keys) (*waker_)(key);
}

void Agent::stop_everything(Duration limit) {
  std::vector<std::string> folders;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [uid, live] : pods_)
      for (const auto& [name, container] : live->record.containers)
        if (container.life >= 0) folders.push_back(records_.run_folder(uid, name, container.life));
  }
  for (const std::string& folder : folders)
    if (processes_.look(folder).running()) (void)processes_.stop(folder, limit);
  const Duration until = executor_->clock().monotonic() + limit + kStopPatience;
  for (const std::string& folder : folders)
    (void)processes_.wait(folder, until - executor_->clock().monotonic());
}

core::Controller Agent::controller() {
  // What a Pod waits for: a mapped image, a ConfigMap or Secret, its namespace's permission.
  const auto pending_pods = [this](const core::Reader& reader, const store::Object& changed) {
    std::vector<store::Key> keys;
    store::Selection pods{.resource = "pods"};
    if (!changed.key.space.empty()) pods.space = changed.key.space;
    for (const store::ObjectRef& object : reader.list(pods))
      if (find(object->uid) != nullptr && object->body.find("\"waiting\"") != std::string::npos)
        keys.push_back(object->key);
    return keys;
  };
  return {.name = kControllerName,
          .resource = "pods",
          .related = {{.resource = "images.modelkit.dev", .owner = false, .map = pending_pods},
                      {.resource = "configmaps", .owner = false, .map = pending_pods},
                      {.resource = "secrets", .owner = false, .map = pending_pods},
                      {.resource = "serviceaccounts", .owner = false, .map = pending_pods},
                      {.resource = "namespaces", .owner = false, .map = pending_pods}},
          .reconcile = [this](core::World& world, const store::Key& key) { return reconcile(world, key); },
          .workers = 4};
}

Agent::PodRef Agent::find(std::string_view uid) const {
  std::lock_guard lock(mutex_);
  const auto found = pods_.find(uid);
  return found == pods_.end() ? nullptr : found->second;
}

std::vector<Agent::PodRef> Agent::find_named(const store::Key& key) const {
  std::vector<PodRef> found;
  std::lock_guard lock(mutex_);
  for (const auto& [uid, live] : pods_)
    if (live->record.name == key.name && live->record.space == key.space) found.push_back(live);
  return found;
}

Result<core::Again> Agent::reconcile(core::World& world, const store::Key& key) {
  const store::ObjectRef object = world.reader.get(key);
  core::Again again;
  for (const PodRef& live : find_named(key)) {
    if (object != nullptr && live->record.uid == object->uid) continue;
    const core::Again orphan = wind_down_orphan(world, live);
    if (orphan.after && (!again.after || *orphan.after < *again.after)) again = orphan;
  }
  if (object == nullptr) return again;
  const Json pod = object->json();
  if (pod.at({"spec", "nodeName"}).text() != settings_.node_name) return again;
  const auto spec = read_pod(pod);
  if (!spec) {
    // Nothing of it ever ran; more of the same will not help, only another Pod.
    if (pod["metadata"].contains("deletionTimestamp")) {
      MK_OK(world.writer.remove(object->key, object->uid, 0));
    } else {
      world.writer.event(*object, "Warning", "Failed", "Error: " + spec.error().sentence());
    }
    return again;
  }
  MK_TRY(const core::Again own, reconcile_declared(world, object, pod, *spec));
  if (own.after && (!again.after || *own.after < *again.after)) again = own;
  return again;
}

// A Pod that is remembered but not declared any more (or its name belongs to another by now).
core::Again Agent::wind_down_orphan(core::World& world, const PodRef& live) {
  // Right after a start the reader may not have seen everything yet; killing is not undone.
  const Duration now = executor_->clock().monotonic();
  if (!live->seen_declared) {
    if (!live->missing_since) live->missing_since = now;
    const Duration left = *live->missing_since + kOrphanPatience - now;
    if (left > Duration{}) return core::Again::in(left);
  }
  PodSpec spec;
  spec.space = live->record.space;
  spec.name = live->record.name;
  spec.uid = live->record.uid;
  spec.grace = live->record.grace;
  for (const auto& [name, container] : live->record.containers)
    spec.containers.push_back(Container{.name = name});
  Seen seen;
  see(world, live, Json(), spec, seen);
  seen.gone = true;
  for (const Action& action : plan_pod(spec, seen).actions) {
    if (action.kind == Action::Kind::kForget)
      forget(live);
    else if (auto done = act(live, spec, action); !done)
      return core::Again::in(kOrphanPatience);
  }
  live->notes.clear();
  return core::Again::never();  // the processes' ends wake the key
}

Result<core::Again> Agent::reconcile_declared(core::World& world, const store::ObjectRef& object,
                                              const Json& pod, const PodSpec& spec) {
  PodRef live = find(spec.uid);
  if (live == nullptr) {
    const std::string_view phase = pod.at({"status", "phase"}).text();
    if (spec.deleted) {
      MK_OK(world.writer.remove(object->key, spec.uid, 0));
      return core::Again::never();
    }
    if (phase == "Succeeded" || phase == "Failed")
      return core::Again::never();  // its records were taken away
    MK_TRY(live, take(world, spec));
  }
  live->seen_declared = true;
  if (spec.grace != live->record.grace) {
    live->record.grace = spec.grace;
    MK_OK(records_.save(live->record));
  }
  Json placed = pod;
  placed["status"]["podIP"] = records_.address(live->record.slot);
  placed["status"]["hostIP"] = settings_.host_ip;
  Seen seen;
  Plan plan;
  for (int pass = 0; pass < kPassesMax; ++pass) {
    see(world, live, pod, spec, seen);
    seen.gone = spec.deleted;
    if (!seen.gone) prepare(world, live, placed, spec, seen);
    plan = plan_pod(spec, seen);
    if (plan.actions.empty()) break;
    bool forget_it = false;
    for (const Action& action : plan.actions) {
      forget_it = forget_it || action.kind == Action::Kind::kForget;
      if (action.kind != Action::Kind::kForget) MK_OK(act(live, spec, action));
    }
    if (!forget_it) continue;
    // The object goes first: a record without object is wound down again, an object without record would
    // start.
    auto removed = world.writer.remove(object->key, spec.uid, 0);
    if (!removed && removed.error().code != Code::kNotFound) return fail(std::move(removed).error());
    forget(live);
    return core::Again::never();
  }
  MK_OK(write_status(world, live, object, pod, spec, seen, plan));
  const Duration now = executor_->clock().monotonic();
  for (const auto& [name, program] : live->programs)
    if (!program.refused.empty() && (!plan.again || program.refused_until - now < *plan.again))
      plan.again = std::max(program.refused_until - now, Duration{});
  return plan.again ? core::Again::in(*plan.again) : core::Again::never();
}

Result<Agent::PodRef> Agent::take(core::World& world, const PodSpec& spec) {
  auto live = std::make_shared<LivePod>();
  live->record.space = spec.space;
  live->record.name = spec.name;
  live->record.uid = spec.uid;
  live->record.grace = spec.grace;
  live->record.taken = world.clock.now();
  {
    std::lock_guard lock(mutex_);
    std::set<uint32_t> used;
    for (const auto& [uid, other] : pods_) used.insert(other->record.slot);
    // Round and round, so that an address or uid rests before it is used again. Slot 0 of the block is never
    // used.
    do next_slot_ = next_slot_ + 1 >= records_.slots() ? 1 : next_slot_ + 1;
    while (used.contains(next_slot_));
    live->record.slot = next_slot_;
    pods_[spec.uid] = live;
  }
  if (auto saved = records_.save(live->record); !saved) {
    std::lock_guard lock(mutex_);
    pods_.erase(spec.uid);
    return fail(std::move(saved).error());
  }
  return live;
}

void Agent::forget(const PodRef& live) {
  records_.remove(live->record.uid);
  std::lock_guard lock(mutex_);
  pods_.erase(live->record.uid);
}

void Agent::see(core::World& world, const PodRef& live, const Json& pod, const PodSpec& spec, Seen& seen) {
  seen = {};
  seen.now = world.clock.now();
  const auto all = [&](const std::vector<Container>& containers, std::string_view list,
                       std::vector<Life>& lives) {
    for (size_t i = 0; i < containers.size(); ++i)
      lives.push_back(see_container(live, spec, containers[i], pod["status"][list][i]));
  };
  all(spec.inits, "initContainerStatuses", seen.inits);
  all(spec.containers, "containerStatuses", seen.containers);
}

Life Agent::see_container(const PodRef& live, const PodSpec& spec, const Container& container,
                          const Json& status) {
  Life life;
  const auto recorded = live->record.containers.find(container.name);
  if (recorded == live->record.containers.end() || recorded->second.life < 0) return life;
  life.number = recorded->second.life;
  life.crashes = recorded->second.crashes;
  const std::string folder = records_.run_folder(live->record.uid, container.name, life.number);
  const auto look = [&](const std::string& where) {
    os::ProcessState run = processes_.look(where);
    if (run.exited() && run.exit_code != 0 && run.message.empty() && container.message_from_log)
      run.message = log_tail(where, kTerminationMessageLines, kTerminationMessageMax);
    return run;
  };
  life.run = look(folder);
  if (life.number > 0) {
    const os::ProcessState before = look(records_.run_folder(live->record.uid, container.name, life.number - 1));
    if (before.exited()) life.before = before;
  }
  LivePod::Program& program = live->programs[container.name];
  if (program.life != life.number) program = {.life = life.number, .told_waiting = program.told_waiting};
  life.stopping = program.stop_grace && spec.grace >= *program.stop_grace;
  if (!life.run.running()) {
    program.health = nullptr;
    return life;
  }
  if (program.health == nullptr) {
    program.health =
        std::make_shared<Health>(container, ProbeRunner::Target{records_.address(live->record.slot), folder},
                                 probes_, executor_, [waker = waker_, key = live->key()] { (*waker)(key); });
    // An adopted process is what it was until a probe says otherwise.
    const bool same_life = status["restartCount"].integer(-1) == life.number;
    program.health->begin(same_life && status["started"].boolean(), same_life && status["ready"].boolean());
  }
  life.started = program.health->started();
  life.ready = program.health->ready();
  life.unhealthy = program.health->unhealthy();
  return life;
}

}  // namespace mk::node

// The agent's hands: what a plan asks for, and what status and events say of it.
#include "base/format.h"
#include "base/log.h"
#include "node/agent.h"
#include "node/limits.h"
#include "node/live_pod.h"
#include "os/files.h"

namespace mk::node {
namespace {

// The Pod is not wrong, something that it names is missing: it waits, and an object's change wakes it.
bool is_missing(const Error& error) {
  return error.code == Code::kFailedPrecondition;
}

}  // namespace

Ground Agent::ground_of(const PodRef& live) const {
  Ground ground;
  ground.pod_ip = records_.address(live->record.slot);
  ground.host_ip = settings_.host_ip;
  ground.node_name = settings_.node_name;
  ground.home = records_.home(live->record.uid);
  ground.access = settings_.access.get();
  ground.memory_kept = settings_.bounds_kept.keeps(os::CgroupController::kMemory);
  if (settings_.users != nullptr) {
    const uint32_t user = records_.user(live->record.slot);
    ground.user = user;
    ground.give = [users = settings_.users, user](const std::vector<std::string>& paths) { return users->give(paths, user); };
    ground.hidden = {hidden_};
    ground.visible = settings_.visible;
  }
  return ground;
}

// A process that runs as us is the owner to our API, and may read, write and signal whatever is the owner's.
Result<void> Agent::check_isolation(core::World& world, const PodSpec& spec) const {
  if (settings_.users != nullptr || settings_.not_isolated.empty()) return {};
  const store::ObjectRef space = world.reader.get({"namespaces", "", spec.space});
  if (space != nullptr && space->json().at({"metadata", "labels", kShareOwner}).text() == "allow") return {};
  return fail(Error{Code::kFailedPrecondition, "NotIsolated",
                    fmt::format("this Pod would run as modelkit's owner and could do all that the owner can: {}",
                                settings_.not_isolated)}
                  .with_hint(fmt::format("or accept that for the whole namespace: kubectl label namespace {} {}=allow",
                                         spec.space, kShareOwner)));
}

Result<os::ProcessSpec> Agent::prepare_container(core::World& world, const PodRef& live, const Json& pod,
                                                 const PodSpec& spec, const Container& container) {
  MK_OK(check_isolation(world, spec));
  const Lookup lookup = [&](const store::Key& key) { return world.reader.get(key); };
  std::vector<Json> images;
  for (const store::ObjectRef& object : world.reader.list({.resource = "images.modelkit.dev"}))
    images.push_back(object->json());
  MK_TRY(const ImageProgram image, resolve_image(container.image, images, settings_.self));
  const Ground ground = ground_of(live);
  if (!live->volumes) {
    MK_TRY(live->volumes, prepare_volumes(pod, spec, ground.home, ground.give, lookup, ground.access));
  }
  return process_spec(pod, spec, container, image, *live->volumes, ground, lookup);
}

void Agent::prepare(core::World& world, const PodRef& live, const Json& pod, const PodSpec& spec,
                    Seen& seen) {
  const auto each = [&](const Container& container, bool init, Life& life) {
    const bool over = life.run.exited() && !restarts(spec.restart, init, life);
    if (life.run.running() || over) return;
    LivePod::Program& program = live->programs[container.name];
    if (!program.refused.empty() && executor_->clock().monotonic() < program.refused_until) {
      life.waiting_reason = "CreateContainerError";
      life.waiting_message = program.refused;
      return;
    }
    program.refused.clear();
    if (program.next) return;
    auto ready = prepare_container(world, live, pod, spec, container);
    if (ready) {
      program.next = std::move(*ready);
      program.told_waiting.clear();
      return;
    }
    const Error& error = ready.error();
    life.waiting_reason = is_missing(error) ? error.reason : "CreateContainerError";
    life.waiting_message = error.sentence();
    if (program.told_waiting == life.waiting_message) return;
    program.told_waiting = life.waiting_message;
    const bool image = life.waiting_reason == "ErrImagePull";
    live->note("Warning", "Failed",
               image ? fmt::format("Failed to pull image \"{}\": {}", container.image, life.waiting_message)
                     : "Error: " + life.waiting_message);
  };
  for (size_t i = 0; i < spec.inits.size(); ++i) each(spec.inits[i], true, seen.inits[i]);
  for (size_t i = 0; i < spec.containers.size(); ++i) each(spec.containers[i], false, seen.containers[i]);
}

Result<void> Agent::act(const PodRef& live, const PodSpec& spec, const Action& action) {
  const Container& container = (action.init ? spec.inits : spec.containers)[action.container];
  if (action.kind == Action::Kind::kStart) return start(live, container, action);
  return stop(live, container, action.grace);
}

Result<void> Agent::start(const PodRef& live, const Container& container, const Action& action) {
  LivePod::Program& program = live->programs[container.name];
  MK_CHECK(program.next);
  const os::ProcessSpec process = std::move(*program.next);
  program = {.life = action.number};
  live->record.containers[container.name] = {action.number, action.crashes};
  MK_OK(records_.save(live->record));
  const std::string& uid = live->record.uid;
  if (action.number >= 2) MK_OK(os::remove_all(records_.run_folder(uid, container.name, action.number - 2)));
  const std::string folder = records_.run_folder(uid, container.name, action.number);
  MK_OK(os::remove_all(folder));  // of a life whose record was lost with the power: its exit would pass for this one's
  MK_OK(os::make_folder(folder));
  const auto started = processes_.start(folder, process);
  if (!started) {
    // Not the program's fault alone (too much environment, no process left): say it and try again, but not at
    // once.
    program.refused = started.error().sentence();
    program.refused_until = executor_->clock().monotonic() + kStartRetry;
    live->note("Warning", "Failed", "Error: " + program.refused);
    return {};
  }
  live->note("Normal", "Pulled",
             fmt::format("Container image \"{}\" already present on machine", container.image));
  live->note("Normal", "Created", fmt::format("Created container: {}", container.name));
  if (started->reason == "StartError")
    live->note("Warning", "Failed", fmt::format("Error: {}", started->message));
  else
    live->note("Normal", "Started", fmt::format("Started container {}", container.name));
  return {};
}

Result<void> Agent::stop(const PodRef& live, const Container& container, Duration grace) {
  LivePod::Program& program = live->programs[container.name];
  MK_OK(processes_.stop(records_.run_folder(live->record.uid, container.name, program.life), grace));
  const bool told = program.stop_grace.has_value();
  program.stop_grace = grace;
  if (told) return {};
  if (program.health != nullptr && program.health->unhealthy())
    live->note("Normal", "Killing",
               fmt::format("Container {} failed {} probe, will be restarted", container.name,
                           program.health->blame()));
  else
    live->note("Normal", "Killing", fmt::format("Stopping container {}", container.name));
  return {};
}

void Agent::note_doings(const PodRef& live, const PodSpec& spec, const Plan& plan) {
  const auto each = [&](const Container& container, Doing doing) {
    const auto found = live->programs.find(container.name);
    if (found == live->programs.end()) return;
    LivePod::Program& program = found->second;
    if (program.health != nullptr)
      for (Health::Failure& failure : program.health->take_failures())
        live->note("Warning", "Unhealthy",
                   fmt::format("{} probe failed: {}", failure.probe, failure.message));
    if (doing == Doing::kBackingOff) program.next.reset();  // what it names may be another by then
    if (doing != Doing::kBackingOff || program.told_backoff) return;
    program.told_backoff = true;
    live->note("Warning", "BackOff",
               fmt::format("Back-off restarting failed container {} in pod {}_{}({})", container.name,
                           spec.name, spec.space, spec.uid));
  };
  for (size_t i = 0; i < spec.inits.size(); ++i) each(spec.inits[i], plan.inits[i]);
  for (size_t i = 0; i < spec.containers.size(); ++i) each(spec.containers[i], plan.containers[i]);
}

Result<void> Agent::write_status(core::World& world, const PodRef& live, const store::ObjectRef& object,
                                 const Json& pod, const PodSpec& spec, const Seen& seen, const Plan& plan) {
  Place place;
  place.pod_ip = records_.address(live->record.slot);
  place.host_ip = settings_.host_ip;
  place.own_uid = settings_.users != nullptr;
  place.uid = place.own_uid ? records_.user(live->record.slot) : settings_.user;
  place.started = live->record.taken;
  note_doings(live, spec, plan);
  Json status = pod_status(pod, spec, seen, plan, place);
  if (!(status == pod["status"])) {
    Json changed = pod;
    changed["status"] = std::move(status);
    auto written = world.writer.update_status(std::move(changed));
    if (!written) return fail(std::move(written).error());
  }
  for (const LivePod::Note& note : live->notes)
    world.writer.event(*object, note.type, note.reason, note.message);
  live->notes.clear();
  return {};
}

void Agent::refresh_tokens(const core::Reader& objects) {
  if (!settings_.access) return;
  std::vector<PodRef> all;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [uid, live] : pods_) all.push_back(live);
  }
  for (const PodRef& live : all) {
    const store::ObjectRef object = objects.get(live->key());
    if (object == nullptr || object->uid != live->record.uid) continue;
    const Ground ground = ground_of(live);
    const auto done =
        node::refresh_tokens(object->json(), ground.home, ground.give, *settings_.access, executor_->clock().now());
    if (!done) log::warn("a Pod's token was not renewed", {{"pod", object->key.text()}, {"why", done.error().message}});
  }
}

}  // namespace mk::node

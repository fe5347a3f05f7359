#include "node/pod_status.h"

#include <algorithm>

#include "base/format.h"
#include "core/pod_rules.h"

namespace mk::node {
namespace {

std::string run_id(const PodSpec& spec, const Container& container, int number) {
  return fmt::format("modelkit://{}/{}/{}", spec.uid, container.name, number);
}

Json terminated(const PodSpec& spec, const Container& container, const os::ProcessState& run, int number) {
  Json state = Json::object({{"containerID", run_id(spec, container, number)},
                             {"exitCode", run.exit_code},
                             {"reason", run.reason},
                             {"startedAt", run.started.rfc3339()},
                             {"finishedAt", run.finished.rfc3339()}});
  if (!run.message.empty()) state["message"] = run.message;
  return Json::object({{"terminated", std::move(state)}});
}

Json waiting(std::string_view reason, std::string_view message = {}) {
  Json state = Json::object({{"reason", reason}});
  if (!message.empty()) state["message"] = message;
  return Json::object({{"waiting", std::move(state)}});
}

Json current_state(const PodSpec& spec, const Container& container, const Life& life, Doing doing) {
  switch (doing) {
    case Doing::kWaitingForInit:
      return waiting("PodInitializing");
    case Doing::kCannotStart:
      return waiting(life.waiting_reason, life.waiting_message);
    case Doing::kStarting:
      return waiting("ContainerCreating");
    case Doing::kRunning:
      return Json::object({{"running", Json::object({{"startedAt", life.run.started.rfc3339()}})}});
    case Doing::kBackingOff:
      return waiting("CrashLoopBackOff",
                     fmt::format("back-off {} restarting failed container={} pod={}_{}({})",
                                 human_duration(backoff(crashes_after(life))), container.name, spec.name,
                                 spec.space, spec.uid));
    case Doing::kDone:
      break;
  }
  if (life.run.exited()) return terminated(spec, container, life.run, life.number);
  return waiting("ContainerCreating");
}

Json container_status(const PodSpec& spec, const Container& container, const Life& life, Doing doing,
                      const Place& place) {
  Json status = Json::object({{"name", container.name},
                              {"image", container.image},
                              {"imageID", life.number < 0 ? "" : place.image_id_prefix + container.image},
                              {"ready", doing == Doing::kRunning && life.ready},
                              {"started", doing == Doing::kRunning && life.started},
                              {"restartCount", std::max(life.number, 0)},
                              {"state", current_state(spec, container, life, doing)},
                              {"lastState", Json::object()}});
  if (life.number >= 0) status["containerID"] = run_id(spec, container, life.number);
  // While the next life waits, the one that ended is the last.
  const bool shown = doing == Doing::kDone || doing == Doing::kRunning;
  if (!shown && life.run.exited())
    status["lastState"] = terminated(spec, container, life.run, life.number);
  else if (life.before)
    status["lastState"] = terminated(spec, container, *life.before, life.number - 1);
  status["user"] = Json::object({{"linux", Json::object({{"uid", place.uid}, {"gid", place.uid}})}});
  return status;
}

// "containers with unready status: [a b]"
std::string unready(const std::vector<Container>& containers, const Json& statuses) {
  std::string names;
  for (size_t i = 0; i < containers.size(); ++i) {
    if (statuses[i]["ready"].boolean()) continue;
    if (!names.empty()) names += ' ';
    names += containers[i].name;
  }
  return fmt::format("containers with unready status: [{}]", names);
}

constexpr std::string_view kPhases[] = {"Pending", "Running", "Succeeded", "Failed"};

void set_ready_conditions(Json& status, const PodSpec& spec, const Plan& plan, Time now) {
  const Json& statuses = status["containerStatuses"];
  bool all_ready = true;
  for (const Json& each : statuses.items()) all_ready = all_ready && each["ready"].boolean();
  const bool over = plan.phase == Phase::kSucceeded || plan.phase == Phase::kFailed;
  if (all_ready && !over) {
    set_condition(status, "Ready", true, "", "", now);
    set_condition(status, "ContainersReady", true, "", "", now);
    return;
  }
  const std::string_view reason = plan.phase == Phase::kSucceeded ? "PodCompleted"
                                  : plan.phase == Phase::kFailed  ? "PodFailed"
                                                                  : "ContainersNotReady";
  const std::string message = over ? "" : unready(spec.containers, statuses);
  set_condition(status, "Ready", false, reason, message, now);
  set_condition(status, "ContainersReady", false, reason, message, now);
}

}  // namespace

void set_condition(Json& status, std::string_view type, bool value, std::string_view reason,
                   std::string_view message, Time now) {
  Json fresh =
      Json::object({{"type", type}, {"status", value ? "True" : "False"}, {"lastProbeTime", nullptr}});
  if (!reason.empty()) fresh["reason"] = reason;
  if (!message.empty()) fresh["message"] = message;
  fresh["lastTransitionTime"] = now.rfc3339();
  for (Json& condition : status["conditions"].items()) {
    if (condition["type"].text() != type) continue;
    if (condition["status"] == fresh["status"]) fresh["lastTransitionTime"] = condition["lastTransitionTime"];
    condition = std::move(fresh);
    return;
  }
  status["conditions"].push_back(std::move(fresh));
}

Json pod_status(const Json& pod, const PodSpec& spec, const Seen& seen, const Plan& plan,
                const Place& place) {
  Json status = pod["status"].is_object() ? pod["status"] : Json::object();
  if (status["conditions"].is_null()) status["conditions"] = Json::array();
  status["phase"] = kPhases[static_cast<size_t>(plan.phase)];
  status["podIP"] = place.pod_ip;
  status["podIPs"] = Json::array({Json::object({{"ip", place.pod_ip}})});
  status["hostIP"] = place.host_ip;
  status["hostIPs"] = Json::array({Json::object({{"ip", place.host_ip}})});
  status["startTime"] = place.started.rfc3339();
  status["qosClass"] = core::rules::qos_class(pod);
  const auto statuses = [&](const std::vector<Container>& containers, const std::vector<Life>& lives,
                            const std::vector<Doing>& doing) {
    Json list = Json::array();
    for (size_t i = 0; i < containers.size(); ++i)
      list.push_back(container_status(spec, containers[i], lives[i], doing[i], place));
    return list;
  };
  if (!spec.inits.empty()) status["initContainerStatuses"] = statuses(spec.inits, seen.inits, plan.inits);
  status["containerStatuses"] = statuses(spec.containers, seen.containers, plan.containers);
  set_condition(status, "PodReadyToStartContainers", true, "", "", seen.now);
  if (plan.initialized)
    set_condition(status, "Initialized", true, "", "", seen.now);
  else
    set_condition(status, "Initialized", false, "ContainersNotInitialized",
                  fmt::format("{} of {} init containers are not done",
                              std::count_if(plan.inits.begin(), plan.inits.end(),
                                            [](Doing doing) { return doing != Doing::kDone; }),
                              plan.inits.size()),
                  seen.now);
  set_ready_conditions(status, spec, plan, seen.now);
  set_condition(status, "PodScheduled", true, "", "", seen.now);
  if (!place.own_uid)
    set_condition(status, "modelkit.dev/Isolated", false, "SameUser",
                  "this Pod's processes run as modelkit's own user, as its namespace allows; `modelkit doctor` says "
                  "how to give Pods users of their own",
                  seen.now);
  return status;
}

}  // namespace mk::node

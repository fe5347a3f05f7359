#include "modules/workloads/deployment_status.h"

#include <algorithm>

#include "base/format.h"

namespace mk::workloads {
namespace {

const Json& find_condition(const Json& status, std::string_view type) {
  for (const Json& condition : status["conditions"].items())
    if (condition["type"].text() == type) return condition;
  static const Json none;
  return none;
}

// `moved`: something happened, so lastUpdateTime moves although status and reason may stay.
void set_condition(Json& status, std::string_view type, std::string_view value, std::string_view reason,
                   const std::string& message, bool moved, Time now) {
  const Json old = find_condition(status, type);
  const bool same = old["status"].text() == value && old["reason"].text() == reason;
  if (same && !moved && old["message"].text() == message) return;
  Json fresh = Json::object({{"type", type}, {"status", value}, {"reason", reason}, {"message", message}});
  fresh["lastUpdateTime"] = same && !moved ? old["lastUpdateTime"] : Json(now.rfc3339());
  fresh["lastTransitionTime"] =
      old["status"].text() == value ? old["lastTransitionTime"] : Json(now.rfc3339());
  // As upstream, what changed last stands last.
  std::erase_if(status["conditions"].items(),
                [&](const Json& condition) { return condition["type"].text() == type; });
  status["conditions"].push_back(std::move(fresh));
}

void set_count(Json& status, std::string_view name, int64_t value) {
  if (value > 0)
    status[name] = value;
  else
    status.erase(name);
}

struct Progress {
  bool complete = false, moved = false;
};

Progress progress_of(const Json& before, const Json& after, int64_t wanted) {
  const auto more = [&](std::string_view name) { return after[name].integer() > before[name].integer(); };
  const auto old_pods = [](const Json& s) {
    return s["replicas"].integer() - s["updatedReplicas"].integer();
  };
  Progress progress;
  progress.complete = after["updatedReplicas"].integer() == wanted && after["replicas"].integer() == wanted &&
                      after["availableReplicas"].integer() == wanted;
  progress.moved = more("updatedReplicas") || more("readyReplicas") || more("availableReplicas") ||
                   old_pods(after) < old_pods(before);
  return progress;
}

std::optional<Duration> set_progressing(Json& status, const Json& deployment, const Json* fresh,
                                        Progress progress, Time now) {
  const std::string name(fresh ? (*fresh).at({"metadata", "name"}).text() : "");
  const Json old = find_condition(status, "Progressing");
  if (progress.complete && fresh) {
    set_condition(status, "Progressing", "True", "NewReplicaSetAvailable",
                  fmt::format("ReplicaSet \"{}\" has successfully progressed.", name), false, now);
    return {};
  }
  if (deployment.at({"spec", "paused"}).boolean()) {
    set_condition(status, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", false, now);
    return {};
  }
  // One that is through stays so while it is scaled: nothing new is rolled out.
  if (old["reason"].text() == "NewReplicaSetAvailable" && !name.empty() &&
      old["message"].text().find("\"" + name + "\"") != std::string_view::npos &&
      status["replicas"].integer() == status["updatedReplicas"].integer())
    return {};
  // A rollout that follows a finished one, or has another ReplicaSet than the last message names, starts its
  // clock.
  const bool begun =
      old.is_null() || old["reason"].text() == "NewReplicaSetAvailable" ||
      old["reason"].text() == "DeploymentPaused" ||
      (!name.empty() && old["message"].text().find("\"" + name + "\"") == std::string_view::npos);
  const bool timed_out = old["reason"].text() == "ProgressDeadlineExceeded";
  if (begun || progress.moved || (!timed_out && old["status"].text() != "True")) {
    set_condition(status, "Progressing", "True", fresh ? "ReplicaSetUpdated" : "NewReplicaSetCreated",
                  fresh ? fmt::format("ReplicaSet \"{}\" is progressing.", name) : "Created new replica set",
                  true, now);
  }
  const Json& current = find_condition(status, "Progressing");
  if (timed_out && current["reason"].text() == "ProgressDeadlineExceeded") return {};
  const auto since = Time::parse_rfc3339(current["lastUpdateTime"].text());
  const Duration limit =
      Duration::from_seconds(deployment.at({"spec", "progressDeadlineSeconds"}).integer(600));
  const Duration left = (since ? *since : now) + limit - now;
  if (left > Duration{}) return left;
  set_condition(status, "Progressing", "False", "ProgressDeadlineExceeded",
                fmt::format("ReplicaSet \"{}\" has timed out progressing.", name), true, now);
  return {};
}

}  // namespace

DeploymentStatus deployment_status(const Json& deployment, const std::vector<Json>& replica_sets,
                                   const Json* fresh, int64_t unavailable_max, Time now) {
  const Json& before = deployment["status"];
  const int64_t wanted = deployment.at({"spec", "replicas"}).integer(1);
  int64_t replicas = 0, ready = 0, available = 0, leaving = 0;
  for (const Json& set : replica_sets) {
    replicas += set.at({"status", "replicas"}).integer();
    ready += set.at({"status", "readyReplicas"}).integer();
    available += set.at({"status", "availableReplicas"}).integer();
    leaving += set.at({"status", "terminatingReplicas"}).integer();
  }
  Json status = before.is_object() ? before : Json::object();
  if (status["conditions"].is_null()) status["conditions"] = Json::array();
  status["observedGeneration"] = deployment.at({"metadata", "generation"}).integer();
  set_count(status, "replicas", replicas);
  set_count(status, "updatedReplicas", fresh ? fresh->at({"status", "replicas"}).integer() : 0);
  set_count(status, "readyReplicas", ready);
  set_count(status, "availableReplicas", available);
  set_count(status, "unavailableReplicas", std::max(replicas, wanted) - available);
  status["terminatingReplicas"] = leaving;
  if (available >= wanted - unavailable_max)
    set_condition(status, "Available", "True", "MinimumReplicasAvailable",
                  "Deployment has minimum availability.", false, now);
  else
    set_condition(status, "Available", "False", "MinimumReplicasUnavailable",
                  "Deployment does not have minimum availability.", false, now);
  const auto again = set_progressing(status, deployment, fresh, progress_of(before, status, wanted), now);
  return {std::move(status), again};
}

}  // namespace mk::workloads

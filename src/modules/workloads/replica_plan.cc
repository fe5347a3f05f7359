#include "modules/workloads/replica_plan.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "base/digest.h"
#include "base/format.h"
#include "modules/workloads/limits.h"

namespace mk::workloads {
namespace {

Time time_of(const Json& value) {
  const auto parsed = Time::parse_rfc3339(value.text());
  return parsed ? *parsed : Time{};
}

// Who goes first: not bound, not running, not ready, restarted most, youngest. The name makes the order
// total, so a late view removes the same ones again and not others.
bool goes_first(const Replica& a, const Replica& b) {
  const auto rank = [](const Replica& r) {
    return std::make_tuple(r.bound, r.running, r.ready_since.is_set(), -r.restarts, -r.created.nanoseconds);
  };
  return std::make_tuple(rank(a), a.key.name) < std::make_tuple(rank(b), b.key.name);
}

}  // namespace

Replica read_replica(const store::Object& object, const Json& replica_set) {
  const Json pod = object.json();
  Replica replica;
  replica.key = object.key;
  replica.uid = object.uid;
  replica.created = time_of(pod.at({"metadata", "creationTimestamp"}));
  replica.bound = !pod.at({"spec", "nodeName"}).text().empty();
  const std::string_view phase = pod.at({"status", "phase"}).text();
  replica.running = phase == "Running";
  replica.over = phase == "Succeeded" || phase == "Failed";
  replica.leaving = pod["metadata"].contains("deletionTimestamp");
  for (const Json& condition : pod.at({"status", "conditions"}).items())
    if (condition["type"].text() == "Ready" && condition["status"].text() == "True")
      replica.ready_since = time_of(condition["lastTransitionTime"]);
  for (const Json& container : pod.at({"status", "containerStatuses"}).items())
    replica.restarts += container["restartCount"].integer();
  for (const auto& [key, value] : replica_set.at({"spec", "template", "metadata", "labels"}).members())
    replica.all_labels = replica.all_labels && pod.at({"metadata", "labels"})[key] == value;
  return replica;
}

std::string replica_name(const Json& replica_set, int64_t number) {
  // Kubernetes' alphabet of generated names.
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  const std::string digest =
      sha256_hex(fmt::format("{}/{}", replica_set.at({"metadata", "uid"}).text(), number));
  std::string suffix;
  for (size_t i = 0; i < 5; ++i) {
    const int value = std::stoi(digest.substr(2 * i, 2), nullptr, 16);
    suffix += kLetters[static_cast<size_t>(value) % kLetters.size()];
  }
  // A Pod's name is also its host name: 63 letters at most.
  return fmt::format("{}-{}", replica_set.at({"metadata", "name"}).text().substr(0, 57), suffix);
}

ReplicaPlan plan_replicas(const Json& replica_set, const std::vector<Replica>& pods, Time now) {
  ReplicaPlan plan;
  const int64_t wanted =
      std::clamp<int64_t>(replica_set.at({"spec", "replicas"}).integer(1), 0, kReplicasMax);
  const Duration settle = Duration::from_seconds(replica_set.at({"spec", "minReadySeconds"}).integer(0));
  std::vector<Replica> active;
  std::set<std::string, std::less<>> taken;
  int64_t labelled = 0, ready = 0, available = 0, leaving = 0;
  for (const Replica& pod : pods) {
    taken.insert(pod.key.name);
    leaving += pod.leaving && !pod.over;
    if (pod.leaving || pod.over) continue;
    active.push_back(pod);
    labelled += pod.all_labels;
    if (!pod.ready_since.is_set()) continue;
    ++ready;
    const Duration left = pod.ready_since + settle - now;
    if (left <= Duration{} || left > settle)  // more: the clock was set back since
      ++available;
    else if (!plan.again || left < *plan.again)
      plan.again = left;
  }
  const int64_t have = static_cast<int64_t>(active.size());
  if (!replica_set["metadata"].contains("deletionTimestamp")) {
    for (int64_t number = 0, missing = std::min<int64_t>(wanted - have, kWritesPerPass); missing > 0;
         ++number) {
      std::string name = replica_name(replica_set, number);
      if (!taken.insert(name).second) continue;
      plan.create.push_back(std::move(name));
      --missing;
    }
    std::sort(active.begin(), active.end(), goes_first);
    for (int64_t i = 0; i < std::min<int64_t>(have - wanted, kWritesPerPass); ++i)
      plan.remove.push_back(active[static_cast<size_t>(i)]);
  }
  Json status = replica_set["status"].is_object() ? replica_set["status"] : Json::object();
  status["replicas"] = have;
  const std::pair<const char*, int64_t> counts[] = {
      {"fullyLabeledReplicas", labelled}, {"readyReplicas", ready}, {"availableReplicas", available}};
  for (const auto& [field, count] : counts) {
    if (count > 0)
      status[field] = count;
    else
      status.erase(field);  // as upstream, none is not said
  }
  status["terminatingReplicas"] = leaving;
  status["observedGeneration"] = replica_set.at({"metadata", "generation"}).integer();
  plan.status = std::move(status);
  return plan;
}

Json replica_pod(const Json& replica_set, const std::string& name) {
  const Json& meta = replica_set["metadata"];
  const Json& shape = replica_set.at({"spec", "template"});
  Json pod_meta =
      Json::object({{"name", name},
                    {"namespace", meta["namespace"]},
                    {"generateName", fmt::format("{}-", meta["name"].text())},
                    {"labels", shape.at({"metadata", "labels"})},
                    {"ownerReferences", Json::array({Json::object({{"apiVersion", "apps/v1"},
                                                                   {"kind", "ReplicaSet"},
                                                                   {"name", meta["name"]},
                                                                   {"uid", meta["uid"]},
                                                                   {"controller", true},
                                                                   {"blockOwnerDeletion", true}})})}});
  if (const Json* annotations = shape["metadata"].find("annotations")) pod_meta["annotations"] = *annotations;
  if (const Json* finalizers = shape["metadata"].find("finalizers")) pod_meta["finalizers"] = *finalizers;
  return Json::object(
      {{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", std::move(pod_meta)}, {"spec", shape["spec"]}});
}

}  // namespace mk::workloads

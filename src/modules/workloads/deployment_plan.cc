#include "modules/workloads/deployment_plan.h"

#include <algorithm>
#include <charconv>

#include "base/digest.h"
#include "base/format.h"
#include "modules/workloads/deployment_status.h"
#include "modules/workloads/limits.h"

namespace mk::workloads {
namespace {

constexpr std::string_view kHashLabel = "pod-template-hash";
constexpr std::string_view kRevision = "deployment.kubernetes.io/revision";
constexpr std::string_view kDesired = "deployment.kubernetes.io/desired-replicas";
constexpr std::string_view kMax = "deployment.kubernetes.io/max-replicas";
constexpr std::string_view kHistory = "deployment.kubernetes.io/revision-history";

int64_t number(std::string_view text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}
int64_t revision_of(const Json& set) {
  return number(set.at({"metadata", "annotations"})[kRevision].text());
}
int64_t wanted_of(const Json& set) {
  return set.at({"spec", "replicas"}).integer(1);
}
int64_t available_of(const Json& set) {
  return set.at({"status", "availableReplicas"}).integer();
}
std::string_view name_of(const Json& object) {
  return object.at({"metadata", "name"}).text();
}

int64_t share(const Json& value, int64_t of, int64_t fallback_percent, bool up) {
  if (value.is_int()) return std::max<int64_t>(value.integer(), 0);
  std::string_view text = value.text();
  int64_t percent = fallback_percent;
  if (text.ends_with('%')) percent = number(text.substr(0, text.size() - 1));
  return (of * percent + (up ? 99 : 0)) / 100;
}

// Edits one ReplicaSet of the plan; what did not change is not written.
class Sets {
 public:
  Sets(const Json& deployment, std::vector<Json> sets, Fences fence)
      : sets_(std::move(sets)),
        before_(sets_),
        wanted_(deployment.at({"spec", "replicas"}).integer(1)),
        fence_(fence) {}

  Json& at(size_t i) { return sets_[i]; }
  const std::vector<Json>& all() const { return sets_; }
  size_t size() const { return sets_.size(); }

  void scale(size_t i, int64_t to, std::vector<std::string>& notes) {
    Json& set = sets_[i];
    const int64_t from = wanted_of(set);
    set["spec"]["replicas"] = to;
    if (from != to)
      notes.push_back(fmt::format("Scaled {} replica set {} from {} to {}", to > from ? "up" : "down",
                                  name_of(set), from, to));
  }
  void annotate(size_t i, std::string_view name, std::string value) {
    sets_[i]["metadata"]["annotations"][name] = std::move(value);
  }
  void annotate_sizes() {
    for (size_t i = 0; i < sets_.size(); ++i) {
      if (wanted_of(sets_[i]) == 0) continue;
      annotate(i, kDesired, fmt::format("{}", wanted_));
      annotate(i, kMax, fmt::format("{}", wanted_ + fence_.surge));
    }
  }
  void collect(DeploymentPlan& plan) const {
    for (size_t i = 0; i < sets_.size(); ++i)
      if (!(sets_[i] == before_[i])) plan.update.push_back(sets_[i]);
  }

 private:
  std::vector<Json> sets_, before_;
  int64_t wanted_;
  Fences fence_;
};

Json new_set(const Json& deployment, const std::string& hash, int64_t replicas, int64_t revision) {
  const Json& meta = deployment["metadata"];
  Json shape = deployment.at({"spec", "template"});
  shape["metadata"]["labels"][kHashLabel] = hash;
  Json selector = deployment.at({"spec", "selector"});
  selector["matchLabels"][kHashLabel] = hash;
  Json annotations = Json::object({{std::string(kRevision), fmt::format("{}", revision)}});
  for (const auto& [key, value] : meta["annotations"].members())
    if (!key.starts_with("deployment.kubernetes.io/") &&
        key != "kubectl.kubernetes.io/last-applied-configuration")
      annotations[key] = value;
  Json owner = Json::object({{"apiVersion", "apps/v1"},
                             {"kind", "Deployment"},
                             {"name", meta["name"]},
                             {"uid", meta["uid"]},
                             {"controller", true},
                             {"blockOwnerDeletion", true}});
  Json set_meta = Json::object({{"name", fmt::format("{}-{}", meta["name"].text(), hash)},
                                {"namespace", meta["namespace"]},
                                {"labels", shape.at({"metadata", "labels"})},
                                {"annotations", std::move(annotations)},
                                {"ownerReferences", Json::array({std::move(owner)})}});
  Json spec = Json::object(
      {{"replicas", replicas}, {"selector", std::move(selector)}, {"template", std::move(shape)}});
  if (const Json* settle = deployment["spec"].find("minReadySeconds")) spec["minReadySeconds"] = *settle;
  return Json::object({{"apiVersion", "apps/v1"},
                       {"kind", "ReplicaSet"},
                       {"metadata", std::move(set_meta)},
                       {"spec", std::move(spec)}});
}

int64_t sum(const std::vector<Json>& sets, int64_t (*of)(const Json&)) {
  int64_t total = 0;
  for (const Json& set : sets) total += of(set);
  return total;
}

// How large the new ReplicaSet may be now.
int64_t new_size(const std::vector<Json>& sets, int64_t current, int64_t wanted, const Fences& fence) {
  const int64_t room = wanted + fence.surge - sum(sets, wanted_of);
  if (current >= wanted) return wanted;  // also when the Deployment shrinks
  return std::clamp<int64_t>(current + std::max<int64_t>(room, 0), current, wanted);
}

// Old ReplicaSets give up Pods as far as enough stay available: sick Pods first, then oldest sets first.
void shrink_old(Sets& sets, const std::vector<size_t>& old, size_t fresh, int64_t wanted, const Fences& fence,
                std::vector<std::string>& notes) {
  const int64_t least = wanted - fence.unavailable;
  const int64_t fresh_missing =
      std::max<int64_t>(wanted_of(sets.at(fresh)) - available_of(sets.at(fresh)), 0);
  int64_t may_go = sum(sets.all(), wanted_of) - least - fresh_missing;
  for (size_t i : old) {
    const int64_t sick = std::max<int64_t>(wanted_of(sets.at(i)) - available_of(sets.at(i)), 0);
    const int64_t go = std::min(sick, may_go);
    if (go <= 0) continue;
    sets.scale(i, wanted_of(sets.at(i)) - go, notes);
    may_go -= go;
  }
  int64_t spare = sum(sets.all(), available_of) - least;
  for (size_t i : old) {
    const int64_t go = std::min({wanted_of(sets.at(i)), spare, may_go});
    if (go <= 0) continue;
    sets.scale(i, wanted_of(sets.at(i)) - go, notes);
    spare -= go;
    may_go -= go;
  }
}

void remove_history(const Json& deployment, const Sets& sets, std::vector<size_t> old, DeploymentPlan& plan) {
  const int64_t limit = deployment.at({"spec", "revisionHistoryLimit"}).integer(10);
  std::erase_if(old, [&](size_t i) {
    const Json& set = sets.all()[i];
    return wanted_of(set) != 0 || set.at({"status", "replicas"}).integer() != 0 ||
           set["metadata"].contains("deletionTimestamp");
  });
  for (int64_t i = 0; i < static_cast<int64_t>(old.size()) - limit; ++i)
    plan.remove.emplace_back(name_of(sets.all()[old[static_cast<size_t>(i)]]));
}

}  // namespace

std::string template_hash(const Json& pod_template) {
  return sha256_hex(pod_template.dump()).substr(0, 10);
}

Fences fences(const Json& deployment) {
  if (deployment.at({"spec", "strategy", "type"}).text() == "Recreate")
    return {0, deployment.at({"spec", "replicas"}).integer(1)};
  const int64_t wanted = deployment.at({"spec", "replicas"}).integer(1);
  const Json& rolling = deployment.at({"spec", "strategy", "rollingUpdate"});
  Fences fence{share(rolling["maxSurge"], wanted, 25, true),
               share(rolling["maxUnavailable"], wanted, 25, false)};
  if (fence.surge == 0 && fence.unavailable == 0) fence.unavailable = 1;
  fence.unavailable = std::min(fence.unavailable, wanted);
  return fence;
}

DeploymentPlan plan_deployment(const Json& deployment, const std::vector<Json>& replica_sets, Time now) {
  DeploymentPlan plan;
  const Fences fence = fences(deployment);
  const int64_t wanted = deployment.at({"spec", "replicas"}).integer(1);
  const std::string hash = template_hash(deployment.at({"spec", "template"}));
  Sets sets(deployment, replica_sets, fence);
  std::optional<size_t> fresh;
  std::vector<size_t> old;
  int64_t newest_old = 0;
  for (size_t i = 0; i < sets.size(); ++i) {
    if (sets.at(i).at({"metadata", "labels"})[kHashLabel].text() == hash) {
      fresh = i;
    } else {
      old.push_back(i);
      newest_old = std::max(newest_old, revision_of(sets.at(i)));
    }
  }
  std::sort(old.begin(), old.end(),
            [&](size_t a, size_t b) { return revision_of(sets.at(a)) < revision_of(sets.at(b)); });
  const bool paused = deployment.at({"spec", "paused"}).boolean();
  const bool leaving = deployment["metadata"].contains("deletionTimestamp");
  const bool recreate = deployment.at({"spec", "strategy", "type"}).text() == "Recreate";
  int64_t old_pods = 0;
  for (size_t i : old) {
    const Json& status = std::as_const(sets.at(i))["status"];
    // One that is still leaving counts: Recreate waits for its process, not only for its object.
    old_pods += std::max(wanted_of(sets.at(i)),
                         status["replicas"].integer() + status["terminatingReplicas"].integer());
  }
  if (!fresh && !paused && !leaving) {
    // Recreate: the old ones go first.
    const int64_t size = recreate ? (old_pods == 0 ? wanted : 0) : new_size(sets.all(), 0, wanted, fence);
    plan.create.push_back(new_set(deployment, hash, size, newest_old + 1));
    plan.revision = fmt::format("{}", newest_old + 1);
    if (size > 0)
      plan.notes.push_back(
          fmt::format("Scaled up replica set {} from 0 to {}", name_of(plan.create[0]), size));
  }
  if (fresh && !leaving) {
    const int64_t revision = std::max(revision_of(sets.at(*fresh)), newest_old + 1);
    if (revision != revision_of(sets.at(*fresh)) && !paused) {
      const std::string before(sets.at(*fresh).at({"metadata", "annotations"})[kRevision].text());
      if (!before.empty()) sets.annotate(*fresh, kHistory, before);
      sets.annotate(*fresh, kRevision, fmt::format("{}", revision));
    }
    plan.revision = fmt::format("{}", revision_of(sets.at(*fresh)));
    const int64_t current = wanted_of(sets.at(*fresh));
    if (recreate && !paused) {
      for (size_t i : old) sets.scale(i, 0, plan.notes);
      if (old_pods == 0) sets.scale(*fresh, wanted, plan.notes);
    } else if (!paused || old_pods == 0) {
      sets.scale(*fresh, new_size(sets.all(), current, wanted, fence), plan.notes);
    }
    if (!recreate && !paused) shrink_old(sets, old, *fresh, wanted, fence, plan.notes);
    if (const Json* settle = deployment["spec"].find("minReadySeconds"))
      sets.at(*fresh)["spec"]["minReadySeconds"] = *settle;
    sets.annotate_sizes();
    remove_history(deployment, sets, old, plan);
  } else if (recreate && !paused && !leaving) {
    for (size_t i : old) sets.scale(i, 0, plan.notes);
  }
  if (!leaving) sets.collect(plan);
  DeploymentStatus status = deployment_status(
      deployment, replica_sets, fresh ? &replica_sets[*fresh] : nullptr, fence.unavailable, now);
  plan.status = std::move(status.status);
  plan.again = status.again;
  return plan;
}

}  // namespace mk::workloads

#include "core/grants.h"

#include <algorithm>

#include "base/format.h"
#include "core/refusal.h"

namespace mk::core {
namespace {

constexpr std::string_view kClasses = "priorityclasses.scheduling.k8s.io";

struct Priority {
  std::string name;  // of the class; empty: none
  int64_t value = 0;
  std::string preemption = "PreemptLowerPriority";
};

// Classes that are always there.
const Priority kSystem[] = {{"system-cluster-critical", 2'000'000'000},
                            {"system-node-critical", 2'000'001'000}};

Priority read_class(const Json& json) {
  return {std::string(json.at({"metadata", "name"}).text()), json["value"].integer(),
          std::string(json["preemptionPolicy"].text("PreemptLowerPriority"))};
}

// Of a Pod that names no class: the one that is marked as global; of several the least.
Priority usual_priority(const store::Store& store) {
  std::optional<Priority> found;
  for (const ObjectRef& object : store.list({std::string(kClasses), {}}).objects) {
    const Json json = object->json();
    if (!json["globalDefault"].boolean()) continue;
    if (Priority one = read_class(json); !found || one.value < found->value) found = std::move(one);
  }
  return found.value_or(Priority{});
}

// A Job finds its Pods by its own uid, unless somebody wants to choose the selector.
void give_selector(Json& job) {
  if (std::as_const(job).at({"spec", "manualSelector"}).boolean()) return;
  const Json metadata = std::as_const(job)["metadata"];
  Json& labels = job["spec"]["template"]["metadata"]["labels"];
  for (const char* prefix : {"", "batch.kubernetes.io/"}) {
    labels[std::string(prefix) + "controller-uid"] = metadata["uid"];
    labels[std::string(prefix) + "job-name"] = metadata["name"];
  }
  job["spec"]["selector"]["matchLabels"] =
      Json::object({{"batch.kubernetes.io/controller-uid", metadata["uid"]}});
  if (metadata["labels"].empty()) job["metadata"]["labels"] = labels;
}

}  // namespace

Admitted<void> Grants::give_priority(const kinds::Kind& kind, Json& pod) const {
  Json& spec = pod["spec"];
  const std::string name(std::as_const(spec)["priorityClassName"].text());
  const std::string_view pod_name = std::as_const(pod).at({"metadata", "name"}).text();
  Priority priority;
  if (name.empty()) {
    priority = usual_priority(store_);
  } else if (const auto* known = std::ranges::find(kSystem, name, &Priority::name);
             known != std::end(kSystem)) {
    priority = *known;
  } else if (const ObjectRef found = store_.get({std::string(kClasses), "", name})) {
    priority = read_class(found->json());
  } else {
    return refuse_forbidden(kind, pod_name, fmt::format("no PriorityClass with name {} was found", name));
  }
  const auto may_say = [&](const char* field, const Json& computed, std::string_view what) -> Admitted<void> {
    const Json& said = std::as_const(spec)[field];
    if (said.is_null() || said == computed) return {};
    return refuse_forbidden(
        kind, pod_name,
        fmt::format("the {} ({}) must not be provided in pod spec; priority admission controller computed {} "
                    "from the "
                    "given PriorityClass name",
                    what, said.is_string() ? std::string(said.text()) : said.dump(),
                    computed.is_string() ? std::string(computed.text()) : computed.dump()));
  };
  if (auto may = may_say("priority", Json(priority.value), "integer value of priority"); !may) return may;
  if (auto may = may_say("preemptionPolicy", Json(priority.preemption), "string value of PreemptionPolicy");
      !may)
    return may;
  if (!priority.name.empty()) spec["priorityClassName"] = priority.name;
  spec["priority"] = priority.value;
  spec["preemptionPolicy"] = priority.preemption;
  return {};
}

Admitted<ServiceAddresses::Hold> Grants::give(const kinds::Kind& kind, const Key& key, Json& object,
                                              const Json* old) {
  if (!old && kind.plural == "jobs" && kind.group == "batch") give_selector(object);
  if (!kind.group.empty()) return nullptr;
  if (kind.plural == "pods" && !old) {
    if (auto given = give_priority(kind, object); !given) return std::unexpected(std::move(given).error());
    return nullptr;
  }
  if (kind.plural != "services") return nullptr;
  std::vector<Cause> causes;
  ServiceAddresses::Hold hold = addresses_.give(key, object, causes);
  if (!causes.empty()) return refuse_invalid(kind, key.name, std::move(causes));
  return hold;
}

}  // namespace mk::core

#include "modules/workloads/controllers.h"

#include "base/format.h"
#include "modules/workloads/deployment_plan.h"
#include "modules/workloads/replica_plan.h"

namespace mk::workloads {
namespace {

constexpr std::string_view kRevision = "deployment.kubernetes.io/revision";

// Those that `uid` controls (an owner reference alone is not enough).
std::vector<core::ObjectRef> controlled(const core::Reader& reader, std::string_view uid,
                                        std::string_view resource) {
  std::vector<core::ObjectRef> found;
  for (const core::ObjectRef& object : reader.owned_by(uid)) {
    if (object->key.resource != resource) continue;
    const Json json = object->json();
    for (const Json& owner : json.at({"metadata", "ownerReferences"}).items())
      if (owner["uid"].text() == uid && owner["controller"].boolean()) found.push_back(object);
  }
  return found;
}

Result<void> write_status(core::World& world, const Json& object, Json status,
                          std::string_view revision = {}) {
  const bool marked =
      revision.empty() || object.at({"metadata", "annotations"})[kRevision].text() == revision;
  if (marked && status == object["status"]) return {};
  Json changed = object;
  if (!marked) changed["metadata"]["annotations"][kRevision] = revision;
  changed["status"] = std::move(status);
  auto written = world.writer.update_status(std::move(changed));
  if (!written) return fail(std::move(written).error());
  return {};
}

Result<core::Again> reconcile_replica_set(core::World& world, const core::Key& key) {
  const core::ObjectRef object = world.reader.get(key);
  if (object == nullptr) return core::Again::never();
  const Json set = object->json();
  std::vector<Replica> pods;
  for (const core::ObjectRef& pod : controlled(world.reader, object->uid, "pods"))
    pods.push_back(read_replica(*pod, set));
  ReplicaPlan plan = plan_replicas(set, pods, world.clock.now());
  for (const std::string& name : plan.create) {
    auto made = world.writer.create(replica_pod(set, name));
    if (!made) {
      // Taken: made by us a moment ago, or leaving; its change wakes us. Anything else is worth telling.
      if (made.error().code != Code::kAlreadyExists)
        world.writer.event(*object, "Warning", "FailedCreate", "Error creating: " + made.error().sentence());
      return fail(std::move(made).error());
    }
    world.writer.event(*object, "Normal", "SuccessfulCreate", fmt::format("Created pod: {}", name));
  }
  for (const Replica& pod : plan.remove) {
    auto removed = world.writer.remove(pod.key, pod.uid);
    if (!removed && removed.error().code != Code::kNotFound) return fail(std::move(removed).error());
    if (removed)
      world.writer.event(*object, "Normal", "SuccessfulDelete", fmt::format("Deleted pod: {}", pod.key.name));
  }
  MK_OK(write_status(world, set, std::move(plan.status)));
  return plan.again ? core::Again::in(*plan.again) : core::Again::never();
}

Result<core::Again> reconcile_deployment(core::World& world, const core::Key& key) {
  const core::ObjectRef object = world.reader.get(key);
  if (object == nullptr) return core::Again::never();
  const Json deployment = object->json();
  std::vector<Json> sets;
  for (const core::ObjectRef& set : controlled(world.reader, object->uid, "replicasets.apps"))
    sets.push_back(set->json());
  DeploymentPlan plan = plan_deployment(deployment, sets, world.clock.now());
  for (Json& set : plan.create) {
    auto made = world.writer.create(std::move(set));
    if (!made) return fail(std::move(made).error());
  }
  for (Json& set : plan.update) {
    auto written = world.writer.update(std::move(set));
    if (!written) return fail(std::move(written).error());
  }
  for (const std::string& name : plan.remove) {
    auto removed = world.writer.remove({"replicasets.apps", key.space, name});
    if (!removed && removed.error().code != Code::kNotFound) return fail(std::move(removed).error());
  }
  for (const std::string& note : plan.notes) world.writer.event(*object, "Normal", "ScalingReplicaSet", note);
  MK_OK(write_status(world, deployment, std::move(plan.status), plan.revision));
  return plan.again ? core::Again::in(*plan.again) : core::Again::never();
}

}  // namespace

std::vector<core::Controller> make_controllers() {
  return {{.name = "deployment",
           .resource = "deployments.apps",
           .related = {{.resource = "replicasets.apps"}},
           .reconcile = reconcile_deployment},
          {.name = "replicaset",
           .resource = "replicasets.apps",
           .related = {{.resource = "pods"}},
           .reconcile = reconcile_replica_set}};
}

}  // namespace mk::workloads

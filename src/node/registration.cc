#include "node/registration.h"

#include <vector>

#include "base/format.h"
#include "node/limits.h"

namespace mk::node {
namespace {

constexpr std::string_view kLeases = "kube-node-lease";
constexpr struct {
  std::string_view type, status, reason, message;
} kConditions[] = {
    {"MemoryPressure", "False", "KubeletHasSufficientMemory", "modelkit has sufficient memory available"},
    {"DiskPressure", "False", "KubeletHasNoDiskPressure", "modelkit has no disk pressure"},
    {"PIDPressure", "False", "KubeletHasSufficientPID", "modelkit has sufficient PID available"},
    {"Ready", "True", "KubeletReady", "modelkit is posting ready status"},
};

struct Condition {
  std::string_view type, status, reason, message;
};

Json conditions(const Machine& machine, const Json& before, Time now) {
  std::vector<Condition> all;
  for (const auto& each : kConditions) all.push_back({each.type, each.status, each.reason, each.message});
  all.push_back({"modelkit.dev/LimitsEnforced", machine.limits_kept ? "True" : "False",
                 machine.limits_kept ? "Cgroups" : "SomeCannot", machine.limits});
  Json list = Json::array();
  for (const Condition& each : all) {
    Json since = now.rfc3339();
    for (const Json& old : before["conditions"].items())
      if (old["type"].text() == each.type && old["status"].text() == each.status)
        since = old["lastTransitionTime"];
    list.push_back(Json::object({{"type", each.type},
                                 {"status", each.status},
                                 {"reason", each.reason},
                                 {"message", each.message},
                                 {"lastHeartbeatTime", since},
                                 {"lastTransitionTime", since}}));
  }
  return list;
}

Result<void> write_node(core::World& world, const Machine& machine, const std::string& version) {
  core::ObjectRef node = world.reader.get(node_key(machine));
  if (node == nullptr) {
    Json labels = Json::object({{"kubernetes.io/hostname", machine.host_name},
                                {"kubernetes.io/os", "linux"},
                                {"kubernetes.io/arch", machine.architecture}});
    MK_TRY(node,
           world.writer.create(Json::object(
               {{"apiVersion", "v1"},
                {"kind", "Node"},
                {"metadata", Json::object({{"name", machine.host_name}, {"labels", std::move(labels)}})},
                {"spec", Json::object({{"providerID", "modelkit://" + machine.host_name}})}})));
  }
  Json json = node->json();
  Json status = node_status(machine, version, std::as_const(json)["status"], world.clock.now());
  if (status == std::as_const(json)["status"]) return {};
  json["status"] = std::move(status);
  auto written = world.writer.update_status(std::move(json));
  if (!written) return fail(std::move(written).error());
  return {};
}

Result<void> renew_lease(core::World& world, const Machine& machine) {
  const std::string now = world.clock.now().rfc3339_micro();
  const core::ObjectRef old =
      world.reader.get({"leases.coordination.k8s.io", std::string(kLeases), machine.host_name});
  if (old != nullptr) {
    Json lease = old->json();
    lease["spec"]["renewTime"] = now;
    lease["spec"]["holderIdentity"] = machine.host_name;
    auto written = world.writer.update(std::move(lease));
    if (!written) return fail(std::move(written).error());
    return {};
  }
  if (world.reader.get({"namespaces", "", std::string(kLeases)}) == nullptr) {
    auto made = world.writer.create(Json::object(
        {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", Json::object({{"name", kLeases}})}}));
    if (!made && made.error().code != Code::kAlreadyExists) return fail(std::move(made).error());
  }
  auto made = world.writer.create(
      Json::object({{"apiVersion", "coordination.k8s.io/v1"},
                    {"kind", "Lease"},
                    {"metadata", Json::object({{"name", machine.host_name}, {"namespace", kLeases}})},
                    {"spec", Json::object({{"holderIdentity", machine.host_name},
                                           {"leaseDurationSeconds", kLeaseSeconds},
                                           {"acquireTime", now},
                                           {"renewTime", now}})}}));
  if (!made && made.error().code != Code::kAlreadyExists) return fail(std::move(made).error());
  return {};
}

}  // namespace

store::Key node_key(const Machine& machine) {
  return {"nodes", "", machine.host_name};
}

Json node_status(const Machine& machine, const std::string& version, const Json& before, Time now) {
  const Json room = Json::object({{"cpu", fmt::format("{}", machine.cpus)},
                                  {"memory", fmt::format("{}Ki", machine.memory_kib)},
                                  {"ephemeral-storage", fmt::format("{}", machine.disk_bytes)},
                                  {"pods", fmt::format("{}", kPodsMax)}});
  const Json info = Json::object({{"kubeletVersion", "v1.37.0-modelkit-" + version},
                                  {"kubeProxyVersion", ""},
                                  {"osImage", machine.os_image},
                                  {"kernelVersion", machine.kernel},
                                  {"containerRuntimeVersion", "modelkit://" + version},
                                  {"operatingSystem", "linux"},
                                  {"architecture", machine.architecture},
                                  {"machineID", machine.machine_id},
                                  {"systemUUID", machine.machine_id},
                                  {"bootID", machine.boot_id}});
  Json status = before.is_object() ? before : Json::object();
  status["capacity"] = room;
  status["allocatable"] = room;
  status["conditions"] = conditions(machine, before, now);
  status["addresses"] = Json::array({Json::object({{"type", "InternalIP"}, {"address", "127.0.0.1"}}),
                                     Json::object({{"type", "Hostname"}, {"address", machine.host_name}})});
  status["nodeInfo"] = info;
  return status;
}

core::Controller registration(Machine machine, std::string version) {
  return {.name = "node",
          .resource = "nodes",
          .reconcile = [machine = std::move(machine), version = std::move(version)](
                           core::World& world, const store::Key& key) -> Result<core::Again> {
            if (key != node_key(machine)) return core::Again::never();
            MK_OK(write_node(world, machine, version));
            MK_OK(renew_lease(world, machine));
            return core::Again::in(kHeartbeat);
          }};
}

}  // namespace mk::node

#include "core/pod_rules.h"

#include <algorithm>
#include <set>

#include "base/format.h"
#include "base/quantity.h"
#include "core/names.h"
#include "core/refusal.h"

namespace mk::core::rules {
namespace {

using Causes = std::vector<Cause>;

// "repo/image:tag@sha256:..." -> does it say :latest, or no tag at all?
bool wants_latest(std::string_view image) {
  if (image.find('@') != std::string_view::npos) return false;
  const size_t slash = image.rfind('/');
  const size_t colon = image.find(':', slash == std::string_view::npos ? 0 : slash);
  return colon == std::string_view::npos || image.substr(colon + 1) == "latest";
}

void complete_container(Json& container) {
  if (!container.is_object()) return;
  if (!container.contains("imagePullPolicy") && container.contains("image"))
    container["imagePullPolicy"] =
        wants_latest(std::as_const(container)["image"].text()) ? "Always" : "IfNotPresent";
}

// What is limited is asked for.
void complete_container_requests(Json& container) {
  if (!container.is_object() || !std::as_const(container)["resources"].is_object()) return;
  Json& resources = container["resources"];
  const Json& requests = std::as_const(resources)["requests"];
  if (!requests.is_object() && !requests.is_null()) return;  // validation will say so
  const Json limits = std::as_const(resources)["limits"];
  for (const auto& [name, amount] : limits.members())
    if (!std::as_const(resources)["requests"].contains(name) && Quantity::parse(amount.text()))
      resources["requests"][name] = amount;
}

// Without a domain in front, only these are known; "gpu" is a frequent mistake.
bool is_standard_resource(std::string_view name) {
  return name == "cpu" || name == "memory" || name == "ephemeral-storage" || name.starts_with("hugepages-");
}

void check_amount(const std::string& name, const Json& amount, const std::string& path, Causes& causes) {
  const auto quantity = Quantity::parse(amount.text());
  if (!quantity) return;  // the schema said so already
  const bool extended = name.find('/') != std::string::npos;
  if (std::string why = names::qualified_name(name); !why.empty())
    causes.push_back(cause_invalid(path, name, why));
  else if (!extended && !is_standard_resource(name))
    causes.push_back(cause_invalid(path, name, "must be a standard resource type or fully qualified"));
  if (quantity->is_negative())
    causes.push_back(cause_invalid(path, amount, "must be greater than or equal to 0"));
  else if (extended && quantity->milli() % 1000 != 0)
    causes.push_back(cause_invalid(path, amount, "must be an integer"));
}

void check_request(const std::string& name, const Json& amount, const Json* limit, const std::string& path,
                   Causes& causes) {
  const bool extended = name.find('/') != std::string::npos;  // whole devices are never overcommitted
  if (!limit && extended)
    causes.push_back(cause_required(fmt::format("{}.limits[{}]", path, name),
                                    "Limit must be set for non overcommitable resources"));
  const auto wanted = Quantity::parse(amount.text());
  const auto most = limit ? Quantity::parse(limit->text()) : wanted;
  if (!wanted || !most || *wanted == *most) return;
  if (extended || *wanted > *most)
    causes.push_back(
        cause_invalid(path + ".requests", amount,
                      fmt::format("must be {} to {} limit of {}", extended ? "equal" : "less than or equal",
                                  name, limit->text())));
}

void check_resources(const Json& resources, const std::string& path, Causes& causes) {
  for (const char* part : {"limits", "requests"})
    for (const auto& [name, amount] : resources[part].members())
      check_amount(name, amount, fmt::format("{}.{}[{}]", path, part, name), causes);
  for (const auto& [name, amount] : resources["requests"].members())
    check_request(name, amount, resources["limits"].find(name), path, causes);
}

void check_probe(const Json& probe, const std::string& path, bool once, Causes& causes) {
  if (!probe.is_object()) return;
  size_t handlers = 0;
  for (const char* name : {"exec", "httpGet", "tcpSocket", "grpc"}) handlers += probe.contains(name);
  if (handlers == 0) causes.push_back(cause_required(path, "must specify a handler type"));
  if (handlers > 1) causes.push_back(cause_forbidden(path, "may not specify more than 1 handler type"));
  if (probe.contains("exec") && probe.at({"exec", "command"}).empty())
    causes.push_back(cause_required(path + ".exec.command"));
  if (once && probe["successThreshold"].integer(1) != 1)
    causes.push_back(cause_invalid(path + ".successThreshold", probe["successThreshold"], "must be 1"));
}

void check_env(const Json& env, const std::string& path, Causes& causes) {
  for (size_t i = 0; i < env.size(); ++i) {
    const Json& from = env[i]["valueFrom"];
    const std::string here = fmt::format("{}[{}].valueFrom", path, i);
    if (!from.is_object()) continue;
    if (!env[i]["value"].text().empty())
      causes.push_back(cause_invalid(here, "", "may not be specified when `value` is not empty"));
    if (from.size() != 1)
      causes.push_back(cause_invalid(
          here, from,
          from.empty()
              ? "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
              : "may not have more than one field specified at a time"));
  }
}

void check_mounts(const Json& container, const std::string& path, const std::set<std::string_view>& volumes,
                  Causes& causes) {
  const Json& mounts = container["volumeMounts"];
  for (size_t i = 0; i < mounts.size(); ++i) {
    const std::string here = fmt::format("{}.volumeMounts[{}]", path, i);
    if (!volumes.contains(mounts[i]["name"].text()))
      causes.push_back(
          {here + ".name", "FieldValueNotFound", fmt::format("Not found: {}", shown(mounts[i]["name"]))});
    const std::string_view sub = mounts[i]["subPath"].text();
    if (sub.starts_with("/"))
      causes.push_back(cause_invalid(here + ".subPath", sub, "must be a relative path"));
    if (sub == ".." || sub.starts_with("../") || sub.find("/../") != std::string_view::npos ||
        sub.ends_with("/.."))
      causes.push_back(cause_invalid(here + ".subPath", sub, "must not contain '..'"));
  }
}

void check_container(const Json& container, const std::string& path, bool init,
                     const std::set<std::string_view>& volumes, Causes& causes) {
  const Json& name = container["name"];
  if (std::string why = names::dns_1123_label(name.text()); !why.empty())
    causes.push_back(cause_invalid(path + ".name", name, why));
  const std::string_view image = container["image"].text();
  if (image.empty())
    causes.push_back(cause_required(path + ".image"));
  else if (image.front() == ' ' || image.back() == ' ')
    causes.push_back(cause_invalid(path + ".image", image, "must not have leading or trailing whitespace"));
  check_resources(container["resources"], path + ".resources", causes);
  check_env(container["env"], path + ".env", causes);
  check_mounts(container, path, volumes, causes);
  std::set<std::string_view> port_names;
  const Json& ports = container["ports"];
  for (size_t i = 0; i < ports.size(); ++i)
    if (const Json* port = ports[i].find("name"); port && !port_names.insert(port->text()).second)
      causes.push_back(cause_duplicate(fmt::format("{}.ports[{}].name", path, i), *port));
  if (init && container["restartPolicy"].text() != "Always") {
    for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"})
      if (container.contains(probe))
        causes.push_back(cause_forbidden(path + "." + probe,
                                         "may not be set for init containers without restartPolicy=Always"));
    return;
  }
  check_probe(container["livenessProbe"], path + ".livenessProbe", true, causes);
  check_probe(container["readinessProbe"], path + ".readinessProbe", false, causes);
  check_probe(container["startupProbe"], path + ".startupProbe", true, causes);
}

// In the order in which they are looked for: of several, the first one is right.
constexpr const char* kVolumeTypes[] = {"emptyDir",
                                        "hostPath",
                                        "gitRepo",
                                        "gcePersistentDisk",
                                        "awsElasticBlockStore",
                                        "secret",
                                        "nfs",
                                        "iscsi",
                                        "glusterfs",
                                        "flocker",
                                        "persistentVolumeClaim",
                                        "rbd",
                                        "cinder",
                                        "cephfs",
                                        "quobyte",
                                        "downwardAPI",
                                        "fc",
                                        "flexVolume",
                                        "configMap",
                                        "azureFile",
                                        "vsphereVolume",
                                        "photonPersistentDisk",
                                        "portworxVolume",
                                        "azureDisk",
                                        "storageos",
                                        "projected",
                                        "scaleIO",
                                        "csi",
                                        "ephemeral",
                                        "image"};

std::set<std::string_view> check_volumes(const Json& volumes, const std::string& path, Causes& causes) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < volumes.size(); ++i) {
    names.insert(volumes[i]["name"].text());
    const std::string here = fmt::format("{}.volumes[{}]", path, i);
    bool one = false;
    for (const char* type : kVolumeTypes) {
      if (!volumes[i].contains(type)) continue;
      if (one)
        causes.push_back(
            cause_forbidden(fmt::format("{}.{}", here, type), "may not specify more than 1 volume type"));
      one = true;
    }
    if (const Json* host = volumes[i].find("hostPath")) {
      const std::string_view folder = (*host)["path"].text();
      if (folder.find("..") != std::string_view::npos)
        causes.push_back(cause_invalid(here + ".hostPath.path", folder, "must not contain '..'"));
    }
  }
  return names;
}

// A Pod stays for some minutes on a node that is not heard of, unless it says otherwise.
void complete_tolerations(Json& spec) {
  constexpr int64_t kStaysSeconds = 300;
  const Json& list = std::as_const(spec)["tolerations"];
  if (!list.is_null() && !list.is_array()) return;  // validation will say so
  for (const char* taint : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    const auto covers = [&](const Json& toleration) {
      const std::string_view key = toleration["key"].text(), effect = toleration["effect"].text();
      return (key.empty() || key == taint) && (effect.empty() || effect == "NoExecute");
    };
    if (std::ranges::any_of(std::as_const(spec)["tolerations"].items(), covers)) continue;
    spec["tolerations"].push_back(Json::object({{"effect", "NoExecute"},
                                                {"key", taint},
                                                {"operator", "Exists"},
                                                {"tolerationSeconds", kStaysSeconds}}));
  }
}

}  // namespace

void complete_requests(Json& spec) {
  for (const char* list : {"containers", "initContainers"})
    if (std::as_const(spec)[list].is_array())
      for (Json& container : spec[list].items()) complete_container_requests(container);
}

void complete_pod_spec(Json& spec) {
  for (const char* list : {"containers", "initContainers"})
    if (std::as_const(spec)[list].is_array())
      for (Json& container : spec[list].items()) complete_container(container);
  // As upstream: less than no time is the least that ends a Pod with its processes.
  if (std::as_const(spec)["terminationGracePeriodSeconds"].integer() < 0)
    spec["terminationGracePeriodSeconds"] = 1;
  // The old name of the same field.
  if (spec.contains("serviceAccountName"))
    spec["serviceAccount"] = std::as_const(spec)["serviceAccountName"];
  else if (spec.contains("serviceAccount"))
    spec["serviceAccountName"] = std::as_const(spec)["serviceAccount"];
}

void complete_pod_alone(Json& pod, const Json* old) {
  Json& spec = pod["spec"];
  const Json none;
  const Json& before = old ? (*old)["spec"] : none;
  for (const char* field : {"priority", "preemptionPolicy"})
    if (!spec.contains(field) && before.contains(field)) spec[field] = before[field];
  if (!old || before.contains("tolerations")) complete_tolerations(spec);
  if (!spec.contains("enableServiceLinks") && (!old || before.contains("enableServiceLinks")))
    spec["enableServiceLinks"] = true;
  if (!old) pod["status"]["qosClass"] = qos_class(pod);
  const Json* qos = old ? (*old)["status"].find("qosClass") : nullptr;
  if (qos && std::as_const(pod)["status"].is_object() && !std::as_const(pod)["status"].contains("qosClass"))
    pod["status"]["qosClass"] = *qos;
}

std::string_view qos_class(const Json& pod) {
  bool any = false, guaranteed = true;
  for (std::string_view list : {"initContainers", "containers"}) {
    for (const Json& container : pod["spec"][list].items()) {
      const Json &limits = container.at({"resources", "limits"}),
                 &requests = container.at({"resources", "requests"});
      for (std::string_view name : {"cpu", "memory"}) {
        const Json &limit = limits[name], &request = requests[name];
        any = any || !limit.is_null() || !request.is_null();
        // A request that is left out equals the limit.
        if (limit.is_null() || (!request.is_null() && !(request == limit))) guaranteed = false;
      }
    }
  }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

void check_pod_spec(const Json& spec, const std::string& path, Causes& causes) {
  const auto volumes = check_volumes(spec["volumes"], path, causes);
  std::set<std::string_view> names;
  for (const char* list : {"initContainers", "containers"}) {
    const Json& containers = spec[list];
    for (size_t i = 0; i < containers.size(); ++i) {
      const std::string here = fmt::format("{}.{}[{}]", path, list, i);
      check_container(containers[i], here, std::string_view(list) == "initContainers", volumes, causes);
      if (!names.insert(containers[i]["name"].text()).second && std::string_view(list) == "containers" &&
          spec["initContainers"].size() > 0)
        for (const Json& init : spec["initContainers"].items())
          if (init["name"] == containers[i]["name"])
            causes.push_back(cause_duplicate(here + ".name", init["name"]));
    }
  }
  for (const auto& [key, value] : spec["nodeSelector"].members()) {
    if (std::string why = names::qualified_name(key); !why.empty())
      causes.push_back(cause_invalid(path + ".nodeSelector", key, why));
    if (std::string why = names::label_value(value.text()); !why.empty())
      causes.push_back(cause_invalid(path + ".nodeSelector", value, why));
  }
  if (spec["dnsPolicy"].text() == "None") {
    if (!spec["dnsConfig"].is_object())
      causes.push_back(
          cause_required(path + ".dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None"));
    else if (spec["dnsConfig"]["nameservers"].empty())
      causes.push_back(cause_required(path + ".dnsConfig.nameservers",
                                      "must provide at least one DNS nameserver when `dnsPolicy` is None"));
  }
  for (const char* name : {"hostname", "subdomain"})
    if (const Json* value = spec.find(name))
      if (std::string why = names::dns_1123_label(value->text()); !why.empty())
        causes.push_back(cause_invalid(path + "." + name, *value, why));
}

void check_pod_update(const Json& old, const Json& spec, Causes& causes) {
  Json before = old;
  Json after = spec;
  for (Json* side : {&before, &after}) {
    for (const char* list : {"containers", "initContainers"})
      if (std::as_const(*side)[list].is_array())
        for (Json& container : (*side)[list].items()) {
          container.erase("image");
          container.erase("imagePullPolicy");  // follows from the image's tag
        }
    for (const char* field :
         {"activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates"})
      side->erase(field);
  }
  // Binding: a Pod gets its node once.
  if (old["nodeName"].text().empty()) {
    before.erase("nodeName");
    after.erase("nodeName");
  }
  if (before == after) return;
  causes.push_back(
      cause_forbidden("spec",
                      "pod updates may not change fields other than `spec.containers[*].image`,"
                      "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
                      "additions to existing tolerations),`spec.terminationGracePeriodSeconds`"));
}

}  // namespace mk::core::rules

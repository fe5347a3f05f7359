#include "core/rules.h"

#include <algorithm>
#include <set>

#include "base/encoding.h"
#include "base/format.h"
#include "core/access/access_rules.h"
#include "core/definitions/definition.h"
#include "core/limits.h"
#include "core/names.h"
#include "core/pod_rules.h"
#include "core/refusal.h"
#include "core/service_rules.h"

namespace mk::core::rules {
namespace {

using Causes = std::vector<Cause>;

// ---- metadata
// -------------------------------------------------------------------------------------------------

void check_name(const kinds::Kind& kind, const Json& metadata, Causes& causes) {
  const std::string_view name = metadata["name"].text();
  if (name.empty()) {
    causes.push_back(cause_required("metadata.name", "name or generateName is required"));
    return;
  }
  // Names that become host names or labels must be labels.
  const bool label = kind.resource() == "namespaces" || kind.resource() == "services" ||
                     kind.resource() == "inferenceservices.serving.kserve.io";
  const std::string why = label                 ? names::dns_1123_label(name)
                          : has_path_name(kind) ? names::path_segment(name)
                                                : names::dns_1123_subdomain(name);
  if (!why.empty()) causes.push_back(cause_invalid("metadata.name", name, why));
}

void check_labels(const Json& labels, const std::string& path, Causes& causes) {
  for (const auto& [key, value] : labels.members()) {
    if (std::string why = names::qualified_name(key); !why.empty())
      causes.push_back(cause_invalid(path, key, why));
    if (std::string why = names::label_value(value.text()); !why.empty())
      causes.push_back(cause_invalid(path, value, why));
  }
}

void check_annotations(const Json& annotations, Causes& causes) {
  size_t bytes = 0;
  for (const auto& [key, value] : annotations.members()) {
    bytes += key.size() + value.text().size();
    std::string lower = key;
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (std::string why = names::qualified_name(lower); !why.empty())
      causes.push_back(cause_invalid("metadata.annotations", key, why));
  }
  if (bytes > limits::kAnnotationsBytesMax)
    causes.push_back(cause_too_long("metadata.annotations", limits::kAnnotationsBytesMax));
}

void check_owners(const Json& owners, Causes& causes) {
  std::string_view controller;
  for (size_t i = 0; i < owners.size(); ++i) {
    const Json& owner = owners[i];
    for (const char* field : {"apiVersion", "kind", "name", "uid"})
      if (owner[field].text().empty())
        causes.push_back(cause_invalid(fmt::format("metadata.ownerReferences.{}", field), "",
                                       field[0] == 'a' ? "version must not be empty" : "must not be empty"));
    if (!owner["controller"].boolean()) continue;
    if (!controller.empty())
      causes.push_back(
          cause_invalid("metadata.ownerReferences", owners,
                        fmt::format("Only one reference can have Controller set to true. Found \"true\" in "
                                    "references for {} and {}",
                                    controller, owner["name"].text())));
    controller = owner["name"].text();
  }
}

// Finalizers of Kubernetes' own kinds have a domain, but for these.
constexpr std::string_view kPlainFinalizers[] = {"kubernetes", "orphan", "foregroundDeletion"};

void check_finalizers(const kinds::Kind& kind, const Json& metadata, Causes& causes) {
  const Json& now = metadata["finalizers"];
  const bool with_domain = kind.is_typed() && kind.group != "apiextensions.k8s.io";
  for (size_t i = 0; i < now.size(); ++i) {
    const std::string_view name = now[i].text();
    if (std::string why = names::qualified_name(name); !why.empty())
      causes.push_back(cause_invalid(fmt::format("metadata.finalizers[{}]", i), name, why));
    else if (with_domain && name.find('/') == std::string_view::npos &&
             std::ranges::find(kPlainFinalizers, name) == std::end(kPlainFinalizers))
      causes.push_back(cause_invalid(fmt::format("metadata.finalizers[{}]", i), name,
                                     "name is neither a standard finalizer name nor is it fully qualified"));
  }
}

void check_new_finalizers(const Json& metadata, const Json* old, Causes& causes) {
  const Json& now = metadata["finalizers"];
  if (!old || (*old).at({"metadata", "deletionTimestamp"}).is_null()) return;
  const auto& before = (*old).at({"metadata", "finalizers"}).items();
  std::set<std::string> added;
  for (const Json& name : now.items())
    if (std::ranges::find(before, name) == before.end()) added.insert(name.dump());
  if (added.empty()) return;
  std::string list;
  for (const std::string& name : added) list += fmt::format("{}{}", list.empty() ? "" : ", ", name);
  causes.push_back(
      cause_forbidden("metadata.finalizers",
                      fmt::format("no new finalizers can be added if the object is being deleted, found "
                                  "new finalizers []string{{{}}}",
                                  list)));
}

// ---- kinds
// ----------------------------------------------------------------------------------------------------

// stringData is how people write a Secret; data is how it is kept.
void complete_secret(Json& secret, const Json*) {
  const Json given = std::as_const(secret)["stringData"];
  const Json& data = std::as_const(secret)["data"];
  if (!data.is_object() && !data.is_null()) return;  // validation will say so
  for (const auto& [key, value] : given.members())
    if (value.is_string()) secret["data"][key] = base64_encode(value.text());
  secret.erase("stringData");
}

void begin_namespace(Json& object) {
  object["spec"] = Json::object({{"finalizers", Json::array({"kubernetes"})}});
  object["status"] = Json::object({{"phase", "Active"}});
}

void complete_namespace(Json& object, const Json*) {
  Json& labels = object["metadata"]["labels"];
  if (labels.is_object() || labels.is_null())
    labels["kubernetes.io/metadata.name"] = object.at({"metadata", "name"});
}

void begin_pod(Json& object) {
  object["status"] = Json::object({{"phase", "Pending"}});
}

void check_config(const Json& object, const Json* old, Causes& causes) {
  size_t bytes = 0;
  for (const char* part : {"data", "binaryData"}) {
    for (const auto& [key, value] : object[part].members()) {
      bytes += value.text().size();
      if (std::string why = names::config_key(key); !why.empty())
        causes.push_back(cause_invalid(fmt::format("{}[{}]", part, key), key, why));
    }
  }
  for (const auto& [key, value] : object["binaryData"].members())
    if (object["data"].contains(key))
      causes.push_back(
          cause_invalid(fmt::format("data[{}]", key), key, "duplicate of key present in binaryData"));
  if (bytes > 1 << 20) causes.push_back(cause_too_long("data", 1 << 20));
  if (!old || !(*old)["immutable"].boolean()) return;
  if (!object["immutable"].boolean())
    causes.push_back(cause_forbidden("immutable", "field is immutable when `immutable` is set"));
  for (const char* part : {"data", "binaryData"})
    if (object[part] != (*old)[part])
      causes.push_back(cause_forbidden(part, "field is immutable when `immutable` is set"));
}

// What a Secret of a type must hold.
struct SecretType {
  std::string_view type;
  std::string_view keys[2];
  bool one_is_enough = false;
};
constexpr SecretType kSecretTypes[] = {
    {"kubernetes.io/dockercfg", {".dockercfg"}},
    {"kubernetes.io/dockerconfigjson", {".dockerconfigjson"}},
    {"kubernetes.io/basic-auth", {"username", "password"}, true},
    {"kubernetes.io/ssh-auth", {"ssh-privatekey"}},
    {"kubernetes.io/tls", {"tls.crt", "tls.key"}},
};

void check_secret(const Json& secret, const Json* old, Causes& causes) {
  check_config(secret, old, causes);
  const Json& data = secret["data"];
  const auto* type = std::ranges::find(kSecretTypes, secret["type"].text(), &SecretType::type);
  if (type != std::end(kSecretTypes)) {
    const auto has = [&](std::string_view key) { return data.contains(key); };
    if (type->one_is_enough && std::ranges::any_of(type->keys, has)) return;
    for (const std::string_view key : type->keys)
      if (!key.empty() && !has(key)) causes.push_back(cause_required(fmt::format("data[{}]", key)));
  }
  constexpr std::string_view kAccount = "kubernetes.io/service-account.name";
  if (secret["type"].text() == "kubernetes.io/service-account-token" &&
      secret.at({"metadata", "annotations", kAccount}).text().empty())
    causes.push_back(cause_required(fmt::format("metadata.annotations[{}]", kAccount)));
}

void check_template_labels(const Json& object, Causes& causes) {
  const Json& selector = object.at({"spec", "selector"});
  if (selector.is_object() && selector["matchLabels"].empty() && selector["matchExpressions"].empty()) {
    causes.push_back(cause_invalid("spec.selector", selector, "empty selector is invalid for deployment"));
    return;
  }
  const Json& labels = object.at({"spec", "template", "metadata", "labels"});
  // No selector at all matches nothing.
  const auto differs = [&](const auto& member) { return !(labels[member.first] == member.second); };
  if (!selector.is_object() || std::ranges::any_of(selector["matchLabels"].members(), differs))
    causes.push_back(cause_invalid("spec.template.metadata.labels", labels,
                                   "`selector` does not match template `labels`"));
}

void complete_workload(Json& object, const Json*) {
  if (object.at({"spec", "template", "spec"}).is_object())
    complete_pod_spec(object["spec"]["template"]["spec"]);
  // The strategy's numbers have defaults only when the strategy is to roll.
  if (object.at({"spec", "strategy", "type"}).text() == "RollingUpdate") {
    Json& rolling = object["spec"]["strategy"]["rollingUpdate"];
    if (!rolling.is_object()) rolling = Json::object();
    for (const char* field : {"maxSurge", "maxUnavailable"})
      if (!rolling.contains(field)) rolling[field] = "25%";
  }
}

// A strategy as Kubernetes shows it in this one sentence: in the names of its Go type, and in their order.
std::string go_strategy(const Json& strategy) {
  const Json& rolling = strategy["rollingUpdate"];
  const std::string update =
      rolling.is_object()
          ? fmt::format(R"({{"MaxUnavailable":{},"MaxSurge":{}}})",
                        rolling.contains("maxUnavailable") ? rolling["maxUnavailable"].dump() : "0",
                        rolling.contains("maxSurge") ? rolling["maxSurge"].dump() : "0")
          : "null";
  return fmt::format(R"({{"Type":{},"RollingUpdate":{}}})", strategy["type"].dump(), update);
}

void check_workload(const Json& object, const Json*, Causes& causes) {
  check_template_labels(object, causes);
  const Json& spec = object["spec"];
  check_labels(spec.at({"template", "metadata", "labels"}), "spec.template.metadata.labels", causes);
  const Json& pod = spec.at({"template", "spec"});
  if (!pod.is_object()) {
    if (object["kind"].text() == "Deployment")
      causes.push_back(cause_required("spec.template.spec.containers"));
    return;
  }
  check_pod_spec(pod, "spec.template.spec", causes);
  if (pod["restartPolicy"].text("Always") != "Always")
    causes.push_back(cause_unsupported("spec.template.spec.restartPolicy", pod["restartPolicy"], {"Always"}));
  const Json& strategy = spec["strategy"];
  if (const std::string_view type = strategy["type"].text("RollingUpdate");
      object["kind"].text() == "Deployment" && type != "Recreate" && type != "RollingUpdate")
    causes.push_back({"spec.strategy", "FieldValueNotSupported",
                      fmt::format(R"(Unsupported value: {}: supported values: "Recreate", "RollingUpdate")",
                                  go_strategy(strategy))});
  if (strategy["type"].text() == "Recreate" && strategy.contains("rollingUpdate"))
    causes.push_back(cause_forbidden("spec.strategy.rollingUpdate",
                                     "may not be specified when strategy `type` is 'Recreate'"));
  const auto zero = [](const Json& value) {
    return value.is_int() ? value.integer() == 0 : value.text() == "0%";
  };
  const Json& rolling = strategy["rollingUpdate"];
  if (rolling.is_object() && zero(rolling["maxSurge"]) && zero(rolling["maxUnavailable"]))
    causes.push_back(cause_invalid("spec.strategy.rollingUpdate.maxUnavailable", rolling["maxUnavailable"],
                                   "may not be 0 when `maxSurge` is 0"));
}

void complete_pod(Json& pod, const Json* old) {
  if (!std::as_const(pod)["spec"].is_object()) return;
  complete_pod_spec(pod["spec"]);
  complete_requests(pod["spec"]);
  complete_pod_alone(pod, old);
}

void check_pod(const Json& pod, const Json* old, Causes& causes) {
  check_pod_spec(pod["spec"], "spec", causes);
  if (old) check_pod_update((*old)["spec"], pod["spec"], causes);
}

void begin_service(Json& object) {
  object["status"] = Json::object({{"loadBalancer", Json::object()}});
}

void check_service(const Json& service, const Json* old, Causes& causes) {
  check_service_addresses(service, old, causes);
  const Json& spec = service["spec"];
  const auto& ports = spec["ports"].items();
  if (ports.empty() && spec["type"].text() != "ExternalName" && spec["clusterIP"].text() != "None")
    causes.push_back(cause_required("spec.ports"));
  if (spec["type"].text() == "ExternalName" && spec["externalName"].text().empty())
    causes.push_back(cause_required("spec.externalName"));
  std::set<std::string_view> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const std::string_view name = ports[i]["name"].text();
    if (name.empty() && ports.size() > 1)
      causes.push_back(cause_required(fmt::format("spec.ports[{}].name", i)));
    if (!name.empty() && !names.insert(name).second)
      causes.push_back(cause_duplicate(fmt::format("spec.ports[{}].name", i), name));
  }
}

constexpr std::string_view kFrameworks[] = {"model",       "sklearn", "xgboost", "lightgbm",
                                            "tensorflow",  "pytorch", "triton",  "onnx",
                                            "huggingface", "pmml",    "paddle"};

void check_component(const Json& component, const std::string& path, bool needs_model, Causes& causes) {
  if (!component.is_object()) return;
  std::string given;
  size_t count = 0;
  for (std::string_view name : kFrameworks) {
    if (!component.contains(name)) continue;
    ++count;
    given += fmt::format("{}{}", given.empty() ? "" : ", ", name);
  }
  if (count > 1)
    causes.push_back(
        cause_invalid(path, given, "exactly one of model and the framework blocks may be given"));
  if (needs_model && count == 0 && component["containers"].empty() && !component.contains("workerSpec"))
    causes.push_back(cause_required(path, "one of model or containers is needed"));
  const Json* most = component.find("maxReplicas");
  if (most && most->integer() != 0 && most->integer() < component["minReplicas"].integer())
    causes.push_back(
        cause_invalid(path + ".maxReplicas", *most, "must be greater than or equal to minReplicas"));
  if (!component["containers"].empty()) check_pod_spec(component, path, causes);
}

void complete_inference_service(Json& object, const Json*) {
  if (!std::as_const(object)["spec"].is_object()) return;
  for (auto& [name, component] : object["spec"].members()) {
    const Json& containers = std::as_const(component)["containers"];
    if (containers.size() == 1 && containers[0].is_object() && containers[0]["name"].text().empty())
      component["containers"][0]["name"] = "kserve-container";
  }
}

void check_inference_service(const Json& object, const Json*, Causes& causes) {
  const Json& spec = object["spec"];
  check_component(spec["predictor"], "spec.predictor", true, causes);
  check_component(spec["transformer"], "spec.transformer", false, causes);
  check_component(spec["explainer"], "spec.explainer", false, causes);
  for (std::string_view name : kFrameworks) {
    const std::string_view uri = spec["predictor"][name]["storageUri"].text();
    if (!uri.empty() && uri.find(":/") == std::string_view::npos)
      causes.push_back(
          cause_invalid(fmt::format("spec.predictor.{}.storageUri", name), uri,
                        "must be a URI like models:/NAME/VERSION, runs:/RUN/PATH or file:///PATH"));
  }
}

void check_image(const Json& object, const Json*, Causes& causes) {
  const Json& spec = object["spec"];
  if (spec.contains("path") == spec.contains("environment"))
    causes.push_back(cause_required("spec", "exactly one of path and environment is needed"));
}

// What runs to an end: a Job's spec, wherever it stands.
void complete_job_spec(Json& spec) {
  if (!spec.is_object()) return;
  if (std::as_const(spec).at({"template", "spec"}).is_object()) complete_pod_spec(spec["template"]["spec"]);
}

// Only a Job of its own has these defaults, not the template of one in a CronJob.
void complete_job_alone(Json& spec) {
  if (!spec.contains("completions") && !spec.contains("parallelism")) spec["completions"] = 1;
  const std::pair<const char*, Json> defaults[] = {
      {"parallelism", 1},
      {"backoffLimit", spec.contains("backoffLimitPerIndex") ? INT32_MAX : 6},
      {"completionMode", "NonIndexed"},
      {"suspend", false},
      {"manualSelector", false},
      {"podReplacementPolicy", spec.contains("podFailurePolicy") ? "Failed" : "TerminatingOrFailed"}};
  for (const auto& [field, value] : defaults)
    if (!spec.contains(field)) spec[field] = value;
}

void check_job_spec(const Json& spec, const std::string& path, Causes& causes) {
  const Json& pod = spec.at({"template", "spec"});
  if (!pod.is_object()) return causes.push_back(cause_required(path + ".template.spec.containers"));
  check_pod_spec(pod, path + ".template.spec", causes);
  const std::string_view policy = pod["restartPolicy"].text();
  if (policy != "OnFailure" && policy != "Never")
    causes.push_back(cause_unsupported(path + ".template.spec.restartPolicy", pod["restartPolicy"],
                                       {"OnFailure", "Never"}));
  if (spec["completionMode"].text() == "Indexed" && !spec.contains("completions"))
    causes.push_back(cause_required(path + ".completions", "when completion mode is Indexed"));
}

void complete_job(Json& object, const Json*) {
  complete_job_spec(object["spec"]);
  if (std::as_const(object)["spec"].is_object()) complete_job_alone(object["spec"]);
}
void check_job(const Json& object, const Json* old, Causes& causes) {
  const Json& spec = object["spec"];
  check_job_spec(spec, "spec", causes);
  const bool manual = spec["manualSelector"].boolean();
  if (!old && !manual && spec["selector"].is_object())
    causes.push_back(cause_invalid("spec.selector", spec["selector"], "`selector` not auto-generated"));
  if (!old && manual && !spec["selector"].is_object()) causes.push_back(cause_required("spec.selector"));
}
void complete_cron_job(Json& object, const Json*) {
  if (std::as_const(object).at({"spec", "jobTemplate"}).is_object())
    complete_job_spec(object["spec"]["jobTemplate"]["spec"]);
}
void check_cron_job(const Json& object, const Json*, Causes& causes) {
  check_job_spec(object.at({"spec", "jobTemplate", "spec"}), "spec.jobTemplate.spec", causes);
}

void check_disruption_budget(const Json& object, const Json*, Causes& causes) {
  if (object["spec"].contains("minAvailable") && object["spec"].contains("maxUnavailable"))
    causes.push_back(cause_invalid("spec", "", "minAvailable and maxUnavailable cannot be both set"));
}

// What nothing acts on yet must not look as if it ran.
void warn_not_run(const Json& object, std::vector<std::string>& warnings) {
  warnings.push_back(
      fmt::format("a {} is kept but not run by this version of modelkit; a Deployment or a Pod is",
                  object["kind"].text()));
}

// The former ReplicaSet: its selector is a plain map, by default the labels of its template.
void complete_controller(Json& object, const Json*) {
  if (!std::as_const(object)["spec"].is_object()) return;
  Json& spec = object["spec"];
  if (std::as_const(spec).at({"template", "spec"}).is_object()) complete_pod_spec(spec["template"]["spec"]);
  const Json labels = std::as_const(spec).at({"template", "metadata", "labels"});
  if (std::as_const(spec)["selector"].empty() && !labels.empty()) spec["selector"] = labels;
  if (object.at({"metadata", "labels"}).empty() && !labels.empty()) object["metadata"]["labels"] = labels;
}

void check_controller(const Json& object, const Json*, Causes& causes) {
  const Json& spec = object["spec"];
  if (spec["selector"].empty()) causes.push_back(cause_required("spec.selector"));
  const Json& labels = spec.at({"template", "metadata", "labels"});
  for (const auto& [key, value] : spec["selector"].members())
    if (labels[key] != value)
      return causes.push_back(cause_invalid("spec.template.metadata.labels", labels,
                                            "`selector` does not match template `labels`"));
  if (!spec.at({"template", "spec"}).is_object()) return causes.push_back(cause_required("spec.template"));
  check_pod_spec(spec.at({"template", "spec"}), "spec.template.spec", causes);
}

// Without a metric, processor time is meant.
void complete_autoscaler(Json& object, const Json*) {
  if (!std::as_const(object)["spec"].is_object() || !std::as_const(object).at({"spec", "metrics"}).empty())
    return;
  object["spec"]["metrics"] = Json::array({Json::object(
      {{"type", "Resource"},
       {"resource",
        Json::object({{"name", "cpu"},
                      {"target", Json::object({{"type", "Utilization"}, {"averageUtilization", 80}})}})}})});
}

void check_autoscaler(const Json& object, const Json*, Causes& causes) {
  const Json& spec = object["spec"];
  if (spec["maxReplicas"].integer() < spec["minReplicas"].integer(1))
    causes.push_back(cause_invalid("spec.maxReplicas", spec["maxReplicas"],
                                   "must be greater than or equal to `minReplicas`"));
}

// What newer clients write and older ones do not, so that both find it.
void complete_event(Json& event, const Json*) {
  if (!event.contains("eventTime")) event["eventTime"] = Json();
  for (const char* field : {"reportingComponent", "reportingInstance"})
    if (!event.contains(field)) event[field] = "";
}

// An Event is where what it is about is; what is in no namespace has its Events in "default".
void check_event(const Json& event, const Json*, Causes& causes) {
  const std::string_view space = event.at({"metadata", "namespace"}).text();
  const Json& subject = event.at({"involvedObject", "namespace"});
  if (subject.text() != space && !(subject.text().empty() && space == "default"))
    causes.push_back(
        cause_invalid("involvedObject.namespace", subject.text(), "does not match event.namespace"));
}

// As Go writes it: a map without entries is none.
void complete_config(Json& object, const Json*) {
  for (const char* field : {"data", "binaryData"})
    if (const Json* map = std::as_const(object).find(field); map && map->is_object() && map->empty())
      object.erase(field);
}

struct Row {
  std::string_view resource;
  void (*begin)(Json& object);
  void (*complete)(Json& object, const Json* old);
  void (*check)(const Json& object, const Json* old, Causes& causes);
  void (*warn)(const Json& object, std::vector<std::string>& warnings) = nullptr;
};
constexpr Row kRows[] = {
    {"namespaces", begin_namespace, complete_namespace, nullptr},
    {"configmaps", nullptr, complete_config, check_config},
    {"events", nullptr, complete_event, check_event},
    {"secrets", nullptr, complete_secret, check_secret},
    {"pods", begin_pod, complete_pod, check_pod},
    {"services", begin_service, complete_service, check_service},
    {"deployments.apps", nullptr, complete_workload, check_workload},
    {"replicasets.apps", nullptr, complete_workload, check_workload},
    {"replicationcontrollers", nullptr, complete_controller, check_controller, warn_not_run},
    {"horizontalpodautoscalers.autoscaling", nullptr, complete_autoscaler, check_autoscaler, warn_not_run},
    {"statefulsets.apps", nullptr, complete_workload, check_workload, warn_not_run},
    {"daemonsets.apps", nullptr, complete_workload, check_workload, warn_not_run},
    {"jobs.batch", nullptr, complete_job, check_job, warn_not_run},
    {"cronjobs.batch", nullptr, complete_cron_job, check_cron_job, warn_not_run},
    {"poddisruptionbudgets.policy", nullptr, nullptr, check_disruption_budget},
    {"inferenceservices.serving.kserve.io", nullptr, complete_inference_service, check_inference_service},
    {"images.modelkit.dev", nullptr, nullptr, check_image},
    {definitions::kResource, nullptr, definitions::complete, definitions::check, definitions::warn},
    {"users.modelkit.dev", nullptr, nullptr, check_user},
    {"tokens.modelkit.dev", nullptr, nullptr, check_token},
    {"roles.rbac.authorization.k8s.io", nullptr, nullptr, check_role},
    {"clusterroles.rbac.authorization.k8s.io", nullptr, nullptr, check_role},
    {"rolebindings.rbac.authorization.k8s.io", nullptr, complete_role_binding, check_role_binding},
    {"clusterrolebindings.rbac.authorization.k8s.io", nullptr, complete_role_binding, check_role_binding},
};

const Row* row_of(const kinds::Kind& kind) {
  const auto* row = std::ranges::find(kRows, kind.resource(), &Row::resource);
  return row == std::end(kRows) ? nullptr : row;
}

}  // namespace

// Kinds of which an update checks the whole object as if it was new.
constexpr std::string_view kCheckedWhole[] = {"configmaps", "secrets", "serviceaccounts", "services", "pods"};

void check_metadata(const kinds::Kind& kind, const Json& object, const Json* old, Causes& causes) {
  const Json& metadata = object["metadata"];
  const size_t before = causes.size();
  const auto marks = [&] {
    check_labels(metadata["labels"], "metadata.labels", causes);
    check_annotations(metadata["annotations"], causes);
    check_owners(metadata["ownerReferences"], causes);
  };
  const auto whole = [&] {
    check_name(kind, metadata, causes);
    marks();
    check_finalizers(kind, metadata, causes);
  };
  whole();
  if (!old) return;
  // Upstream checks an update twice, and again for most kinds; clients see each cause as often as it was
  // found. What was right once is right again.
  const bool wrong = causes.size() != before;
  if (wrong) marks();
  check_new_finalizers(metadata, old, causes);
  if (!kind.is_typed()) return;
  if (wrong) marks();
  check_new_finalizers(metadata, old, causes);
  if (wrong && std::ranges::find(kCheckedWhole, kind.resource()) != std::end(kCheckedWhole)) whole();
}

void begin(const kinds::Kind& kind, Json& object) {
  if (const Row* row = row_of(kind); row && row->begin) row->begin(object);
}
void complete(const kinds::Kind& kind, Json& object, const Json* old) {
  if (const Row* row = row_of(kind); row && row->complete) row->complete(object, old);
}
void check(const kinds::Kind& kind, const Json& object, const Json* old, Causes& causes) {
  if (const Row* row = row_of(kind); row && row->check) row->check(object, old, causes);
}
void warn(const kinds::Kind& kind, const Json& object, bool dry_run, std::vector<std::string>& warnings) {
  const Row* row = row_of(kind);
  if (row && row->warn && !(dry_run && row->warn == warn_not_run)) row->warn(object, warnings);
}

}  // namespace mk::core::rules

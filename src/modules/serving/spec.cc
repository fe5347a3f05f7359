#include "modules/serving/spec.h"

#include <algorithm>

#include "base/digest.h"
#include "base/format.h"
#include "base/quantity.h"
#include "modules/serving/limits.h"

namespace mk::serving {
namespace {

// Formats that the built-in model server reads; MLflow's pyfunc covers what has a Python flavour.
constexpr std::string_view kFormats[] = {"onnx", "mlflow", "sklearn", "pyfunc"};
constexpr int kModelServerPort = 8080;

// Predictor fields that change how much of a revision runs, not what it is.
constexpr std::string_view kNotPartOfRevision[] = {"canaryTrafficPercent", "minReplicas", "maxReplicas", "scaleTarget",
                                                   "scaleMetric", "scaleMetricType"};

Json owner_reference(const Json& service) {
  return Json::object({{"apiVersion", service["apiVersion"]},
                       {"kind", service["kind"]},
                       {"name", service.at({"metadata", "name"})},
                       {"uid", service.at({"metadata", "uid"})},
                       {"controller", true},
                       {"blockOwnerDeletion", true}});
}

// The variable by which MLServer is told how many Python processes a model may have; our model server knows it, too.
constexpr std::string_view kWorkersVariable = "MLSERVER_PARALLEL_WORKERS";
constexpr int64_t kWorkersMax = 64;
// The variable by which our model server is told how many threads a run of ONNX Runtime may have.
constexpr std::string_view kThreadsVariable = "MODELKIT_THREADS";
constexpr int64_t kThreadsMax = 4;

bool has_variable(const Json& container, std::string_view name) {
  const auto& variables = container["env"].items();
  return std::any_of(variables.begin(), variables.end(), [&](const Json& v) { return v["name"].text() == name; });
}

// A model that may use two processors gets two Python processes, or two threads, unless it says itself how many.
void limit_parallelism(Json& container) {
  const Json& limit = container.at({"resources", "limits", "cpu"});
  const auto processors = Quantity::parse(limit.is_string() ? std::string(limit.text()) : limit.dump());
  if (limit.is_null() || !processors) return;
  const auto set = [&](std::string_view name, int64_t count) {
    if (!has_variable(container, name))
      container["env"].push_back(Json::object({{"name", name}, {"value", fmt::format("{}", count)}}));
  };
  set(kWorkersVariable, std::clamp<int64_t>(processors->value(), 1, kWorkersMax));
  // Rounded down: threads that wait awake would use up a part of a processor before they have computed anything.
  set(kThreadsVariable, std::clamp<int64_t>(processors->milli() / 1000, 1, kThreadsMax));
}

Json model_container(const Json& service, const Backing& backing) {
  const Json& model = service.at({"spec", "predictor", "model"});
  Json arguments = Json::array({"--name", service.at({"metadata", "name"}), "--folder", "$(MODELKIT_MODEL_DIR)"});
  if (!backing.environment.empty()) {
    arguments.push_back("--environment");
    arguments.push_back(backing.environment);
  }
  for (const Json& extra : model["args"].items()) arguments.push_back(extra);
  Json container = Json::object({
      {"name", "kserve-container"},
      {"image", "modelkit/model-server"},
      {"args", std::move(arguments)},
      {"ports", Json::array({Json::object({{"containerPort", kModelServerPort}, {"name", "http1"}, {"protocol", "TCP"}})})},
      {"terminationMessagePolicy", "FallbackToLogsOnError"},
      {"readinessProbe", Json::object({{"httpGet", Json::object({{"path", "/v2/health/ready"}, {"port", kModelServerPort}})},
                                       {"periodSeconds", 1},
                                       {"failureThreshold", 3}})},
      {"volumeMounts", Json::array({Json::object({{"name", "model"}, {"mountPath", "/mnt/models"}, {"readOnly", true}})})},
  });
  for (std::string_view field : {"env", "resources", "livenessProbe"})
    if (const Json* value = model.find(field)) container[field] = *value;
  limit_parallelism(container);
  if (!backing.engines.empty())
    container["env"].push_back(Json::object({{"name", "MODELKIT_ONNXRUNTIME"}, {"value", backing.engines}}));
  return container;
}

Json pod_spec(const Json& service, const Backing& backing) {
  const Json& predictor = service.at({"spec", "predictor"});
  Json spec = Json::object();
  // Fields of PodSpec that a predictor may carry beside its model.
  for (std::string_view field : {"nodeSelector", "tolerations", "serviceAccountName", "volumes", "runtimeClassName",
                                 "containers", "terminationGracePeriodSeconds", "affinity"})
    if (const Json* value = predictor.find(field)) spec[field] = *value;
  if (predictor.contains("model")) {
    spec["automountServiceAccountToken"] = false;  // a model server asks the control plane for nothing
    spec["containers"] = Json::array({model_container(service, backing)});
    spec["volumes"].push_back(Json::object(
        {{"name", "model"},
         {"csi", Json::object({{"driver", "model.modelkit.dev"},
                               {"readOnly", true},
                               {"volumeAttributes", Json::object({{"folder", backing.model.folder}})}})}}));
  }
  return spec;
}

}  // namespace

std::string_view model_uri(const Json& service) {
  return service.at({"spec", "predictor", "model", "storageUri"}).text();
}

Result<Wanted> read_wanted(const Json& service) {
  const Json& predictor = service.at({"spec", "predictor"});
  Wanted wanted;
  wanted.name = service.at({"metadata", "name"}).text();
  wanted.stopped = service["metadata"].contains("deletionTimestamp") ||
                   service.at({"metadata", "annotations", "serving.kserve.io/stop"}).text() == "true";
  if (const Json* model = predictor.find("model")) {
    const std::string_view format = model->at({"modelFormat", "name"}).text();
    if (std::find(std::begin(kFormats), std::end(kFormats), format) == std::end(kFormats))
      return fail(Error{Code::kInvalidArgument, "NoSupportingRuntime",
                        fmt::format("no runtime here reads the model format \"{}\"", format)}
                      .with_hint("use onnx, sklearn, mlflow or pyfunc, or bring predictor.containers")
                      .at_field("spec.predictor.model.modelFormat.name"));
    if (model_uri(service).empty())
      return fail(Error{Code::kInvalidArgument, "InvalidPredictorSpec", "predictor.model has no storageUri"}
                      .with_hint("name a model, e.g. models:/wine@champion")
                      .at_field("spec.predictor.model.storageUri"));
  } else if (predictor["containers"].empty()) {
    return fail(Error{Code::kInvalidArgument, "InvalidPredictorSpec",
                      "the predictor has neither a model nor containers"}
                    .with_hint("give spec.predictor.model or spec.predictor.containers")
                    .at_field("spec.predictor"));
  }
  wanted.replicas = static_cast<int>(std::clamp<int64_t>(predictor["minReplicas"].integer(1), 0, kReplicasMax));
  if (const Json* percent = predictor.find("canaryTrafficPercent"); percent && percent->is_int())
    wanted.canary_percent = static_cast<int>(std::clamp<int64_t>(percent->integer(), 0, 100));
  Json revision = predictor;
  for (std::string_view field : kNotPartOfRevision) revision.erase(field);
  wanted.predictor_hash = sha256_hex(revision.dump()).substr(0, 16);
  return wanted;
}

Json deployment_for(const Json& service, const Wanted& wanted, int number, const Backing& backing) {
  const std::string name = revision_name(wanted.name, number);
  const Json labels = Json::object({{std::string(kServiceLabel), wanted.name},
                                    {std::string(kRevisionLabel), name},
                                    {"component", "predictor"},
                                    {"app", name}});
  Json annotations = Json::object({{std::string(kHashAnnotation), wanted.predictor_hash},
                                   {std::string(kPredictorAnnotation), service.at({"spec", "predictor"}).dump()}});
  if (!backing.model.name.empty())
    annotations[kModelAnnotation] = fmt::format("{}/{}", backing.model.name, backing.model.version);
  return Json::object({
      {"apiVersion", "apps/v1"},
      {"kind", "Deployment"},
      {"metadata", Json::object({{"name", name},
                                 {"namespace", service.at({"metadata", "namespace"})},
                                 {"labels", labels},
                                 {"annotations", std::move(annotations)},
                                 {"ownerReferences", Json::array({owner_reference(service)})}})},
      {"spec", Json::object({{"replicas", wanted.replicas},
                             {"selector", Json::object({{"matchLabels", Json::object({{std::string(kRevisionLabel), name}})}})},
                             {"template", Json::object({{"metadata", Json::object({{"labels", labels}})},
                                                        {"spec", pod_spec(service, backing)}})}})},
  });
}

}  // namespace mk::serving

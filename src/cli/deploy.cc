// modelkit deploy MODEL_URI --name NAME: an InferenceService for a model, in one line.
#include "base/encoding.h"
#include "base/format.h"
#include "base/yaml.h"
#include "cli/connection.h"
#include "cli/verbs.h"
#include "cli/waiting.h"

namespace mk::cli {
namespace {

// An alias is followed now and written down as a version, so that what is deployed does not change behind the
// owner's back when the alias moves: "models:/wine@champion" -> "models:/wine/2".
Result<std::string> pin(const Connection& connection, const std::string& uri) {
  static constexpr std::string_view kScheme = "models:/";
  const size_t at = uri.find('@');
  if (!uri.starts_with(kScheme) || at == std::string::npos) return uri;
  const std::string model = uri.substr(kScheme.size(), at - kScheme.size());
  MK_TRY(const Json found, connection.json(net::Method::kGet,
                                           fmt::format("/api/2.0/mlflow/registered-models/alias?name={}&alias={}", percent_encode(model),
                                                       percent_encode(uri.substr(at + 1)))));
  return fmt::format("{}{}/{}", kScheme, model, found.at({"model_version", "version"}).text());
}

Json service(const Arguments& arguments, const std::string& uri, const std::string& requested) {
  Json predictor = Json::object({{"model", Json::object({{"modelFormat", Json::object({{"name", arguments.text("--format")}})},
                                                         {"storageUri", uri}})}});
  Json object = Json::object({{"apiVersion", "serving.kserve.io/v1beta1"},
                              {"kind", "InferenceService"},
                              {"metadata", Json::object({{"name", arguments.text("--name")}})},
                              {"spec", Json::object({{"predictor", std::move(predictor)}})}});
  if (requested != uri) object["metadata"]["annotations"]["modelkit.dev/requested-uri"] = requested;
  return object;
}

std::string why_not_ready(const Json& object) { return std::string(condition_of(object, "Ready")["message"].text()); }

bool settled(const Json& object) {
  if (object.at({"status", "observedGeneration"}) != object.at({"metadata", "generation"})) return false;
  const std::string_view transition = object.at({"status", "modelStatus", "transitionStatus"}).text();
  return condition_of(object, "Ready")["status"].text() == "True" || transition == "BlockedByFailedLoad" ||
         transition == "InvalidSpec";
}

void print_success(const Connection& connection, const Json& object, const std::string& name) {
  fmt::print("{} is ready\n", name);
  for (const Json& share : object.at({"status", "components", "predictor", "traffic"}).items())
    fmt::print("  {:>3} %  {}\n", share["percent"].integer(), share["revisionName"].text());
  fmt::print("  {}/v2/models/{}/infer\n", object.at({"status", "url"}).text(connection.data()), name);
}

Result<int> run(const Arguments& arguments) {
  if (arguments.words().size() != 1 || !arguments.has("--name"))
    return fail(Error{Code::kInvalidArgument, "usage", "deploy takes a model URI and --name NAME"}.with_hint(
        "e.g. modelkit deploy models:/wine@champion --name wine"));
  const std::string name = arguments.text("--name");
  MK_TRY(const int64_t timeout_s, arguments.integer("--timeout", 1, 86400));
  if (arguments.has("--canary")) MK_OK(arguments.integer("--canary", 0, 100));
  MK_TRY(const Connection connection, Connection::open(arguments));
  MK_TRY(const std::string uri, pin(connection, arguments.words()[0]));
  Json object = service(arguments, uri, arguments.words()[0]);
  Json& percent = object["spec"]["predictor"]["canaryTrafficPercent"];
  if (arguments.has("--canary")) percent = *arguments.integer("--canary", 0, 100);
  MK_TRY(const kinds::Kind* kind, find_kind("inferenceservices"));
  const std::string path = object_path(*kind, connection.space(), name);
  const auto before = connection.json(net::Method::kGet, path);
  if (!before && before.error().code != Code::kNotFound) return fail(before.error());
  if (!before) {
    object["spec"]["predictor"].erase("canaryTrafficPercent");
    if (arguments.has("--canary"))
      fmt::print(stderr, "  {} is new, so its first revision gets all requests\n", name);
    MK_OK(connection.json(net::Method::kPost, object_path(*kind, connection.space(), ""), &object));
  } else {
    // A null in a merge patch takes the canary share away: without --canary the new version gets everything.
    MK_OK(connection.json(net::Method::kPatch, path, &object, "application/merge-patch+json"));
  }
  if (arguments.has("--no-wait")) return kOk;
  MK_TRY(const Json ready, wait_until(connection, path, name, settled, why_not_ready, Duration::from_seconds(timeout_s)));
  if (condition_of(ready, "Ready")["status"].text() != "True")
    return fail(Error{Code::kFailedPrecondition, "not_ready", why_not_ready(ready)}.with_hint(
        fmt::format("modelkit describe isvc {} and modelkit logs isvc/{} tell more", name, name)));
  print_success(connection, ready, name);
  return kOk;
}

}  // namespace

Verb deploy_verb() {
  return {.name = "deploy",
          .usage = "deploy MODEL_URI --name NAME [--canary PERCENT]",
          .what = "serve a model",
          .options = with_connection({{"--name", "NAME", "of the service"},
                                      {"--canary", "PERCENT", "give the new version this share of the requests"},
                                      {"--format", "FORMAT", "onnx, sklearn, mlflow or pyfunc", "mlflow"},
                                      {"--no-wait", "", "do not wait until it is ready"},
                                      {"--timeout", "SECONDS", "how long to wait", "600"}}),
          .run = run,
          .examples = "  modelkit deploy models:/wine@champion --name wine\n"
                      "  modelkit deploy models:/wine/2 --name wine --canary 10"};
}

}  // namespace mk::cli

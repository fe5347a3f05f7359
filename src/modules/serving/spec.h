// Reads an InferenceService (serving.kserve.io/v1beta1) and writes the objects that one revision of it needs.
// Pure functions over JSON.
#pragma once
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "core/ports.h"
#include "modules/serving/plan.h"

namespace mk::serving {

inline constexpr std::string_view kServiceLabel = "serving.kserve.io/inferenceservice";
inline constexpr std::string_view kRevisionLabel = "modelkit.dev/revision";
inline constexpr std::string_view kHashAnnotation = "modelkit.dev/predictor-hash";
inline constexpr std::string_view kPredictorAnnotation = "modelkit.dev/predictor";  // for `rollout abort`
inline constexpr std::string_view kModelAnnotation = "modelkit.dev/model";          // "wine/2"
inline constexpr std::string_view kIdleAnnotation = "modelkit.dev/idle-since";

// What the service asks for; errors name the field.
Result<Wanted> read_wanted(const Json& service);

// The URI of predictor.model, or empty when the predictor brings its own containers.
std::string_view model_uri(const Json& service);

struct Backing {
  core::ResolvedModel model;
  std::string environment;  // folder of the Python environment, or empty
  std::string engines;      // folder of native runtimes, or empty
};

// The Deployment of revision `number`, owned by the service.
Json deployment_for(const Json& service, const Wanted& wanted, int number, const Backing& backing);

}  // namespace mk::serving

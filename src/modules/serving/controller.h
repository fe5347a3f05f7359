// The controller of InferenceServices: reads what is, asks plan() what to do, does it, writes status and routes.
#pragma once
#include "core/controller.h"
#include "core/ports.h"
#include "modules/serving/routes.h"

namespace mk::serving {

inline constexpr std::string_view kControllerName = "inferenceservice";
inline constexpr std::string_view kServices = "inferenceservices.serving.kserve.io";

// What the controller stands on; all outlive it.
struct Ports {
  core::ModelResolver& models;
  core::Environments& environments;
  Routes& routes;
  std::string gateway_url;  // "http://127.0.0.1:7080", for status.url
  std::string engines = {}; // folder of native runtimes that model servers may read
};

core::Controller make_controller(Ports ports);

}  // namespace mk::serving

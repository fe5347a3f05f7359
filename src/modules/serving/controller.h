// The controller of InferenceServices: reads what is, asks plan() what to do, does it, writes status and routes.
#pragma once
#include <functional>
#include <optional>
#include <string>

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
  // Routes::behind and ::leaving of the running gateway; null = whatever is published is followed, at once.
  std::function<std::optional<Duration>(const std::string& service)> gateway_behind = {};
  std::function<std::vector<std::string>(const std::string& service)> leaving = {};
};

core::Controller make_controller(Ports ports);

}  // namespace mk::serving

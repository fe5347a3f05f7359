// MLflow's calls for registered models, versions, aliases, prompts (which are registered models), logged
// models and artifacts. Thin: read the arguments, call modules/registry, print.
#pragma once
#include <vector>

#include "api/route.h"
#include "modules/registry/artifacts.h"
#include "modules/registry/logged_models.h"
#include "modules/registry/registry.h"
#include "os/executor.h"

namespace mk::api::mlflow {

std::vector<Route> registered_model_routes(registry::Registry& registry);
std::vector<Route> model_version_routes(registry::Registry& registry);
std::vector<Route> logged_model_routes(registry::LoggedModels& models);
// Uploads wait for the disk on `executor`, never on an I/O thread.
std::vector<Route> artifact_routes(const registry::Artifacts& artifacts, os::Executor& executor);

}  // namespace mk::api::mlflow

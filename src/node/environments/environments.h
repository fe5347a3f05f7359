// The port that serving asks for environments: builds in the background, remembers, tells when something changed.
#pragma once
#include <memory>

#include "core/ports.h"
#include "node/environments/build.h"
#include "os/executor.h"

namespace mk::node {

struct EnvironmentsOptions {
  std::string environments;  // DIR/environments
  // Loads the model of `folder` with `environment`, sandboxed; see BuildOptions::trial.
  std::function<Result<void>(const std::string& folder, const std::string& environment)> trial;
  os::Executor* executor = nullptr;  // builds block one of its threads each; outlives this
};

std::unique_ptr<core::Environments> make_environments(EnvironmentsOptions options);

}  // namespace mk::node

// Makes one Python environment in a build sandbox. Blocks.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "node/environments/installer.h"
#include "node/environments/requirements.h"

namespace mk::node {

struct BuildOptions {
  std::string environments;  // DIR/environments
  // One line about what is being done; on the calling thread.
  std::function<void(std::string_view)> progress = [](std::string_view) {};
  // Loads the model with an environment, in the run sandbox. With it, the light environment is tried first.
  std::function<Result<void>(const std::string& environment)> trial;
  ReadVariable variable;          // default: getenv
  std::function<bool()> stopped;  // asked now and then; true ends the build with kCancelled
};

struct Environment {
  std::string path;  // read-only, DIR/environments/<lock hash>
  std::string lock;  // hash of interpreter and every installed package's version
  bool built = false;  // false: it was there
};

// The environment of a model's folder: found by what it requires, else built. Two callers, also of two processes, that
// ask at the same time build once. Kept to kEnvironmentsKept; one in use (a shared lock on pyvenv.cfg) is not removed.
// The error is one sentence for the model's owner, with the installer's own words.
Result<Environment> build_environment(const std::string& model_folder, const BuildOptions& options);

}  // namespace mk::node

// modelkit environment build: makes the Python environment of a model, as serving it would.
#include <unistd.h>

#include "base/format.h"
#include "cli/data_folder.h"
#include "cli/verbs.h"
#include "dataplane/engines/python/workers.h"
#include "node/environments/build.h"

namespace mk::cli {
namespace {

Result<int> run_verb(const Arguments& arguments) {
  if (arguments.words() != std::vector<std::string>{"build"})
    return fail(Code::kInvalidArgument, "usage", "the only thing to do with an environment is: build");
  const std::string folder = arguments.text("--folder");
  if (folder.empty()) return fail(Code::kInvalidArgument, "usage", "--folder is missing");
  node::BuildOptions options;
  options.environments = arguments.text("--data") + "/environments";
  options.progress = [](std::string_view line) { fmt::print(stderr, "{}\n", line); };
  options.trial = [&](const std::string& environment) { return dataplane::python::try_model(folder, environment); };
  MK_TRY(const auto environment, node::build_environment(folder, options));
  fmt::print(stderr, "{}\n", environment.built ? "built" : "was there already");
  fmt::print("{}\n", environment.path);
  return kOk;
}

}  // namespace

Verb environment_verb() {
  return {
      .name = "environment",
      .usage = "environment build --folder PATH [--data DIR]",
      .what = "build the Python environment of a model ahead of serving it",
      .options =
          {
              {"--folder", "PATH", "the model's folder, with requirements.txt, python_env.yaml or conda.yaml"},
              {"--data", "DIR", "the data folder that keeps environments", default_data_folder()},
          },
      .run = run_verb,
      .examples = "  modelkit environment build --folder ./mlruns/0/models/m-1/artifacts",
  };
}

}  // namespace mk::cli

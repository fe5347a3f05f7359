// Builds with an installer of the test's own in uv's place: the real one is used by ./x setup and the quickstart.
#include "node/environments/build.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "node/environments/environments.h"
#include "os/files.h"

namespace mk::node {
namespace {

namespace fs = std::filesystem;

// `uv venv ... FOLDER` makes the folder's skeleton; `uv pip install ... -r FILE` writes a record for each line.
constexpr const char* kFakeUv = R"(#!/bin/sh
if [ "$1" = venv ]; then
  for folder; do :; done
  mkdir -p $folder/bin $folder/lib/python3.11/site-packages
  ln -s /usr/bin/python3.11 $folder/bin/python
  echo home > $folder/pyvenv.cfg
  exit 0
fi
while [ "$1" != --python ]; do shift; done
site=$(dirname $(dirname $2))/lib/python3.11/site-packages
while [ "$1" != -r ]; do shift; done
if grep -q broken $2; then echo "  x No solution found:"; echo "  broken is not there"; exit 1; fi
if grep -q slow $2; then sleep 30; fi
while read line; do mkdir -p $site/$line.dist-info; done < $2
echo "installed"
)";

struct World {
  std::string path;
  BuildOptions options;
  std::vector<std::string> lines;

  World() {
    char name[] = "/tmp/mk_builds_XXXXXX";
    path = mkdtemp(name);
    fs::permissions(path, fs::perms(0755));
    REQUIRE(os::write_file(path + "/uv", kFakeUv, 0755));
    options.environments = path + "/environments";
    options.progress = [this](std::string_view line) { lines.emplace_back(line); };
    options.variable = [this](const char* n) { return std::string_view(n) == "MODELKIT_UV" ? path + "/uv" : std::string(); };
  }
  ~World() { fs::remove_all(path); }

  std::string model(const std::string& name, std::string_view requirements) const {
    REQUIRE(os::make_folder(path + "/" + name, 0755));
    REQUIRE(os::write_file(path + "/" + name + "/requirements.txt", requirements));
    REQUIRE(os::write_file(path + "/" + name + "/MLmodel", "flavors: {python_function: {}}\n"));
    return path + "/" + name;
  }
  size_t environments() const {
    size_t count = 0;
    for (const auto& name : os::list_folder(options.environments)) count += name[0] != '.';
    return count;
  }
};

TEST_CASE("environments: equal needs share one read-only environment") {
  World w;
  const auto first = build_environment(w.model("a", "numpy==1\nscipy==2\n"), w.options);
  REQUIRE_MESSAGE(first, first.error().message);
  CHECK(first->built);
  CHECK(os::exists(first->path + "/lib/python3.11/site-packages/scipy==2.dist-info"));
  const auto mode = fs::status(first->path + "/pyvenv.cfg").permissions();
  CHECK((mode & fs::perms(0222)) == fs::perms::none);
  const auto second = build_environment(w.model("b", "scipy==2\n\nnumpy==1\n"), w.options);
  REQUIRE(second);
  CHECK_FALSE(second->built);
  CHECK(second->path == first->path);
  const auto other = build_environment(w.model("c", "numpy==3\n"), w.options);
  REQUIRE(other);
  CHECK(other->path != first->path);
  CHECK(w.environments() == 2);
}

TEST_CASE("environments: asked twice at once, built once") {
  World w;
  const auto folder = w.model("a", "numpy==1\n");
  w.options.progress = [](std::string_view) {};
  auto one = std::async(std::launch::async, [&] { return build_environment(folder, w.options); });
  auto two = std::async(std::launch::async, [&] { return build_environment(folder, w.options); });
  const auto a = one.get(), b = two.get();
  REQUIRE(a);
  REQUIRE(b);
  CHECK(a->built != b->built);
  CHECK(a->path == b->path);
}

TEST_CASE("environments: mlflow-skinny where the model loads with it, mlflow where it does not") {
  World w;
  std::vector<std::string> tried;
  bool light_does = true;
  w.options.trial = [&](const std::string& environment) -> Result<void> {
    const bool light = os::exists(environment + "/lib/python3.11/site-packages/mlflow-skinny==3.dist-info");
    tried.emplace_back(light ? "light" : "full");
    if (light && !light_does) return fail(Code::kFailedPrecondition, "module_missing", "No module named 'mlflow.tracing'");
    return {};
  };
  auto built = build_environment(w.model("a", "mlflow==3\n"), w.options);
  REQUIRE_MESSAGE(built, built.error().message);
  CHECK(tried == std::vector<std::string>{"light"});
  light_does = false;
  built = build_environment(w.model("b", "mlflow==3\nscipy==1\n"), w.options);
  REQUIRE(built);
  CHECK(tried == std::vector<std::string>{"light", "light", "full"});
  CHECK(os::exists(built->path + "/lib/python3.11/site-packages/mlflow==3.dist-info"));
}

TEST_CASE("environments: a failed build says why in the installer's words and leaves nothing") {
  World w;
  const auto built = build_environment(w.model("a", "broken==1\n"), w.options);
  REQUIRE_FALSE(built);
  CHECK(built.error().message ==
        "installing the model's packages failed (exit code 1): x No solution found: broken is not there");
  CHECK(w.environments() == 0);
  for (const auto& name : os::list_folder(w.options.environments)) CHECK_FALSE(name.starts_with(".building"));
}

TEST_CASE("environments: a build that is stopped ends") {
  World w;
  w.options.stopped = [] { return true; };
  const auto built = build_environment(w.model("a", "slow==1\n"), w.options);
  REQUIRE_FALSE(built);
  CHECK(built.error().code == Code::kCancelled);
}

TEST_CASE("environments: the port builds in the background and tells when it is done") {
  World w;
  const std::string uv = w.path + "/uv";
  setenv("MODELKIT_UV", uv.c_str(), 1);
  auto executor = os::make_thread_pool(1, "builds");
  using Phase = core::Environments::State::Phase;
  {
    auto environments = make_environments({.environments = w.options.environments, .executor = executor.get()});
    std::promise<void> changed;
    environments->on_change([&] { changed.set_value(); });
    const auto folder = w.model("a", "numpy==1\n");
    CHECK(environments->ensure(folder).phase == Phase::kWorking);
    changed.get_future().wait();
    const auto state = environments->ensure(folder);
    REQUIRE_MESSAGE(state.phase == Phase::kReady, state.message);
    CHECK(os::exists(state.path + "/bin/python"));
    REQUIRE(os::write_file(folder + "/MLmodel", "flavors: {onnx: {}}\n"));
    const auto other = w.path + "/none";
    REQUIRE(os::make_folder(other));
    CHECK(environments->ensure(other).phase == Phase::kNotNeeded);
  }
  unsetenv("MODELKIT_UV");
}

}  // namespace
}  // namespace mk::node

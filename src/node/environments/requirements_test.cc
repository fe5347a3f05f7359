#include "node/environments/requirements.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "node/environments/installer.h"
#include "os/files.h"

namespace mk::node {
namespace {

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/mk_requirements_XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  void put(const char* name, std::string_view text) const { REQUIRE(os::write_file(path + "/" + name, text)); }
};

TEST_CASE("requirements: lines are taken as pip reads them, but only plain ones") {
  const auto lines = parse_requirements(
      "numpy==2.4.6\n# note\n\nscikit-learn[alldeps] >=1.0, <2 ; python_version >= '3.8'  # why\nskops~=0.16 --hash=sha256:ab\n"
      "-r requirements.txt\n");
  REQUIRE_MESSAGE(lines, lines.error().message);
  CHECK(*lines == std::vector<std::string>{"numpy==2.4.6", "scikit-learn[alldeps] >=1.0, <2 ; python_version >= '3.8'",
                                           "skops~=0.16"});
  for (const char* bad : {"--index-url http://evil", "-e .", "git+https://x/y", "a @ file:///etc/passwd", "./wheel.whl",
                          "/etc/x", "https://x/y.whl", "a==1 $(id)", "-r ../../other.txt", "--find-links=/x", "a;b`c`"}) {
    CAPTURE(bad);
    CHECK(parse_requirements(bad).error().code == Code::kInvalidArgument);
  }
}

TEST_CASE("requirements: of an MLflow model's folder, whichever file names them") {
  Folder f;
  CHECK(read_requirements(f.path).error().code == Code::kNotFound);
  f.put("conda.yaml", "dependencies:\n- python=3.10.4\n- pip<=23\n- pip:\n  - mlflow==3.17.2\n  - scipy==1.17.1\n");
  auto r = read_requirements(f.path);
  REQUIRE(r);
  CHECK(r->python == "3.10");
  CHECK(r->lines == std::vector<std::string>{"mlflow==3.17.2", "scipy==1.17.1"});
  f.put("python_env.yaml", "python: 3.11.2\nbuild_dependencies: [pip]\ndependencies: [-r requirements.txt]\n");
  f.put("requirements.txt", "scipy==1.17.2\nmlflow==3.17.2\nscipy==1.17.2");
  r = read_requirements(f.path);
  REQUIRE(r);
  CHECK(r->python == "3.11");
  CHECK(r->lines == std::vector<std::string>{"mlflow==3.17.2", "scipy==1.17.2"});
}

TEST_CASE("requirements: the light variant replaces mlflow alone") {
  CHECK(lighten({"3.11", {"mlflow==3.17.2", "mlflow-tracing==3", "numpy"}}).lines ==
        std::vector<std::string>{"mlflow-skinny==3.17.2", "mlflow-tracing==3", "numpy", "pandas"});
  CHECK(lighten({"3.11", {"MLflow>=3"}}).lines == std::vector<std::string>{"mlflow-skinny>=3", "pandas"});
  CHECK(lighten({"3.11", {"mlflow==3", "pandas<3"}}).lines == std::vector<std::string>{"mlflow-skinny==3", "pandas<3"});
  for (const char* same : {"mlflow[extras]==3", "mlflow-skinny==3", "numpy"})
    CHECK(lighten({"", {same}}).lines == std::vector<std::string>{same});
  CHECK(requirements_key({"3.11", {"a"}}) != requirements_key({"3.12", {"a"}}));
  CHECK(requirements_key({"3.11", {"a"}}) == requirements_key({"3.11", {"a"}}));
}

TEST_CASE("requirements: only models without another engine need Python") {
  Folder f;
  CHECK_FALSE(*needs_python(f.path));
  f.put("MLmodel", "flavors:\n  onnx: {data: model.onnx}\n  python_function: {loader_module: mlflow.onnx}\n");
  CHECK_FALSE(*needs_python(f.path));
  f.put("MLmodel", "flavors:\n  sklearn: {}\n  python_function: {loader_module: mlflow.sklearn}\n");
  CHECK(*needs_python(f.path));
  f.put("MLmodel", "flavors: [");
  CHECK_FALSE(needs_python(f.path));
}

TEST_CASE("installer: pip's settings, the later one wins") {
  const auto s = parse_pip_conf("[global]\nindex-url = https://a/simple\n# x\n[list]\nformat=columns\ncert=/no\n[install]\nfind-links=/w\ncert = /c\n");
  CHECK(s.index_url == "https://a/simple");
  CHECK(s.find_links == "/w");
  CHECK(s.cert == "/c");
}

TEST_CASE("installer: a Python that is not there is named, with what to do") {
  const auto found = find_installer("3.5", [](const char*) { return std::string(); });
  REQUIRE_FALSE(found);
  CHECK(found.error().message.find("needs Python 3.5") != std::string::npos);
  CHECK(found.error().hint.find("apt-get install python3.5-venv") != std::string::npos);
}

TEST_CASE("installer: the build sees the user's settings and its own folder only") {
  const auto variable = [](const char* name) -> std::string {
    const std::string_view n = name;
    if (n == "PIP_INDEX_URL") return "https://index/simple";
    if (n == "AWS_SECRET_ACCESS_KEY") return "secret";
    if (n == "HTTPS_PROXY") return "http://proxy:3128";
    return "";
  };
  std::vector<std::string> env;
  const auto sandbox = build_sandbox({"/opt/uv", "/usr/bin/python3.11"}, "/var/x", variable, env);
  const auto has = [&](std::string_view wanted) { return std::ranges::find(env, wanted) != env.end(); };
  CHECK(has("UV_INDEX_URL=https://index/simple"));
  CHECK(has("HTTPS_PROXY=http://proxy:3128"));
  for (const auto& entry : env) CHECK(entry.find("secret") == std::string::npos);
  for (const auto& bind : sandbox.binds) CHECK(bind.writable == (bind.source == "/var/x"));
}

}  // namespace
}  // namespace mk::node

#include "dataplane/modelserver/model_folder.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/format.h"
#include "base/yaml.h"
#include "dataplane/modelserver/limits.h"
#include "os/files.h"

namespace mk::dataplane {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}
bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// A path that MLmodel names lies beneath the model's folder, or it is not taken.
Result<std::string> beneath(const fs::path& folder, std::string_view relative) {
  std::error_code failed;
  const auto root = fs::canonical(folder, failed);
  const auto path = failed ? fs::path() : fs::canonical(root / relative, failed);
  const auto [end, ignored] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  if (failed || end != root.end())
    return fail(Code::kInvalidArgument, "model_incomplete",
                fmt::format("MLmodel names \"{}\", which is not in the model's folder", relative));
  return path.string();
}

Result<ModelFolder> inspect_mlflow(const fs::path& folder) {
  MK_TRY(const std::string text, os::read_file(folder / "MLmodel", kModelFileBytesMax));
  auto documents = parse_yaml(text);
  if (!documents || documents->empty())
    return fail(Code::kInvalidArgument, "model_unreadable",
                "MLmodel is not valid YAML" + (documents ? "" : ": " + documents.error().message));
  const Json& flavors = (*documents)[0]["flavors"];
  if (const Json* onnx = flavors.find("onnx")) {
    const std::string data((*onnx)["data"].text("model.onnx"));
    MK_TRY(std::string file, beneath(folder, data));
    return ModelFolder{ModelFormat::kOnnx, folder, std::move(file)};
  }
  if (flavors.contains("python_function")) return ModelFolder{ModelFormat::kPyfunc, folder, {}};
  std::string names;
  for (const auto& [name, ignored] : flavors.members()) names += (names.empty() ? "" : ", ") + name;
  return fail(Error{Code::kInvalidArgument, "unsupported_model",
                    fmt::format("MLmodel has the flavors [{}], none of which can be served", names)}
                  .with_hint("log the model with the onnx or python_function flavor"));
}

std::optional<fs::path> newest_version(const fs::path& folder) {
  int64_t newest = -1;
  std::optional<fs::path> found;
  for (const auto& name : os::list_folder(folder)) {
    int64_t number = -1;
    const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (code != std::errc() || end != name.data() + name.size() || number <= newest) continue;
    if (!is_file(folder / name / "model.onnx")) continue;
    newest = number;
    found = folder / name / "model.onnx";
  }
  return found;
}

}  // namespace

Result<ModelFolder> inspect_model(const std::string& path) {
  std::error_code failed;
  const fs::path root = fs::absolute(path, failed).lexically_normal();
  if (is_file(root)) {
    if (root.extension() == ".onnx") return ModelFolder{ModelFormat::kOnnx, root.parent_path(), root};
    return fail(Error{Code::kInvalidArgument, "unsupported_model", fmt::format("{} is not an .onnx file", path)}
                    .with_hint("name a folder with an MLmodel file, or an .onnx file"));
  }
  if (!is_folder(root)) return fail(Code::kNotFound, "model_missing", fmt::format("there is no model at {}", path));
  if (is_file(root / "MLmodel")) return inspect_mlflow(root);
  if (auto file = newest_version(root)) return ModelFolder{ModelFormat::kOnnx, root, *file};
  std::vector<std::string> onnx;
  for (const auto& name : os::list_folder(root))
    if (name.ends_with(".onnx")) onnx.push_back(name);
  if (onnx.size() == 1) return ModelFolder{ModelFormat::kOnnx, root, root / onnx[0]};
  if (onnx.size() > 1)
    return fail(Error{Code::kInvalidArgument, "unsupported_model",
                      fmt::format("{} holds {} .onnx files, so which to serve is not clear", path, onnx.size())}
                    .with_hint("name the file itself"));
  for (const char* name : {"model.joblib", "model.pkl", "model.pickle"})
    if (is_file(root / name)) return ModelFolder{ModelFormat::kSklearn, root, root / name};
  return fail(Error{Code::kInvalidArgument, "unsupported_model", fmt::format("{} holds no model that we know", path)}
                  .with_hint("expected MLmodel, an .onnx file, <number>/model.onnx, or model.joblib"));
}

}  // namespace mk::dataplane

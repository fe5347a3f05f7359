#include "node/environments/requirements.h"

#include <algorithm>
#include <filesystem>

#include "base/digest.h"
#include "base/format.h"
#include "base/yaml.h"
#include "node/environments/limits.h"
#include "os/files.h"

namespace mk::node {
namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const auto from = text.find_first_not_of(kSpace);
  if (from == text.npos) return {};
  return text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

// The package's name as indexes compare it.
std::string canonical_name(std::string_view line) {
  std::string name;
  for (const char c : line) {
    if (!is_word(c)) break;
    name += c == '_' || c == '.' ? '-' : static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  }
  return name;
}

// PEP 508 without direct references: a name, then only what versions, extras and markers are written with.
bool is_plain(std::string_view line) {
  constexpr std::string_view kOthers = "<>=!~,*+ ;()[]'\"";
  if (canonical_name(line).empty() || line[0] == '-' || line[0] == '.') return false;
  return std::ranges::all_of(line, [&](char c) { return is_word(c) || kOthers.find(c) != kOthers.npos; });
}

// "3.11.2" -> "3.11"
std::string major_minor(std::string_view version) {
  const auto first = version.find('.');
  if (first == version.npos) return {};
  return std::string(version.substr(0, version.find('.', first + 1)));
}

Result<Json> read_yaml(const std::string& path) {
  MK_TRY(const std::string text, os::read_file(path, kRequirementsBytesMax));
  auto documents = parse_yaml(text);
  if (!documents || documents->empty())
    return fail(Code::kInvalidArgument, "bad_requirements",
                fmt::format("{} is not valid YAML", std::filesystem::path(path).filename().string()));
  return std::move((*documents)[0]);
}

// conda.yaml: dependencies: [python=3.11.2, pip<=23, {pip: [...]}]
Result<Requirements> from_conda(const Json& conda) {
  Requirements out;
  std::string text;
  for (const Json& dependency : conda["dependencies"].items()) {
    const auto word = dependency.text();
    if (word.starts_with("python=")) out.python = major_minor(word.substr(word.find_last_of('=') + 1));
    for (const Json& line : dependency["pip"].items()) text.append(line.text()).append("\n");
  }
  MK_TRY(out.lines, parse_requirements(text));
  return out;
}

void normalize(Requirements& requirements) {
  auto& lines = requirements.lines;
  std::ranges::sort(lines);
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
}

}  // namespace

Result<std::vector<std::string>> parse_requirements(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (const auto comment = line.find('#'); comment != line.npos && (comment == 0 || line[comment - 1] == ' '))
      line = line.substr(0, comment);
    if (const auto hash = line.find(" --hash="); hash != line.npos) line = line.substr(0, hash);
    line = trim(line);
    while (line.ends_with('\\')) line = trim(line.substr(0, line.size() - 1));
    if (line.empty() || line.starts_with("--hash=") || line == "-r requirements.txt" || line == "-c constraints.txt")
      continue;
    if (!is_plain(line))
      return fail(Error{Code::kInvalidArgument, "bad_requirements",
                        fmt::format("the requirement \"{}\" is not a package name with a version", line.substr(0, 200))}
                      .with_hint("URLs, paths and pip options are not taken from a model"));
    if (lines.size() == kRequirementsMax)
      return fail(Code::kTooLarge, "bad_requirements", fmt::format("more than {} requirements", kRequirementsMax));
    lines.emplace_back(line);
  }
  return lines;
}

Result<Requirements> read_requirements(const std::string& folder) {
  Requirements out;
  bool found = false;
  if (os::exists(folder + "/conda.yaml")) {
    MK_TRY(const Json conda, read_yaml(folder + "/conda.yaml"));
    MK_TRY(out, from_conda(conda));
    found = true;
  }
  if (os::exists(folder + "/python_env.yaml")) {
    MK_TRY(const Json env, read_yaml(folder + "/python_env.yaml"));
    if (const auto version = major_minor(env["python"].text()); !version.empty()) out.python = version;
    if (!found) {
      std::string text;
      for (const Json& line : env["dependencies"].items()) text.append(line.text()).append("\n");
      MK_TRY(out.lines, parse_requirements(text));
      found = true;
    }
  }
  if (os::exists(folder + "/requirements.txt")) {
    MK_TRY(const std::string text, os::read_file(folder + "/requirements.txt", kRequirementsBytesMax));
    MK_TRY(out.lines, parse_requirements(text));
    found = true;
  }
  if (!found)
    return fail(Error{Code::kNotFound, "no_requirements", "the model does not say which Python packages it needs"}
                    .with_hint("log it with MLflow, or put a requirements.txt beside it"));
  normalize(out);
  return out;
}

Result<bool> needs_python(const std::string& folder) {
  if (!os::exists(folder + "/MLmodel"))
    return os::exists(folder + "/model.joblib") || os::exists(folder + "/model.pkl") ||
           os::exists(folder + "/model.pickle");
  MK_TRY(const Json model, read_yaml(folder + "/MLmodel"));
  return !model["flavors"].contains("onnx") && model["flavors"].contains("python_function");
}

Requirements lighten(const Requirements& full) {
  Requirements light = full;
  const bool has_skinny =
      std::ranges::any_of(full.lines, [](const auto& line) { return canonical_name(line) == "mlflow-skinny"; });
  const bool has_pandas =
      std::ranges::any_of(full.lines, [](const auto& line) { return canonical_name(line) == "pandas"; });
  for (size_t i = 0; i < full.lines.size(); ++i) {
    std::string& line = light.lines[i];
    if (has_skinny || canonical_name(line) != "mlflow" || line.find('[') != line.npos) continue;
    line = "mlflow-skinny" + line.substr(std::string_view("mlflow").size());
    // mlflow brings pandas and skinny does not, but every pyfunc model imports it.
    if (!has_pandas) light.lines.emplace_back("pandas");
  }
  normalize(light);
  return light;
}

std::string requirements_key(const Requirements& requirements) {
  // The number grows when the way of building changes what comes out.
  std::string text = "1\n" + requirements.python + "\n";
  for (const auto& line : requirements.lines) text += line + "\n";
  return sha256_hex(text).substr(0, 32);
}

}  // namespace mk::node

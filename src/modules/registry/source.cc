#include "modules/registry/source.h"

#include <algorithm>
#include <vector>

#include "base/format.h"
#include "modules/registry/limits.h"
#include "modules/registry/names.h"

namespace mk::registry {
namespace {

constexpr std::string_view kArtifacts = "mlflow-artifacts:";
constexpr std::string_view kModels = "models:/";
constexpr std::string_view kRuns = "runs:/";
constexpr size_t kIdCharsMax = 256;

bool is_id(std::string_view text) {
  auto word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= kIdCharsMax && text[0] != '-' && text[0] != '_' &&
         std::all_of(text.begin(), text.end(), word);
}

Failure refused(std::string_view uri, std::string_view why) {
  return fail(
      Error{Code::kInvalidArgument, "bad_source", fmt::format("the source {} {}", shown(uri), why)}.with_hint(
          "use runs:/RUN_ID/PATH, models:/MODEL_ID, models:/NAME/VERSION or the mlflow-artifacts:/ URI of a "
          "run or model of this "
          "server"));
}

Result<Source> parse_run(std::string_view uri, std::string_view rest) {
  size_t slash = rest.find('/');
  std::string_view run = rest.substr(0, slash);
  if (!is_run_id(run)) return refused(uri, "names no run");
  auto path =
      blob::Path::parse(slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1));
  if (!path)
    return refused(
        uri, "has a path that is not allowed: it must be relative, without '..' and encoded characters");
  return RunSource{std::string(run), std::move(*path)};
}

Result<Source> parse_version_of(std::string_view uri, std::string_view name, std::string_view version) {
  if (!check_model_name(name)) return refused(uri, "names no model");
  if (version == "latest") return VersionSource{std::string(name), 0, "latest"};
  auto number = parse_version(version);
  if (!number)
    return refused(uri, "names no version: after the model's name comes a number, 'latest' or @ALIAS");
  return VersionSource{std::string(name), *number, {}};
}

Result<Source> parse_model(std::string_view uri, std::string_view rest) {
  if (size_t slash = rest.find('/'); slash != std::string_view::npos) {
    return parse_version_of(uri, rest.substr(0, slash), rest.substr(slash + 1));
  }
  if (size_t at = rest.rfind('@'); at != std::string_view::npos) {
    if (!check_model_name(rest.substr(0, at))) return refused(uri, "names no model");
    if (!check_alias(rest.substr(at + 1))) return refused(uri, "names no alias");
    return VersionSource{std::string(rest.substr(0, at)), 0, std::string(rest.substr(at + 1))};
  }
  if (!is_logged_model_id(rest)) {
    return refused(uri, "names no version: write models:/NAME/VERSION, models:/NAME@ALIAS or models:/m-ID");
  }
  return LoggedSource{std::string(rest)};
}

}  // namespace

bool is_run_id(std::string_view text) {
  return is_id(text);
}
bool is_logged_model_id(std::string_view text) {
  return text.starts_with("m-") && text.size() > 2 && is_id(text);
}

bool is_prompt_placeholder(std::string_view source) {
  return source == "dummy-source" || source == "prompt-template";
}

Result<Source> parse_source(std::string_view uri) {
  if (uri.empty()) return invalid("the source must not be empty");
  MK_OK(check_length("the source", uri, kSourceBytesMax));
  // No encoded and no odd character is needed in any of the four forms, and each has been somebody's way past
  // a check.
  for (char c : uri) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '%' || c == '\\' || c == '?' || c == '#' ||
        c == ';') {
      return refused(uri, "holds a character that is not allowed");
    }
  }
  if (uri.starts_with(kRuns) && !uri.starts_with("runs://")) return parse_run(uri, uri.substr(kRuns.size()));
  if (uri.starts_with(kModels) && !uri.starts_with("models://"))
    return parse_model(uri, uri.substr(kModels.size()));
  if (uri.starts_with(kArtifacts)) {
    auto path = path_of_location(uri);
    if (!path || path->is_root()) return refused(uri, "is no artifact path of this server");
    return ArtifactSource{std::move(*path)};
  }
  return refused(uri, "is not a run, a model or an artifact of this server");
}

Result<blob::Path> path_of_location(std::string_view location) {
  if (!location.starts_with(kArtifacts)) {
    return fail(Code::kFailedPrecondition, "not_served_here",
                fmt::format("{} is not stored by this server; only mlflow-artifacts:/ locations are",
                            shown(location)));
  }
  std::string_view rest = location.substr(kArtifacts.size());
  // "mlflow-artifacts:///a" has an empty authority; "mlflow-artifacts://host/a" is another server.
  if (rest.starts_with("///")) rest.remove_prefix(2);
  if (!rest.starts_with('/') || rest.starts_with("//")) {
    return invalid(fmt::format(
        "{} is no artifact location of this server: it must read mlflow-artifacts:/PATH", shown(location)));
  }
  rest.remove_prefix(1);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  return blob::Path::parse(rest);
}

ArtifactOwner owner_of(const blob::Path& path) {
  std::vector<std::string_view> parts;
  std::string_view rest = path.text();
  while (parts.size() < 4 && !rest.empty()) {
    size_t slash = rest.find('/');
    parts.push_back(rest.substr(0, slash));
    rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  }
  if (parts.size() >= 4 && parts[1] == "models" && parts[3] == "artifacts" && is_logged_model_id(parts[2])) {
    return {std::string(parts[0]), {}, std::string(parts[2])};
  }
  if (parts.size() >= 3 && parts[2] == "artifacts" && is_run_id(parts[1])) {
    return {std::string(parts[0]), std::string(parts[1]), {}};
  }
  return {};
}

}  // namespace mk::registry

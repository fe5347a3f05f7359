#include "modules/registry/resolver.h"

#include <filesystem>

#include "base/digest.h"
#include "base/encoding.h"
#include "base/format.h"
#include "modules/registry/names.h"
#include "modules/registry/source.h"

namespace mk::registry {
namespace {

namespace fs = std::filesystem;

Error with_uri(Error error, std::string_view uri) {
  const std::string text = shown(uri);
  error.message = fmt::format("{}: {}", text.substr(1, text.size() - 2), error.message);
  return error;
}

bool is_beneath(const fs::path& root, const fs::path& path) {
  auto [r, p] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return r == root.end() || (r->empty() && std::next(r) == root.end());
}

}  // namespace

Resolver::Resolver(Registry& registry, const LoggedModels& logged, const Artifacts& artifacts,
                   std::vector<std::string> file_roots)
    : registry_(registry), logged_(logged), artifacts_(artifacts), file_roots_(std::move(file_roots)) {}

Result<core::ResolvedModel> Resolver::resolve(std::string_view uri) {
  auto found = [&]() -> Result<core::ResolvedModel> {
    if (uri.starts_with("file:")) return file(uri);
    MK_TRY(Source source, parse_source(uri));
    if (auto* named = std::get_if<VersionSource>(&source)) {
      if (named->alias.empty()) {
        MK_TRY(ModelVersion exact, registry_.version(named->name, named->version));
        return version(exact);
      }
      MK_TRY(ModelVersion aliased, registry_.version_by_alias(named->name, named->alias));
      return version(aliased);
    }
    if (auto* logged = std::get_if<LoggedSource>(&source)) {
      MK_OK(check_ready(logged->model_id));
      MK_TRY(Artifacts::Root root, artifacts_.of_logged_model(logged->model_id));
      return stored(root.path, {}, {});
    }
    MK_TRY(blob::Path path, artifacts_.locate(uri));
    return stored(path, {}, {});
  }();
  if (!found) return Failure(with_uri(std::move(found).error(), uri));
  return found;
}

Result<core::ResolvedModel> Resolver::version(const ModelVersion& v) {
  if (!v.model_id.empty()) MK_OK(check_ready(v.model_id));
  MK_TRY(blob::Path path, artifacts_.locate(v.storage_location));
  return stored(path, v.name, std::to_string(v.version));
}

Result<void> Resolver::check_ready(std::string_view model_id) const {
  MK_TRY(LoggedModel model, logged_.get(model_id, true));
  if (model.status == LoggedModelStatus::kReady || model.status == LoggedModelStatus::kUnspecified) return {};
  const bool failed = model.status == LoggedModelStatus::kUploadFailed;
  return fail(Error{Code::kFailedPrecondition, "model_not_ready",
                    fmt::format("the logged model {} {}", shown(model_id),
                                failed ? "was not uploaded completely" : "is still being uploaded")}
                  .with_hint(failed ? "log it again" : "wait until log_model has returned"));
}

Result<core::ResolvedModel> Resolver::stored(const blob::Path& path, std::string name, std::string version) {
  auto folder = artifacts_.blobs().local_folder(path);
  if (!folder) {
    return fail(
        Error{folder.error().code, "model_without_files", "there are no model files behind it"}.with_hint(
            "log the model, or name the folder that holds its MLmodel file"));
  }
  MK_TRY(std::string digest, digests_.of(*folder));
  // The version is part of the digest: an alias that moves to equal bytes is a change that users want to see.
  return core::ResolvedModel{std::move(*folder), name, version,
                             sha256_hex(fmt::format("{}\n{}\n{}", name, version, digest))};
}

Result<core::ResolvedModel> Resolver::file(std::string_view uri) {
  if (!uri.starts_with("file:///")) return invalid("a file URI has the form file:///ABSOLUTE/PATH");
  MK_TRY(std::string text, percent_decode(uri.substr(std::string_view("file://").size())));
  std::error_code failed;
  const fs::path path =
      fs::canonical(text, failed);  // without links and dots: what is checked is what is opened
  for (const std::string& root : file_roots_) {
    std::error_code ignored;
    const fs::path allowed = fs::canonical(root, ignored);
    if (ignored || failed || !is_beneath(allowed, path)) continue;
    if (!fs::is_directory(path, ignored))
      return invalid("it is no folder; name the folder that holds the model");
    MK_TRY(std::string digest, digests_.of(path.string()));
    return core::ResolvedModel{path.string(), {}, {}, digest};
  }
  // One answer for what is absent and for what is elsewhere, so that nobody can explore this machine's files
  // with it.
  return fail(
      Error{Code::kPermissionDenied, "file_not_allowed", "there is no model folder that may be served there"}
          .with_hint("log the model with MLflow, or start modelkit with --model-files ROOT"));
}

}  // namespace mk::registry

#include "modules/registry/artifacts.h"

#include "base/format.h"
#include "modules/registry/names.h"
#include "modules/registry/source.h"

namespace mk::registry {

Artifacts::Artifacts(blob::Blobs& blobs, const core::RunDirectory& runs, const Registry& registry,
                     const LoggedModels& logged)
    : blobs_(blobs), runs_(runs), registry_(registry), logged_(logged) {}

Result<Artifacts::Root> Artifacts::of_run(std::string_view run_id) const {
  if (!is_run_id(run_id)) return invalid(fmt::format("{} is no run ID", shown(run_id)));
  MK_TRY(core::RunDirectory::Run run, runs_.run(run_id));
  MK_TRY(blob::Path path, path_of_location(run.artifact_uri));
  return Root{std::move(run.artifact_uri), std::move(path)};
}

Result<Artifacts::Root> Artifacts::of_logged_model(std::string_view model_id) const {
  MK_TRY(LoggedModel model, logged_.get(model_id));
  MK_TRY(blob::Path path, path_of_location(model.artifact_uri));
  return Root{std::move(model.artifact_uri), std::move(path)};
}

Result<Artifacts::Root> Artifacts::of_version(std::string_view name, int64_t version) const {
  MK_TRY(ModelVersion found, registry_.version(name, version));
  MK_TRY(blob::Path path, locate(found.storage_location));
  return Root{std::move(found.storage_location), std::move(path)};
}

Result<blob::Path> Artifacts::locate(std::string_view location) const {
  if (is_prompt_placeholder(location))
    return invalid("a prompt has no files; its text is in the tag mlflow.prompt.text");
  if (!location.starts_with("runs:/")) return path_of_location(location);
  MK_TRY(Source source, parse_source(location));
  const RunSource& run = std::get<RunSource>(source);
  const std::string& path = run.path.text();
  const std::string name = path.substr(0, path.find('/'));
  if (!name.empty()) {
    MK_TRY(std::string model_id, logged_.of_run(run.run_id, name));
    if (!model_id.empty()) {
      MK_TRY(Root root, of_logged_model(model_id));
      MK_TRY(blob::Path below,
             blob::Path::parse(path.size() > name.size() ? path.substr(name.size() + 1) : std::string()));
      return root.path / below;
    }
  }
  MK_TRY(Root root, of_run(run.run_id));
  return root.path / run.path;
}

}  // namespace mk::registry

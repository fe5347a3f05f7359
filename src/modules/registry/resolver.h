// core::ModelResolver: what a model URI stands for now, as files on this machine.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/ports.h"
#include "modules/registry/artifacts.h"
#include "modules/registry/folder_digest.h"
#include "modules/registry/registry.h"

namespace mk::registry {

class Resolver final : public core::ModelResolver {
 public:
  // `file_roots`: absolute folders beneath which file:/// URIs may point; usually those of the owner's
  // choice, maybe none.
  Resolver(Registry& registry, const LoggedModels& logged, const Artifacts& artifacts,
           std::vector<std::string> file_roots);

  Result<core::ResolvedModel> resolve(std::string_view uri) override;
  void on_change(std::function<void()> call) override { registry_.on_change(std::move(call)); }

 private:
  Result<core::ResolvedModel> version(const ModelVersion& version);
  Result<core::ResolvedModel> stored(const blob::Path& path, std::string name, std::string version);
  Result<core::ResolvedModel> file(std::string_view uri);
  Result<void> check_ready(std::string_view model_id) const;

  Registry& registry_;
  const LoggedModels& logged_;
  const Artifacts& artifacts_;
  const std::vector<std::string> file_roots_;
  FolderDigests digests_;
};

}  // namespace mk::registry

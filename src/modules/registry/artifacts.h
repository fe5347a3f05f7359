// From what MLflow calls a location (of a run, a logged model, a version) to a path in the blob store.
// All calls may block on the store. Thread-safe.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "blob/blob.h"
#include "core/ports.h"
#include "modules/registry/logged_models.h"
#include "modules/registry/registry.h"

namespace mk::registry {

class Artifacts {
 public:
  Artifacts(blob::Blobs& blobs, const core::RunDirectory& runs, const Registry& registry,
            const LoggedModels& logged);

  struct Root {
    std::string uri;  // as clients know it
    blob::Path path;
  };
  Result<Root> of_run(std::string_view run_id) const;
  Result<Root> of_logged_model(std::string_view model_id) const;
  Result<Root> of_version(std::string_view name, int64_t version) const;

  // mlflow-artifacts:/PATH or runs:/RUN/PATH. A path of a run that names a model it logged means that model's
  // files: since MLflow 3 they are no longer in the run's own folder.
  Result<blob::Path> locate(std::string_view location) const;

  // To be called after a file was stored or removed.
  void file_changed(const blob::Path& path) const { registry_.file_changed(path); }

  blob::Blobs& blobs() const { return blobs_; }

 private:
  blob::Blobs& blobs_;
  const core::RunDirectory& runs_;
  const Registry& registry_;
  const LoggedModels& logged_;
};

}  // namespace mk::registry

// Registered models, their versions and aliases; prompts are registered models too. The one door to those
// tables: validates, then writes in one Txn. All calls block (never on an I/O thread). Thread-safe.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "blob/blob.h"
#include "core/ports.h"
#include "modules/registry/logged_models.h"
#include "modules/registry/search.h"
#include "modules/registry/types.h"
#include "os/clock.h"
#include "store/store.h"

namespace mk::registry {

struct NewVersion {
  std::string name, source, run_id, run_link, model_id, user_id;
  std::optional<std::string> description;
  std::vector<Tag> tags;
};

class Registry {
 public:
  Registry(store::Store& store, const os::Clock& clock, const core::RunDirectory& runs, LoggedModels& logged);

  Result<RegisteredModel> create_model(std::string name, std::string description, std::vector<Tag> tags);
  Result<RegisteredModel> model(std::string_view name) const;
  Result<RegisteredModel> describe_model(std::string_view name, std::string_view description);
  Result<RegisteredModel> rename_model(std::string_view name, std::string_view new_name);
  Result<void> remove_model(std::string_view name);
  Result<Page<RegisteredModel>> search_models(const Search& search) const;
  Result<void> set_model_tag(std::string_view name, Tag tag);
  Result<void> remove_model_tag(std::string_view name, std::string_view key);

  // `source` decides where the files are: see source.h for what is taken. The named run or model must exist.
  Result<ModelVersion> create_version(NewVersion version);
  Result<ModelVersion> version(std::string_view name, int64_t version) const;
  Result<std::vector<ModelVersion>> latest_versions(std::string_view name,
                                                    const std::vector<std::string>& stages) const;
  Result<ModelVersion> describe_version(std::string_view name, int64_t version,
                                        std::optional<std::string> description);
  Result<ModelVersion> move_to_stage(std::string_view name, int64_t version, std::string_view stage,
                                     bool archive_others);
  Result<void> remove_version(std::string_view name, int64_t version);
  Result<Page<ModelVersion>> search_versions(const Search& search) const;
  Result<void> set_version_tag(std::string_view name, int64_t version, Tag tag);
  Result<void> remove_version_tag(std::string_view name, int64_t version, std::string_view key);

  // "latest" names the highest version. kNotFound says which aliases there are.
  Result<ModelVersion> version_by_alias(std::string_view name, std::string_view alias) const;
  Result<void> set_alias(std::string_view name, std::string_view alias, int64_t version);
  Result<void> remove_alias(std::string_view name, std::string_view alias);

  // Called on the caller's thread after a change to what a models:/ URI names.
  void on_change(std::function<void()> call);
  // The file at `path` was stored or removed. Counts as a change when a finished model lies there; the files
  // of a model that is still being logged do not.
  void file_changed(const blob::Path& path) const;

 private:
  // Where a version's files are, and what is known of its origin, filled in from `version.source`.
  Result<void> locate(NewVersion& version, std::string& location) const;
  Result<void> write(const std::function<Result<void>(store::RowWriter&)>& rows, bool changes_models = false);
  void changed() const;
  int64_t now_ms() const { return clock_.now().ms(); }

  store::Store& store_;
  const os::Clock& clock_;
  const core::RunDirectory& runs_;
  LoggedModels& logged_;
  mutable std::mutex mutex_;
  std::vector<std::function<void()>> listeners_;  // under mutex_
};

}  // namespace mk::registry

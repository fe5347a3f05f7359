// Logged models: what a run produced, before (or without) being registered. All calls block. Thread-safe.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "core/ports.h"
#include "modules/registry/search.h"
#include "modules/registry/types.h"
#include "os/clock.h"
#include "os/random.h"
#include "store/store.h"

namespace mk::registry {

struct NewLoggedModel {
  std::string experiment_id, model_type, source_run_id;
  std::optional<std::string> name;  // made up when absent
  std::vector<Tag> tags, params;
};

class LoggedModels {
 public:
  LoggedModels(store::Store& store, const os::Clock& clock, os::Random& random,
               const core::RunDirectory& runs);

  Result<LoggedModel> create(NewLoggedModel model);
  Result<LoggedModel> get(std::string_view model_id, bool deleted_too = false) const;
  Result<LoggedModel> finish(std::string_view model_id, LoggedModelStatus status);
  Result<void> remove(std::string_view model_id);  // marked; its files stay
  Result<Page<LoggedModel>> search(const Search& search) const;
  Result<void> add_params(std::string_view model_id, std::vector<Tag> params);
  Result<void> set_tags(std::string_view model_id, std::vector<Tag> tags);
  Result<void> remove_tag(std::string_view model_id, std::string_view key);

  // The newest that `run_id` logged under `name`; empty when there is none.
  Result<std::string> of_run(std::string_view run_id, std::string_view name) const;

 private:
  Result<void> change(std::string_view model_id, const std::function<Result<void>(store::RowWriter&)>& rows);

  store::Store& store_;
  const os::Clock& clock_;
  os::Random& random_;
  const core::RunDirectory& runs_;
};

// For modules/tracking: records the points that name a logged model, inside its Txn.
core::RecordModelMetrics model_metric_recorder();

}  // namespace mk::registry

// The tables of logged models: what a run produced, with parameters, tags and the metrics measured on it. All
// SQL of them is in logged_repository.cc.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "core/ports.h"
#include "modules/registry/search.h"
#include "modules/registry/types.h"
#include "store/store.h"

namespace mk::registry {

std::string logged_model_schema();

Result<LoggedModel> read_logged_model(store::RowReader& db, std::string_view model_id,
                                      bool deleted_too = false);
// kNotFound when absent or deleted; cheap, for the writer's thread.
Result<void> need_logged_model(store::RowReader& db, std::string_view model_id, bool deleted_too = false);
Result<Page<LoggedModel>> find_logged_models(store::RowReader& db, const Search& search);
// The newest one that `run_id` logged under `name`, or empty: what runs:/RUN/NAME means since MLflow 3.
Result<std::string> model_of_run(store::RowReader& db, std::string_view run_id, std::string_view name);

Result<void> insert_logged_model(store::RowWriter& db, const LoggedModel& model);
Result<void> put_logged_status(store::RowWriter& db, std::string_view model_id, LoggedModelStatus status,
                               int64_t now_ms);
Result<void> mark_logged_deleted(store::RowWriter& db, std::string_view model_id, int64_t now_ms);
Result<void> put_logged_tags(store::RowWriter& db, std::string_view model_id, const std::vector<Tag>& tags);
Result<bool> remove_logged_tag(store::RowWriter& db, std::string_view model_id, std::string_view key);
// A parameter is written once: another value for a known key is refused.
Result<void> put_logged_params(store::RowWriter& db, std::string_view model_id,
                               const std::vector<Tag>& params);
// Adds {name, version} to the tag that lists what the model was registered as; unknown models are left alone.
Result<void> note_version(store::RowWriter& db, std::string_view model_id, std::string_view name,
                          int64_t version);
Result<void> add_model_metrics(store::RowWriter& db, const std::vector<core::ModelMetric>& points);

}  // namespace mk::registry

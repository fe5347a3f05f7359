// The tables of tracking: all its SQL is here. Functions with a RowWriter run on the store's writer thread,
// inside a transaction; those with a RowReader on any read connection (a RowWriter is one too).
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "modules/tracking/run_state.h"
#include "modules/tracking/types.h"
#include "store/store.h"

namespace mk::tracking {

store::Schema schema();

// ---- experiments ---------------------------------------------------------------------------------

Result<void> add_default_experiment(store::RowWriter& rows,
                                    int64_t now_ms);  // "0", named Default, if there is none
Result<int64_t> insert_experiment(store::RowWriter& rows,
                                  const Experiment& experiment);  // location empty = by its id
Result<Experiment> read_experiment(store::RowReader& rows, int64_t id);
Result<Experiment> read_experiment(store::RowReader& rows, std::string_view name);
Result<std::vector<Experiment>> read_experiments(store::RowReader& rows);
// Also moves all its runs to that stage.
Result<void> set_experiment_stage(store::RowWriter& rows, int64_t id, Stage stage, int64_t now_ms);
Result<void> rename_experiment(store::RowWriter& rows, int64_t id, std::string_view name, int64_t now_ms);
Result<void> set_experiment_tag(store::RowWriter& rows, int64_t id, const Tag& tag);
Result<bool> remove_experiment_tag(store::RowWriter& rows, int64_t id, std::string_view key);

// ---- runs ----------------------------------------------------------------------------------------

Result<void> insert_run(store::RowWriter& rows, RunInfo& run);  // sets run.number
Result<RunInfo> read_run_info(store::RowReader& rows, std::string_view run_id);
// The run, which must be active.
Result<RunInfo> active_run(store::RowReader& rows, std::string_view run_id);
struct RunPlace {
  int64_t number = 0, experiment = 0;
};
Result<RunPlace> active_run_place(store::RowReader& rows,
                                  std::string_view run_id);  // likewise, without the rest
Result<void> update_run(store::RowWriter& rows, const RunInfo& run);
Result<void> set_run_stage(store::RowWriter& rows, std::string_view run_id, Stage stage, int64_t now_ms);

Result<void> set_tag(store::RowWriter& rows, int64_t run, const Tag& tag);
Result<bool> remove_tag(store::RowWriter& rows, int64_t run, std::string_view key);
Result<std::optional<std::string>> read_tag(store::RowReader& rows, int64_t run, std::string_view key);
// Fails when the param is there with another value.
Result<void> add_param(store::RowWriter& rows, int64_t run, std::string_view run_id, const Param& param);
// Folds the points into the metric's row: latest, smallest, largest, count.
Result<void> fold_metric(store::RowWriter& rows, int64_t run, const Series& series);

Result<void> add_datasets(store::RowWriter& rows, const RunPlace& run,
                          const std::vector<DatasetInput>& inputs);
Result<void> add_model_input(store::RowWriter& rows, int64_t run, std::string_view model_id);
Result<void> add_model_output(store::RowWriter& rows, int64_t run, const ModelOutput& output);

// One whole run. Keys are added to `keys`.
Result<RunState> read_run(store::RowReader& rows, std::string_view run_id, KeyTable& keys);
// The next runs of an experiment with numbers above `after`, at most `count_max`, in the order of their
// numbers.
Result<std::vector<RunState>> read_runs(store::RowReader& rows, int64_t experiment, int64_t after,
                                        size_t count_max, KeyTable& keys);
// Of a row with number, id, experiment, name, user, status, start_ms, end_ms, artifact_uri, stage.
RunInfo run_info_of(const store::Row& row);

struct DatasetSummary {
  int64_t experiment = 0;
  std::string name, digest;
  std::optional<std::string> context;
};
Result<std::vector<DatasetSummary>> read_dataset_summaries(store::RowReader& rows, int64_t experiment,
                                                           size_t count_max);

}  // namespace mk::tracking

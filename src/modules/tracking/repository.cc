#include "modules/tracking/repository.h"

#include "base/format.h"
#include "base/json.h"
#include "modules/tracking/segment.h"

namespace mk::tracking {
namespace {

using store::Row;
using store::RowReader;
using store::RowWriter;
using store::Value;

// NaN is NULL in SQLite, which is what it should be in a comparison too.
constexpr std::string_view kFirstSchema = R"sql(
CREATE TABLE tracking_experiments(
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, artifact_location TEXT NOT NULL,
  stage INTEGER NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL);
CREATE TABLE tracking_experiment_tags(
  experiment INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(experiment, key)) WITHOUT ROWID;
CREATE TABLE tracking_runs(
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, experiment INTEGER NOT NULL, name TEXT NOT NULL,
  user TEXT NOT NULL, status INTEGER NOT NULL, start_ms INTEGER NOT NULL, end_ms INTEGER, artifact_uri TEXT NOT NULL,
  stage INTEGER NOT NULL, deleted_ms INTEGER);
CREATE INDEX tracking_runs_by_experiment ON tracking_runs(experiment);
CREATE TABLE tracking_params(
  run INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(run, key)) WITHOUT ROWID;
CREATE TABLE tracking_tags(
  run INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(run, key)) WITHOUT ROWID;
CREATE TABLE tracking_metrics(
  run INTEGER NOT NULL, key TEXT NOT NULL, value REAL, step INTEGER NOT NULL, timestamp_ms INTEGER NOT NULL,
  smallest REAL, largest REAL, points INTEGER NOT NULL, PRIMARY KEY(run, key)) WITHOUT ROWID;
CREATE TABLE tracking_datasets(
  id INTEGER PRIMARY KEY, experiment INTEGER NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
  source_type TEXT NOT NULL, source TEXT NOT NULL, schema TEXT NOT NULL, profile TEXT NOT NULL,
  UNIQUE(experiment, name, digest));
CREATE TABLE tracking_dataset_inputs(
  run INTEGER NOT NULL, dataset INTEGER NOT NULL, tags TEXT NOT NULL, PRIMARY KEY(run, dataset)) WITHOUT ROWID;
CREATE INDEX tracking_dataset_inputs_by_dataset ON tracking_dataset_inputs(dataset);
CREATE TABLE tracking_model_inputs(
  run INTEGER NOT NULL, model TEXT NOT NULL, PRIMARY KEY(run, model)) WITHOUT ROWID;
CREATE TABLE tracking_model_outputs(
  run INTEGER NOT NULL, model TEXT NOT NULL, step INTEGER NOT NULL, PRIMARY KEY(run, model)) WITHOUT ROWID;
)sql";

Failure no_run(std::string_view id) {
  return fail(Error{Code::kNotFound, "run_not_found", fmt::format("there is no run '{}'", id.substr(0, 256)),
                    "check the id, and that the tracking URI is the server where it was made"});
}

Experiment experiment_of(const Row& row) {
  return {row.integer(0),
          std::string(row.text(1)),
          std::string(row.text(2)),
          static_cast<Stage>(row.integer(3)),
          row.integer(4),
          row.integer(5),
          {}};
}

Value value_of(double number) {
  return number != number ? Value() : Value(number);
}

std::string json_of(const std::vector<Tag>& tags) {
  Json out = Json::array();
  for (const Tag& tag : tags) out.push_back(Json::array({tag.key, tag.value}));
  return out.dump();
}
Result<void> read_experiment_tags(RowReader& rows, Experiment& experiment) {
  return rows.query("SELECT key, value FROM tracking_experiment_tags WHERE experiment = ?", {experiment.id},
                    [&](const Row& row) {
                      experiment.tags.push_back({std::string(row.text(0)), std::string(row.text(1))});
                      return true;
                    });
}

}  // namespace

RunInfo run_info_of(const Row& row) {
  RunInfo run{row.integer(0),           std::string(row.text(1)),
              row.integer(2),           std::string(row.text(3)),
              std::string(row.text(4)), static_cast<RunStatus>(row.integer(5)),
              row.integer(6),           {},
              std::string(row.text(8)), static_cast<Stage>(row.integer(9))};
  if (!row.is_null(7)) run.end_ms = row.integer(7);
  return run;
}

store::Schema schema() {
  return {"tracking", {std::string(kFirstSchema)}};
}

// ---- experiments ---------------------------------------------------------------------------------

Result<void> add_default_experiment(RowWriter& rows, int64_t now_ms) {
  MK_TRY([[maybe_unused]] auto added, rows.exec("INSERT OR IGNORE INTO tracking_experiments(id, name, "
                                                "artifact_location, stage, created_ms, updated_ms) "
                                                "VALUES(0, 'Default', 'mlflow-artifacts:/0', 0, ?, ?)",
                                                {now_ms, now_ms}));
  return {};
}

Result<int64_t> insert_experiment(RowWriter& rows, const Experiment& experiment) {
  Stage stage{};
  bool taken = false;
  MK_OK(rows.query("SELECT stage FROM tracking_experiments WHERE name = ?",
                   {std::string_view(experiment.name)}, [&](const Row& row) {
                     taken = true;
                     stage = static_cast<Stage>(row.integer(0));
                     return false;
                   }));
  if (taken && stage == Stage::kDeleted)
    return fail(Error{Code::kAlreadyExists, "experiment_exists",
                      fmt::format("the name '{}' belongs to a deleted experiment", experiment.name),
                      "restore that one, or take another name"});
  if (taken)
    return fail(Error{Code::kAlreadyExists, "experiment_exists",
                      fmt::format("there is an experiment '{}' already", experiment.name),
                      "use it, or take another name"});
  MK_TRY([[maybe_unused]] auto added,
         rows.exec("INSERT INTO tracking_experiments(name, artifact_location, stage, created_ms, updated_ms) "
                   "VALUES(?, ?, 0, ?, ?)",
                   {std::string_view(experiment.name), std::string_view(experiment.artifact_location),
                    experiment.created_ms, experiment.created_ms}));
  const int64_t id = rows.last_insert_id();
  if (experiment.artifact_location.empty()) {
    MK_TRY([[maybe_unused]] auto placed,
           rows.exec("UPDATE tracking_experiments SET artifact_location = ? WHERE id = ?",
                     {fmt::format("mlflow-artifacts:/{}", id), id}));
  }
  for (const Tag& tag : experiment.tags) MK_OK(set_experiment_tag(rows, id, tag));
  return id;
}

Result<Experiment> read_experiment(RowReader& rows, int64_t id) {
  std::optional<Experiment> found;
  MK_OK(rows.query(
      "SELECT id, name, artifact_location, stage, created_ms, updated_ms FROM tracking_experiments "
      "WHERE id = ?",
      {id}, [&](const Row& row) {
        found = experiment_of(row);
        return false;
      }));
  if (!found)
    return fail(Error{Code::kNotFound, "experiment_not_found",
                      fmt::format("there is no experiment with the id {}", id),
                      "list them with experiments/search"});
  MK_OK(read_experiment_tags(rows, *found));
  return std::move(*found);
}

Result<Experiment> read_experiment(RowReader& rows, std::string_view name) {
  std::optional<Experiment> found;
  MK_OK(rows.query(
      "SELECT id, name, artifact_location, stage, created_ms, updated_ms FROM tracking_experiments "
      "WHERE name = ?",
      {name}, [&](const Row& row) {
        found = experiment_of(row);
        return false;
      }));
  if (!found)
    return fail(Error{Code::kNotFound, "experiment_not_found",
                      fmt::format("there is no experiment named '{}'", name.substr(0, 500)),
                      "create it with experiments/create"});
  MK_OK(read_experiment_tags(rows, *found));
  return std::move(*found);
}

Result<std::vector<Experiment>> read_experiments(RowReader& rows) {
  std::vector<Experiment> out;
  MK_OK(rows.query(
      "SELECT id, name, artifact_location, stage, created_ms, updated_ms FROM tracking_experiments "
      "ORDER BY id",
      {}, [&](const Row& row) {
        out.push_back(experiment_of(row));
        return true;
      }));
  size_t at = 0;
  MK_OK(rows.query("SELECT experiment, key, value FROM tracking_experiment_tags ORDER BY experiment", {},
                   [&](const Row& row) {
                     while (at < out.size() && out[at].id < row.integer(0)) ++at;
                     if (at < out.size() && out[at].id == row.integer(0))
                       out[at].tags.push_back({std::string(row.text(1)), std::string(row.text(2))});
                     return true;
                   }));
  return out;
}

Result<void> set_experiment_stage(RowWriter& rows, int64_t id, Stage stage, int64_t now_ms) {
  MK_TRY(const Experiment experiment, read_experiment(rows, id));
  if (experiment.stage == stage)
    return fail(Error{Code::kNotFound, "experiment_not_found",
                      fmt::format("there is no {} experiment with the id {}",
                                  stage == Stage::kDeleted ? "active" : "deleted", id),
                      fmt::format("it is {} already", stage_name(stage))});
  MK_TRY([[maybe_unused]] auto changed,
         rows.exec("UPDATE tracking_experiments SET stage = ?, updated_ms = ? WHERE id = ?",
                   {static_cast<int64_t>(stage), now_ms, id}));
  MK_TRY([[maybe_unused]] auto runs,
         rows.exec("UPDATE tracking_runs SET stage = ?, deleted_ms = ? WHERE experiment = ?",
                   {static_cast<int64_t>(stage), stage == Stage::kDeleted ? Value(now_ms) : Value(), id}));
  return {};
}

Result<void> rename_experiment(RowWriter& rows, int64_t id, std::string_view name, int64_t now_ms) {
  MK_TRY(const Experiment experiment, read_experiment(rows, id));
  if (experiment.stage != Stage::kActive)
    return fail(Error{Code::kFailedPrecondition, "experiment_deleted",
                      fmt::format("the experiment {} is deleted and cannot be renamed", id),
                      "restore it first"});
  auto changed =
      rows.exec("UPDATE tracking_experiments SET name = ?, updated_ms = ? WHERE id = ?", {name, now_ms, id});
  if (!changed && changed.error().code == Code::kAlreadyExists)
    return fail(Error{Code::kAlreadyExists, "experiment_exists",
                      fmt::format("there is an experiment '{}' already", name), "take another name"});
  if (!changed) return fail(std::move(changed).error());
  return {};
}

Result<void> set_experiment_tag(RowWriter& rows, int64_t id, const Tag& tag) {
  MK_TRY([[maybe_unused]] auto changed,
         rows.exec("INSERT INTO tracking_experiment_tags(experiment, key, value) VALUES(?, ?, ?) "
                   "ON CONFLICT(experiment, key) DO UPDATE SET value = excluded.value",
                   {id, std::string_view(tag.key), std::string_view(tag.value)}));
  return {};
}

Result<bool> remove_experiment_tag(RowWriter& rows, int64_t id, std::string_view key) {
  MK_TRY(const int64_t changed,
         rows.exec("DELETE FROM tracking_experiment_tags WHERE experiment = ? AND key = ?", {id, key}));
  return changed > 0;
}

// ---- runs ----------------------------------------------------------------------------------------

Result<void> insert_run(RowWriter& rows, RunInfo& run) {
  MK_TRY(
      [[maybe_unused]] auto added,
      rows.exec(
          "INSERT INTO tracking_runs(id, experiment, name, user, status, start_ms, artifact_uri, stage) "
          "VALUES(?, ?, ?, ?, ?, ?, ?, 0)",
          {std::string_view(run.id), run.experiment, std::string_view(run.name), std::string_view(run.user),
           static_cast<int64_t>(run.status), run.start_ms, std::string_view(run.artifact_uri)}));
  run.number = rows.last_insert_id();
  return {};
}

Result<RunInfo> read_run_info(RowReader& rows, std::string_view run_id) {
  std::optional<RunInfo> found;
  MK_OK(
      rows.query("SELECT number, id, experiment, name, user, status, start_ms, end_ms, artifact_uri, stage "
                 "FROM tracking_runs WHERE id = ?",
                 {run_id}, [&](const Row& row) {
                   found = run_info_of(row);
                   return false;
                 }));
  if (!found) return no_run(run_id);
  return std::move(*found);
}

namespace {
Failure run_deleted(std::string_view run_id) {
  return fail(Error{Code::kFailedPrecondition, "run_deleted",
                    fmt::format("the run {} must be active, but it is deleted", run_id),
                    "restore it with runs/restore"});
}
}  // namespace

Result<RunInfo> active_run(RowReader& rows, std::string_view run_id) {
  MK_TRY(RunInfo run, read_run_info(rows, run_id));
  if (run.stage != Stage::kActive) return run_deleted(run_id);
  return run;
}

Result<RunPlace> active_run_place(RowReader& rows, std::string_view run_id) {
  RunPlace place;
  Stage stage = Stage::kActive;
  bool found = false;
  MK_OK(rows.query("SELECT number, experiment, stage FROM tracking_runs WHERE id = ?", {run_id},
                   [&](const Row& row) {
                     place = {row.integer(0), row.integer(1)};
                     stage = static_cast<Stage>(row.integer(2));
                     found = true;
                     return false;
                   }));
  if (!found) return no_run(run_id);
  if (stage != Stage::kActive) return run_deleted(run_id);
  return place;
}

Result<void> update_run(RowWriter& rows, const RunInfo& run) {
  MK_TRY([[maybe_unused]] auto changed,
         rows.exec("UPDATE tracking_runs SET name = ?, status = ?, end_ms = ? WHERE number = ?",
                   {std::string_view(run.name), static_cast<int64_t>(run.status),
                    run.end_ms ? Value(*run.end_ms) : Value(), run.number}));
  return {};
}

Result<void> set_run_stage(RowWriter& rows, std::string_view run_id, Stage stage, int64_t now_ms) {
  MK_TRY(const int64_t changed, rows.exec("UPDATE tracking_runs SET stage = ?, deleted_ms = ? WHERE id = ?",
                                          {static_cast<int64_t>(stage),
                                           stage == Stage::kDeleted ? Value(now_ms) : Value(), run_id}));
  if (changed == 0) return no_run(run_id);
  return {};
}

Result<void> set_tag(RowWriter& rows, int64_t run, const Tag& tag) {
  MK_TRY([[maybe_unused]] auto changed,
         rows.exec("INSERT INTO tracking_tags(run, key, value) VALUES(?, ?, ?) "
                   "ON CONFLICT(run, key) DO UPDATE SET value = excluded.value",
                   {run, std::string_view(tag.key), std::string_view(tag.value)}));
  return {};
}

Result<bool> remove_tag(RowWriter& rows, int64_t run, std::string_view key) {
  MK_TRY(const int64_t changed, rows.exec("DELETE FROM tracking_tags WHERE run = ? AND key = ?", {run, key}));
  return changed > 0;
}

Result<std::optional<std::string>> read_tag(RowReader& rows, int64_t run, std::string_view key) {
  std::optional<std::string> found;
  MK_OK(rows.query("SELECT value FROM tracking_tags WHERE run = ? AND key = ?", {run, key},
                   [&](const Row& row) {
                     found = std::string(row.text(0));
                     return false;
                   }));
  return found;
}

Result<void> add_param(RowWriter& rows, int64_t run, std::string_view run_id, const Param& param) {
  MK_TRY(const int64_t added,
         rows.exec("INSERT OR IGNORE INTO tracking_params(run, key, value) VALUES(?, ?, ?)",
                   {run, std::string_view(param.key), std::string_view(param.value)}));
  if (added > 0) return {};
  std::string there;
  MK_OK(rows.query("SELECT value FROM tracking_params WHERE run = ? AND key = ?",
                   {run, std::string_view(param.key)}, [&](const Row& row) {
                     there = row.text(0);
                     return false;
                   }));
  if (there == param.value) return {};
  return fail(Error{Code::kFailedPrecondition, "param_is_set",
                    fmt::format("the param '{}' of run {} is already '{}' and cannot become '{}'", param.key,
                                run_id, there.substr(0, 200), param.value.substr(0, 200)),
                    "a param is written once: use another key, a tag, or another run"});
}

Result<void> fold_metric(RowWriter& rows, int64_t run, const Series& series) {
  if (series.points.empty()) return {};
  const Point* latest = nullptr;
  std::optional<double> smallest, largest;
  for (const Point& point : series.points) {
    if (!latest || is_newer(point, *latest)) latest = &point;
    if (point.value != point.value) continue;
    if (!smallest || point.value < *smallest) smallest = point.value;
    if (!largest || point.value > *largest) largest = point.value;
  }
  // The comparison of is_newer() in SQL; NULL (NaN) counts as 0. min() and max() of two would be NULL if
  // either is.
  constexpr std::string_view kUpsert =
      "INSERT INTO tracking_metrics(run, key, value, step, timestamp_ms, smallest, largest, points) "
      "VALUES(?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(run, key) DO UPDATE SET "
      "value = CASE WHEN (excluded.step, excluded.timestamp_ms, ifnull(excluded.value, 0)) > "
      "(step, timestamp_ms, ifnull(value, 0)) THEN excluded.value ELSE value END, "
      "timestamp_ms = CASE WHEN (excluded.step, excluded.timestamp_ms) > (step, timestamp_ms) "
      "THEN excluded.timestamp_ms ELSE timestamp_ms END, "
      "step = max(step, excluded.step), "
      "smallest = min(ifnull(smallest, excluded.smallest), ifnull(excluded.smallest, smallest)), "
      "largest = max(ifnull(largest, excluded.largest), ifnull(excluded.largest, largest)), "
      "points = points + excluded.points";
  MK_TRY(
      [[maybe_unused]] auto changed,
      rows.exec(kUpsert, {run, std::string_view(series.key), value_of(latest->value), latest->step,
                          latest->timestamp_ms, smallest ? Value(*smallest) : Value(),
                          largest ? Value(*largest) : Value(), static_cast<int64_t>(series.points.size())}));
  return {};
}

Result<void> add_datasets(RowWriter& rows, const RunPlace& run, const std::vector<DatasetInput>& inputs) {
  for (const DatasetInput& input : inputs) {
    const Dataset& data = *input.dataset;
    MK_TRY(
        [[maybe_unused]] auto added,
        rows.exec(
            "INSERT OR IGNORE INTO tracking_datasets(experiment, name, digest, source_type, source, schema, "
            "profile) VALUES(?, ?, ?, ?, ?, ?, ?)",
            {run.experiment, std::string_view(data.name), std::string_view(data.digest),
             std::string_view(data.source_type), std::string_view(data.source), std::string_view(data.schema),
             std::string_view(data.profile)}));
    MK_TRY(
        [[maybe_unused]] auto linked,
        rows.exec("INSERT OR IGNORE INTO tracking_dataset_inputs(run, dataset, tags) "
                  "SELECT ?, id, ? FROM tracking_datasets WHERE experiment = ? AND name = ? AND digest = ?",
                  {run.number, json_of(input.tags), run.experiment, std::string_view(data.name),
                   std::string_view(data.digest)}));
  }
  return {};
}

Result<void> add_model_input(RowWriter& rows, int64_t run, std::string_view model_id) {
  MK_TRY([[maybe_unused]] auto added,
         rows.exec("INSERT OR IGNORE INTO tracking_model_inputs(run, model) VALUES(?, ?)", {run, model_id}));
  return {};
}

Result<void> add_model_output(RowWriter& rows, int64_t run, const ModelOutput& output) {
  MK_TRY([[maybe_unused]] auto added,
         rows.exec("INSERT INTO tracking_model_outputs(run, model, step) VALUES(?, ?, ?) "
                   "ON CONFLICT(run, model) DO UPDATE SET step = excluded.step",
                   {run, std::string_view(output.model_id), output.step}));
  return {};
}

}  // namespace mk::tracking

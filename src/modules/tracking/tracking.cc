#include "modules/tracking/tracking.h"

#include <algorithm>
#include <set>

#include "base/format.h"
#include "base/json.h"
#include "modules/tracking/limits.h"
#include "modules/tracking/run_name.h"
#include "modules/tracking/segment.h"
#include "modules/tracking/validate.h"

namespace mk::tracking {

using store::RowReader;
using store::RowWriter;

namespace {

// What other rooms may ask of runs and experiments.
class Directory final : public core::RunDirectory {
 public:
  explicit Directory(const store::Store& store) : store_(store) {}

  Result<Run> run(std::string_view id) const override {
    MK_OK(check_run_id(id));
    RunInfo info;
    MK_OK(store_.read([&](RowReader& rows) -> Result<void> {
      MK_TRY(info, read_run_info(rows, id));
      return {};
    }));
    return Run{info.id, std::to_string(info.experiment), info.artifact_uri};
  }

  Result<Experiment> experiment(std::string_view id) const override {
    MK_TRY(const int64_t number, parse_experiment_id(id));
    tracking::Experiment found;
    MK_OK(store_.read([&](RowReader& rows) -> Result<void> {
      MK_TRY(found, read_experiment(rows, number));
      return {};
    }));
    if (found.stage != Stage::kActive)
      return fail(Code::kNotFound, "experiment_not_found",
                  fmt::format("the experiment {} is deleted", number));
    return Experiment{std::to_string(found.id), found.artifact_location};
  }

 private:
  const store::Store& store_;
};

}  // namespace

Tracking::Tracking(Parts parts)
    : parts_(std::move(parts)),
      index_(parts_.store, parts_.executor, kIndexBytesMax),
      history_(std::make_shared<History>(parts_.store, parts_.executor)),
      directory_(std::make_unique<Directory>(parts_.store)) {}

// Completions run in order: behind this empty one there is none of ours.
Tracking::~Tracking() { (void)parts_.store.commit({}); }

Result<void> Tracking::need_run(std::string_view run_id) const {
  MK_TRY([[maybe_unused]] const auto there, directory_->run(run_id));
  return {};
}

Result<std::unique_ptr<Tracking>> Tracking::open(Parts parts) {
  auto tracking = std::unique_ptr<Tracking>(new Tracking(std::move(parts)));
  bool there = false;
  MK_OK(tracking->parts_.store.read([&](RowReader& rows) -> Result<void> {
    return there = read_experiment(rows, 0).has_value(), Result<void>();
  }));
  if (!there) {
    MK_OK(tracking->write([now = tracking->parts_.clock.now().ms()](RowWriter& rows) {
      return add_default_experiment(rows, now);
    }));
  }
  return tracking;
}

Result<void> Tracking::write(std::function<Result<void>(RowWriter&)> rows) {
  store::Txn txn;
  txn.rows = std::move(rows);
  auto committed = parts_.store.commit(std::move(txn));
  if (!committed) return fail(std::move(committed).error());
  return {};
}

// ---- experiments ---------------------------------------------------------------------------------

Result<int64_t> Tracking::create_experiment(NewExperiment wanted) {
  MK_OK(check_experiment_name(wanted.name));
  if (!wanted.artifact_location.empty()) MK_OK(check_artifact_location(wanted.artifact_location));
  if (wanted.tags.size() > kTagsAtCreateMax)
    return invalid(fmt::format("an experiment is created with at most {} tags, not {}", kTagsAtCreateMax,
                               wanted.tags.size()));
  for (const Tag& tag : wanted.tags) MK_OK(check_experiment_tag(tag));
  Experiment experiment;
  experiment.name = std::move(wanted.name);
  experiment.artifact_location = std::move(wanted.artifact_location);
  experiment.tags = std::move(wanted.tags);
  experiment.created_ms = parts_.clock.now().ms();
  int64_t id = 0;
  MK_OK(write([&](RowWriter& rows) -> Result<void> {
    MK_TRY(id, insert_experiment(rows, experiment));
    return {};
  }));
  return id;
}

Result<Experiment> Tracking::get_experiment(int64_t id) const {
  Experiment out;
  MK_OK(parts_.store.read([&](RowReader& rows) -> Result<void> {
    MK_TRY(out, read_experiment(rows, id));
    return {};
  }));
  return out;
}

Result<Experiment> Tracking::get_experiment(std::string_view name) const {
  Experiment out;
  MK_OK(parts_.store.read([&](RowReader& rows) -> Result<void> {
    MK_TRY(out, read_experiment(rows, name));
    return {};
  }));
  return out;
}

Result<ExperimentPage> Tracking::search_experiments(const ExperimentQuery& query) const {
  std::vector<Experiment> all;
  MK_OK(parts_.store.read([&](RowReader& rows) -> Result<void> {
    MK_TRY(all, read_experiments(rows));
    return {};
  }));
  return tracking::search_experiments(std::move(all), query);
}

Result<void> Tracking::move_experiment(int64_t id, Stage stage) {
  MK_OK(write([&, now = parts_.clock.now().ms()](RowWriter& rows) {
    return set_experiment_stage(rows, id, stage, now);
  }));
  index_.drop(id);
  return {};
}
Result<void> Tracking::delete_experiment(int64_t id) {
  return move_experiment(id, Stage::kDeleted);
}
Result<void> Tracking::restore_experiment(int64_t id) {
  return move_experiment(id, Stage::kActive);
}

Result<void> Tracking::rename_experiment(int64_t id, std::string_view name) {
  MK_OK(check_experiment_name(name));
  return write([&, now = parts_.clock.now().ms()](RowWriter& rows) {
    return tracking::rename_experiment(rows, id, name, now);
  });
}

namespace {
Result<void> need_active(RowReader& rows, int64_t experiment) {
  MK_TRY(const Experiment found, read_experiment(rows, experiment));
  if (found.stage == Stage::kActive) return {};
  return fail(Error{Code::kFailedPrecondition, "experiment_deleted",
                    fmt::format("the experiment {} must be active, but it is deleted", experiment),
                    "restore it with experiments/restore"});
}
}  // namespace

Result<void> Tracking::set_experiment_tag(int64_t id, const Tag& tag) {
  MK_OK(check_experiment_tag(tag));
  return write([&](RowWriter& rows) -> Result<void> {
    MK_OK(need_active(rows, id));
    return tracking::set_experiment_tag(rows, id, tag);
  });
}

Result<void> Tracking::delete_experiment_tag(int64_t id, std::string_view key) {
  return write([&](RowWriter& rows) -> Result<void> {
    MK_OK(need_active(rows, id));
    MK_TRY(const bool removed, remove_experiment_tag(rows, id, key));
    if (removed) return {};
    return fail(Code::kNotFound, "tag_not_found",
                fmt::format("the experiment {} has no tag '{}'", id, key.substr(0, kKeyCharactersMax)));
  });
}

Result<std::vector<DatasetSummary>> Tracking::search_datasets(const std::vector<int64_t>& experiments) const {
  std::vector<DatasetSummary> out;
  MK_OK(parts_.store.read([&](RowReader& rows) -> Result<void> {
    for (const int64_t id : experiments) {
      MK_TRY(auto some, read_dataset_summaries(rows, id, kDatasetSummariesMax - out.size()));
      std::ranges::move(some, std::back_inserter(out));
      if (out.size() >= kDatasetSummariesMax) break;
    }
    return {};
  }));
  return out;
}

// ---- runs: rare writes and reads -----------------------------------------------------------------

Result<RunList> Tracking::get_run(std::string_view run_id) const {
  MK_OK(check_run_id(run_id));
  auto keys = std::make_shared<KeyTable>();
  RunState state;
  MK_OK(parts_.store.read([&](RowReader& rows) -> Result<void> {
    MK_TRY(state, read_run(rows, run_id, *keys));
    return {};
  }));
  return RunList{{std::make_shared<RunState>(std::move(state))}, {std::move(keys)}};
}

Result<RunPage> Tracking::search_runs(const RunQuery& query) {
  if (query.experiments.size() > kSearchExperimentIdsMax)
    return invalid(fmt::format("experiment_ids has {} items; at most {} are allowed",
                               query.experiments.size(), kSearchExperimentIdsMax));
  MK_TRY(const RunSearch search, RunSearch::make(query));
  RunPage out;
  RunSearch::Hits hits;
  const std::set<int64_t> once(query.experiments.begin(), query.experiments.end());
  for (const int64_t id : once) MK_OK(index_.collect(id, search, hits, out.list.keys));
  RunSearch::Page page = search.page(std::move(hits), kSearchReplyBytesMax);
  out.list.runs = std::move(page.runs);
  out.next_page_token = std::move(page.next_page_token);
  return out;
}

Result<void> Tracking::write_run(std::string_view run_id,
                                 const std::function<Result<void>(RowWriter&, const RunPlace&)>& rows) {
  MK_OK(check_run_id(run_id));
  RunPlace place;
  MK_OK(write([&](RowWriter& writer) -> Result<void> {
    MK_TRY(place, active_run_place(writer, run_id));
    return rows(writer, place);
  }));
  index_.note({place.experiment, std::string(run_id), {}, {}, {}, {}, true});
  return {};
}

Result<void> Tracking::move_run(std::string_view run_id, Stage stage) {
  MK_OK(check_run_id(run_id));
  RunInfo info;
  MK_OK(write([&, now = parts_.clock.now().ms()](RowWriter& rows) -> Result<void> {
    MK_OK(set_run_stage(rows, run_id, stage, now));
    MK_TRY(info, read_run_info(rows, run_id));
    return {};
  }));
  index_.note({info.experiment, info.id, {}, {}, {}, {}, true});
  return {};
}
Result<void> Tracking::delete_run(std::string_view run_id) {
  return move_run(run_id, Stage::kDeleted);
}
Result<void> Tracking::restore_run(std::string_view run_id) {
  return move_run(run_id, Stage::kActive);
}

Result<void> Tracking::delete_tag(std::string_view run_id, std::string_view key) {
  return write_run(run_id, [&](RowWriter& rows, const RunPlace& run) -> Result<void> {
    MK_TRY(const bool removed, remove_tag(rows, run.number, key));
    if (removed) return {};
    return fail(Code::kNotFound, "tag_not_found",
                fmt::format("the run {} has no tag '{}'", run_id, key.substr(0, kKeyCharactersMax)));
  });
}

namespace {

Result<void> check_size(std::string_view what, size_t size, size_t most) {
  if (size <= most) return {};
  return invalid(
      fmt::format("the {} of a dataset has {} characters; at most {} are allowed", what, size, most));
}

Result<void> check_datasets(const std::vector<DatasetInput>& datasets) {
  if (datasets.size() > kDatasetsPerCallMax)
    return invalid(
        fmt::format("one call logs at most {} datasets, not {}", kDatasetsPerCallMax, datasets.size()));
  for (const DatasetInput& input : datasets) {
    const Dataset& data = *input.dataset;
    if (data.name.empty() || data.digest.empty() || data.source_type.empty() || data.source.empty())
      return invalid("a dataset needs a name, a digest, a source_type and a source");
    MK_OK(check_size("name", characters(data.name), kDatasetNameMax));
    MK_OK(check_size("digest", characters(data.digest), kDatasetDigestMax));
    MK_OK(check_size("source_type", data.source_type.size(), kDatasetNameMax));
    MK_OK(check_size("source", data.source.size(), kDatasetSourceBytesMax));
    MK_OK(check_size("schema", data.schema.size(), kDatasetSchemaBytesMax));
    MK_OK(check_size("profile", data.profile.size(), kDatasetProfileBytesMax));
    if (input.tags.size() > kBatchTagsMax)
      return invalid(fmt::format("a dataset has at most {} tags, not {}", kBatchTagsMax, input.tags.size()));
    for (const Tag& tag : input.tags) {
      if (tag.key.empty()) return invalid("a tag of a dataset needs a key");
      MK_OK(check_size("tag key", characters(tag.key), kInputTagKeyMax));
      MK_OK(check_size("tag value", characters(tag.value), kInputTagValueMax));
    }
  }
  return {};
}

Result<void> check_models(size_t count) {
  if (count <= kModelsPerCallMax) return {};
  return invalid(fmt::format("one call logs at most {} models, not {}", kModelsPerCallMax, count));
}

Result<void> check_model_id(std::string_view id) {
  if (!id.empty() && characters(id) <= kModelIdCharactersMax) return {};
  return invalid(
      fmt::format("a model_id has 1 to {} characters, not {}", kModelIdCharactersMax, characters(id)));
}

}  // namespace

Result<void> Tracking::log_inputs(std::string_view run_id, std::vector<DatasetInput> datasets,
                                  const std::vector<std::string>& models) {
  MK_OK(check_datasets(datasets));
  MK_OK(check_models(models.size()));
  for (const std::string& model : models) MK_OK(check_model_id(model));
  return write_run(run_id, [&](RowWriter& rows, const RunPlace& run) -> Result<void> {
    MK_OK(add_datasets(rows, run, datasets));
    for (const std::string& model : models) MK_OK(add_model_input(rows, run.number, model));
    return {};
  });
}

Result<void> Tracking::log_outputs(std::string_view run_id, const std::vector<ModelOutput>& models) {
  MK_OK(check_models(models.size()));
  for (const ModelOutput& model : models) MK_OK(check_model_id(model.model_id));
  return write_run(run_id, [&](RowWriter& rows, const RunPlace& run) -> Result<void> {
    for (const ModelOutput& model : models) MK_OK(add_model_output(rows, run.number, model));
    return {};
  });
}

Result<void> Tracking::log_model_record(std::string_view run_id, std::string_view model_json) {
  MK_TRY(const Json model, Json::parse(model_json));
  if (!model.is_object()) return invalid("the value of 'model_json' must be the text of a JSON object");
  for (const char* field : {"artifact_path", "flavors", "utc_time_created", "run_id"}) {
    if (!model.contains(field)) return invalid(fmt::format("the model in 'model_json' has no '{}'", field));
  }
  return write_run(run_id, [&](RowWriter& rows, const RunPlace& run) -> Result<void> {
    MK_TRY(const auto before, read_tag(rows, run.number, kLoggedModelsTag));
    Json list = Json::array();
    if (before) {
      MK_TRY(list, Json::parse(*before));
      if (!list.is_array()) list = Json::array();
    }
    list.push_back(model);
    std::string text = list.dump();
    if (characters(text) > kTagCharactersMax)
      return invalid(
          fmt::format("the run's record of logged models would have {} characters; at most {} are kept",
                      characters(text), kTagCharactersMax));
    return set_tag(rows, run.number, {std::string(kLoggedModelsTag), std::move(text)});
  });
}

// ---- histories -----------------------------------------------------------------------------------

Result<HistoryPage> Tracking::metric_history(std::string_view run_id, std::string_view key, size_t points_max,
                                             std::string_view page_token) {
  MK_OK(need_run(run_id));
  return history_->page(run_id, key, points_max, page_token);
}

Result<std::vector<Point>> Tracking::sampled_history(std::string_view run_id, std::string_view key,
                                                     size_t points_max,
                                                     std::optional<std::pair<int64_t, int64_t>> steps) {
  MK_OK(need_run(run_id));
  return history_->sample(run_id, key, points_max, steps);
}

}  // namespace mk::tracking

// Whole runs out of the tables: one, or all of an experiment.
#include <limits>
#include <unordered_map>

#include "base/json.h"
#include "modules/tracking/repository.h"

namespace mk::tracking {
namespace {

using store::Row;
using store::RowReader;

// Statements come in pairs: for one run, and for all runs of an experiment in the order of their numbers.
struct Statements {
  std::string_view metrics, params, tags, datasets, model_inputs, model_outputs;
};
constexpr Statements kOne = {
    "SELECT run, key, value, step, timestamp_ms FROM tracking_metrics WHERE run = ?",
    "SELECT run, key, value FROM tracking_params WHERE run = ?",
    "SELECT run, key, value FROM tracking_tags WHERE run = ?",
    "SELECT i.run, i.tags, d.id, d.name, d.digest, d.source_type, d.source, d.schema, d.profile "
    "FROM tracking_dataset_inputs i JOIN tracking_datasets d ON d.id = i.dataset WHERE i.run = ?",
    "SELECT run, model FROM tracking_model_inputs WHERE run = ?",
    "SELECT run, model, step FROM tracking_model_outputs WHERE run = ?"};
constexpr Statements kAll = {
    "SELECT t.run, t.key, t.value, t.step, t.timestamp_ms FROM tracking_runs r CROSS JOIN tracking_metrics t "
    "ON t.run = r.number WHERE r.experiment = ? AND r.number > ? AND r.number <= ?",
    "SELECT t.run, t.key, t.value FROM tracking_runs r CROSS JOIN tracking_params t ON t.run = r.number "
    "WHERE r.experiment = ? AND r.number > ? AND r.number <= ?",
    "SELECT t.run, t.key, t.value FROM tracking_runs r CROSS JOIN tracking_tags t ON t.run = r.number "
    "WHERE r.experiment = ? AND r.number > ? AND r.number <= ?",
    "SELECT i.run, i.tags, d.id, d.name, d.digest, d.source_type, d.source, d.schema, d.profile "
    "FROM tracking_datasets d CROSS JOIN tracking_dataset_inputs i ON i.dataset = d.id WHERE d.experiment = ? "
    "AND i.run > ? AND i.run <= ?",
    "SELECT t.run, t.model FROM tracking_runs r CROSS JOIN tracking_model_inputs t ON t.run = r.number "
    "WHERE r.experiment = ? AND r.number > ? AND r.number <= ?",
    "SELECT t.run, t.model, t.step FROM tracking_runs r CROSS JOIN tracking_model_outputs t ON t.run = "
    "r.number "
    "WHERE r.experiment = ? AND r.number > ? AND r.number <= ?"};

class Filler {
 public:
  Filler(std::vector<RunState>& runs, KeyTable& keys) : runs_(runs), keys_(keys) {
    for (size_t i = 0; i < runs.size(); ++i) by_number_.emplace(runs[i].info.number, i);
    links_.resize(runs.size());
  }

  Result<void> fill(RowReader& rows, const Statements& statements,
                    const std::vector<store::Value>& arguments) {
    MK_OK(rows.query(statements.metrics, arguments, [&](const Row& row) {
      if (RunState* run = at(row)) {
        const double value = row.is_null(2) ? std::numeric_limits<double>::quiet_NaN() : row.number(2);
        run->metrics.push_back({keys_.add(row.text(1)), {row.integer(4), row.integer(3), value}});
      }
      return true;
    }));
    MK_OK(texts(rows, statements.params, arguments, &RunState::params));
    MK_OK(texts(rows, statements.tags, arguments, &RunState::tags));
    MK_OK(rows.query(statements.datasets, arguments, [&](const Row& row) {
      if (RunLinks* links = links_at(row)) links->datasets.push_back({dataset(row), tags(row.text(1))});
      return true;
    }));
    MK_OK(rows.query(statements.model_inputs, arguments, [&](const Row& row) {
      if (RunLinks* links = links_at(row)) links->model_inputs.emplace_back(row.text(1));
      return true;
    }));
    MK_OK(rows.query(statements.model_outputs, arguments, [&](const Row& row) {
      if (RunLinks* links = links_at(row))
        links->model_outputs.push_back({std::string(row.text(1)), row.integer(2)});
      return true;
    }));
    for (size_t i = 0; i < runs_.size(); ++i) {
      std::ranges::sort(runs_[i].metrics, std::less<>{}, &MetricCell::key);
      std::ranges::sort(runs_[i].params, std::less<>{}, &TextCell::key);
      std::ranges::sort(runs_[i].tags, std::less<>{}, &TextCell::key);
      runs_[i].links = std::move(links_[i]);
    }
    return {};
  }

 private:
  size_t index(const Row& row) {
    const int64_t number = row.integer(0);
    if (last_ < runs_.size() && runs_[last_].info.number == number) return last_;  // rows come grouped by run
    const auto it = by_number_.find(number);
    return last_ = it == by_number_.end() ? runs_.size() : it->second;
  }
  RunState* at(const Row& row) {
    const size_t i = index(row);
    return i < runs_.size() ? &runs_[i] : nullptr;
  }
  RunLinks* links_at(const Row& row) {
    const size_t i = index(row);
    if (i == runs_.size()) return nullptr;
    if (!links_[i]) links_[i] = std::make_shared<RunLinks>();
    return links_[i].get();
  }

  Result<void> texts(RowReader& rows, std::string_view sql, const std::vector<store::Value>& arguments,
                     std::vector<TextCell> RunState::* cells) {
    return rows.query(sql, arguments, [&](const Row& row) {
      if (RunState* run = at(row))
        (run->*cells).push_back({keys_.add(row.text(1)), std::string(row.text(2))});
      return true;
    });
  }

  std::shared_ptr<const Dataset> dataset(const Row& row) {
    std::shared_ptr<const Dataset>& known = datasets_[row.integer(2)];
    if (!known)
      known = std::make_shared<Dataset>(Dataset{std::string(row.text(3)), std::string(row.text(4)),
                                                std::string(row.text(5)), std::string(row.text(6)),
                                                std::string(row.text(7)), std::string(row.text(8))});
    return known;
  }

  static std::vector<Tag> tags(std::string_view text) {
    std::vector<Tag> out;
    const auto json = Json::parse(text);
    if (!json) return out;
    for (const Json& item : json->items())
      out.push_back({std::string(item[0].text()), std::string(item[1].text())});
    return out;
  }

  std::vector<RunState>& runs_;
  KeyTable& keys_;
  std::unordered_map<int64_t, size_t> by_number_;
  std::vector<std::shared_ptr<RunLinks>> links_;
  std::unordered_map<int64_t, std::shared_ptr<const Dataset>> datasets_;
  size_t last_ = 0;
};

}  // namespace

Result<RunState> read_run(RowReader& rows, std::string_view run_id, KeyTable& keys) {
  std::vector<RunState> one(1);
  MK_TRY(one[0].info, read_run_info(rows, run_id));
  MK_OK(Filler(one, keys).fill(rows, kOne, {one[0].info.number}));
  return std::move(one[0]);
}

Result<std::vector<RunState>> read_runs(RowReader& rows, int64_t experiment, int64_t after, size_t count_max,
                                        KeyTable& keys) {
  std::vector<RunState> runs;
  MK_OK(
      rows.query("SELECT number, id, experiment, name, user, status, start_ms, end_ms, artifact_uri, stage "
                 "FROM tracking_runs WHERE experiment = ? AND number > ? ORDER BY number LIMIT ?",
                 {experiment, after, static_cast<int64_t>(count_max)}, [&](const Row& row) {
                   runs.emplace_back().info = run_info_of(row);
                   return true;
                 }));
  if (runs.empty()) return runs;
  MK_OK(Filler(runs, keys).fill(rows, kAll, {experiment, after, runs.back().info.number}));
  return runs;
}

Result<std::vector<DatasetSummary>> read_dataset_summaries(RowReader& rows, int64_t experiment,
                                                           size_t count_max) {
  std::vector<DatasetSummary> out;
  MK_OK(rows.query(
      "SELECT DISTINCT d.name, d.digest, (SELECT json_extract(tag.value, '$[1]') FROM json_each(i.tags) tag "
      "WHERE json_extract(tag.value, '$[0]') = 'mlflow.data.context') "
      "FROM tracking_datasets d JOIN tracking_dataset_inputs i ON i.dataset = d.id WHERE d.experiment = ?",
      {experiment}, [&](const Row& row) {
        DatasetSummary one{experiment, std::string(row.text(0)), std::string(row.text(1)), {}};
        if (!row.is_null(2)) one.context = std::string(row.text(2));
        out.push_back(std::move(one));
        return out.size() < count_max;
      }));
  return out;
}

}  // namespace mk::tracking

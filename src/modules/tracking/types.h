// The nouns of tracking, as plain values.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports.h"

namespace mk::tracking {

enum class RunStatus : uint8_t { kRunning = 1, kScheduled, kFinished, kFailed, kKilled };  // MLflow's numbers
inline constexpr std::string_view kRunStatusNames[] = {"RUNNING", "SCHEDULED", "FINISHED", "FAILED",
                                                       "KILLED"};
inline std::string_view status_name(RunStatus status) {
  return kRunStatusNames[static_cast<size_t>(status) - 1];
}

enum class Stage : uint8_t { kActive, kDeleted };
inline std::string_view stage_name(Stage stage) {
  return stage == Stage::kActive ? "active" : "deleted";
}

enum class View : uint8_t { kActiveOnly, kDeletedOnly, kAll };
inline bool shows(View view, Stage stage) {
  return view == View::kAll || (view == View::kActiveOnly) == (stage == Stage::kActive);
}

// Set by MLflow clients; the server gives it a meaning: it is the run's name.
inline constexpr std::string_view kRunNameTag = "mlflow.runName";
inline constexpr std::string_view kDatasetContextTag = "mlflow.data.context";
inline constexpr std::string_view kLoggedModelsTag = "mlflow.log-model.history";

struct Tag {
  std::string key, value;
  bool operator==(const Tag&) const = default;
};
using Param = Tag;

struct Experiment {
  int64_t id = 0;
  std::string name;
  std::string artifact_location;
  Stage stage = Stage::kActive;
  int64_t created_ms = 0, updated_ms = 0;
  std::vector<Tag> tags;
};

struct RunInfo {
  int64_t number = 0;  // row number: what other tables call it
  std::string id;      // 32 hex digits
  int64_t experiment = 0;
  std::string name, user;
  RunStatus status = RunStatus::kRunning;
  int64_t start_ms = 0;
  std::optional<int64_t> end_ms;
  std::string artifact_uri;
  Stage stage = Stage::kActive;
};

// One logged value. NaN is a value; infinities were made the largest finite numbers at the door, as MLflow
// does.
struct Point {
  int64_t timestamp_ms = 0, step = 0;
  double value = 0;
};

// All points of one metric in one request, in the order they came.
struct Series {
  std::string key;
  std::vector<Point> points;
};

struct Dataset {
  std::string name, digest, source_type, source, schema, profile;
};
struct DatasetInput {
  std::shared_ptr<const Dataset> dataset;
  std::vector<Tag> tags;
};
struct ModelOutput {
  std::string model_id;
  int64_t step = 0;
};

// Everything one request logs to one run; all of it or nothing.
struct Batch {
  std::string run_id;
  std::vector<Series> metrics;
  std::vector<Param> params;
  std::vector<Tag> tags;
  std::vector<core::ModelMetric> model_metrics;  // those of `metrics` that belong to a logged model too
};

}  // namespace mk::tracking

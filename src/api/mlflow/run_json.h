// Experiments, runs and points as MLflow prints them: snake_case, 64-bit integers as JSON numbers, absent
// fields left out. Written straight into text: a page of search results holds tens of thousands of cells.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "modules/tracking/run_state.h"
#include "modules/tracking/tracking.h"
#include "modules/tracking/types.h"

namespace mk::api::mlflow {

void append_experiment(std::string& out, const tracking::Experiment& experiment);
void append_run_info(std::string& out, const tracking::RunInfo& info);
void append_run(std::string& out, const tracking::RunState& run);
void append_created_run(std::string& out, const tracking::CreatedRun& run);
// {"key": ..., "value": ..., "timestamp": ..., "step": ...}; with `run_id` when it is not empty.
void append_point(std::string& out, std::string_view key_json, const tracking::Point& point,
                  std::string_view run_id = {});
// NaN as "NaN": protobuf's JSON.
void append_value(std::string& out, double value);
void append_integer(std::string& out, int64_t value);

}  // namespace mk::api::mlflow

#include "api/mlflow/run_json.h"

#include <charconv>
#include <cmath>

#include "base/json.h"

namespace mk::api::mlflow {
namespace {

using tracking::Tag;

void append_field(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, value);
}

void append_pair(std::string& out, std::string_view key_json, std::string_view value) {
  out += "{\"key\":";
  out += key_json;
  out += ",\"value\":";
  append_json_string(out, value);
  out += '}';
}

// `,"name":[...]`, or nothing for an empty list.
template <typename List, typename Each>
void append_list(std::string& out, std::string_view name, const List& list, Each each) {
  if (list.empty()) return;
  if (out.back() != '{') out += ',';
  out += '"';
  out += name;
  out += "\":[";
  bool first = true;
  for (const auto& item : list) {
    if (!first) out += ',';
    first = false;
    each(item);
  }
  out += ']';
}

void append_tags(std::string& out, std::string_view name, const std::vector<Tag>& tags) {
  append_list(out, name, tags, [&](const Tag& tag) {
    std::string key;
    append_json_string(key, tag.key);
    append_pair(out, key, tag.value);
  });
}

void append_dataset(std::string& out, const tracking::DatasetInput& input) {
  const tracking::Dataset& data = *input.dataset;
  out += '{';
  append_tags(out, "tags", input.tags);
  if (out.back() != '{') out += ',';
  out += "\"dataset\":{\"name\":";
  append_json_string(out, data.name);
  append_field(out, "digest", data.digest);
  append_field(out, "source_type", data.source_type);
  append_field(out, "source", data.source);
  append_field(out, "schema", data.schema);
  append_field(out, "profile", data.profile);
  out += "}}";
}

void append_links(std::string& out, const tracking::RunLinks* links) {
  static const tracking::RunLinks kNone;
  if (!links) links = &kNone;
  out += ",\"inputs\":{";
  append_list(out, "dataset_inputs", links->datasets, [&](const auto& input) { append_dataset(out, input); });
  append_list(out, "model_inputs", links->model_inputs, [&](const std::string& model) {
    out += "{\"model_id\":";
    append_json_string(out, model);
    out += '}';
  });
  out += "},\"outputs\":{";
  append_list(out, "model_outputs", links->model_outputs, [&](const tracking::ModelOutput& output) {
    out += "{\"model_id\":";
    append_json_string(out, output.model_id);
    out += ",\"step\":";
    append_integer(out, output.step);
    out += '}';
  });
  out += '}';
}

}  // namespace

void append_integer(std::string& out, int64_t value) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

void append_value(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "\"NaN\"";
  } else {
    append_json_number(out, value);
  }
}

void append_experiment(std::string& out, const tracking::Experiment& experiment) {
  out += "{\"experiment_id\":\"";
  append_integer(out, experiment.id);
  out += '"';
  append_field(out, "name", experiment.name);
  append_field(out, "artifact_location", experiment.artifact_location);
  append_field(out, "lifecycle_stage", stage_name(experiment.stage));
  out += ",\"last_update_time\":";
  append_integer(out, experiment.updated_ms);
  out += ",\"creation_time\":";
  append_integer(out, experiment.created_ms);
  append_tags(out, "tags", experiment.tags);
  out += ",\"workspace\":\"default\"}";  // the one that clients without workspaces mean
}

void append_run_info(std::string& out, const tracking::RunInfo& info) {
  out += "{\"run_id\":\"";
  out += info.id;
  out += "\",\"run_uuid\":\"";
  out += info.id;
  out += "\",\"experiment_id\":\"";
  append_integer(out, info.experiment);
  out += '"';
  append_field(out, "run_name", info.name);
  append_field(out, "user_id", info.user);
  append_field(out, "status", status_name(info.status));
  out += ",\"start_time\":";
  append_integer(out, info.start_ms);
  if (info.end_ms) {
    out += ",\"end_time\":";
    append_integer(out, *info.end_ms);
  }
  append_field(out, "artifact_uri", info.artifact_uri);
  append_field(out, "lifecycle_stage", stage_name(info.stage));
  out += '}';
}

void append_point(std::string& out, std::string_view key_json, const tracking::Point& point,
                  std::string_view run_id) {
  out += "{\"key\":";
  out += key_json;
  out += ",\"value\":";
  append_value(out, point.value);
  out += ",\"timestamp\":";
  append_integer(out, point.timestamp_ms);
  out += ",\"step\":";
  append_integer(out, point.step);
  append_field(out, "run_id", run_id);
  out += '}';
}

void append_run(std::string& out, const tracking::RunState& run) {
  out += "{\"info\":";
  append_run_info(out, run.info);
  out += ",\"data\":{";
  append_list(out, "metrics", run.metrics,
              [&](const tracking::MetricCell& cell) { append_point(out, cell.key->json, cell.latest); });
  append_list(out, "params", run.params,
              [&](const tracking::TextCell& cell) { append_pair(out, cell.key->json, cell.value); });
  append_list(out, "tags", run.tags,
              [&](const tracking::TextCell& cell) { append_pair(out, cell.key->json, cell.value); });
  out += '}';
  append_links(out, run.links.get());
  out += '}';
}

void append_created_run(std::string& out, const tracking::CreatedRun& run) {
  out += "{\"info\":";
  append_run_info(out, run.info);
  out += ",\"data\":{";
  append_tags(out, "tags", run.tags);
  out += "},\"inputs\":{}}";
}

}  // namespace mk::api::mlflow

#include "api/mlflow/batch_reader.h"

#include <simdjson.h>

#include <algorithm>

#include "base/format.h"
#include "modules/tracking/limits.h"

namespace mk::api::mlflow {
namespace {

using tracking::Batch;
using tracking::Point;
using tracking::Series;
using tracking::Tag;
namespace ondemand = simdjson::ondemand;

// Finds the series of a key; batches have few keys, or each key once and then in the order they came.
class SeriesFinder {
 public:
  explicit SeriesFinder(Batch& batch) : batch_(batch) {}
  Series& at(std::string_view key) {
    auto& series = batch_.metrics;
    if (series.size() < 16) {
      const auto it = std::ranges::find(series, key, &Series::key);
      if (it != series.end()) return *it;
    } else {
      if (by_key_.empty())
        for (size_t i = 0; i < series.size(); ++i) by_key_.emplace(series[i].key, i);
      const auto it = by_key_.find(key);
      if (it != by_key_.end()) return series[it->second];
      by_key_.emplace(std::string(key), series.size());
    }
    return series.emplace_back(Series{std::string(key), {}});
  }

 private:
  Batch& batch_;
  std::map<std::string, size_t, std::less<>> by_key_;
};

// ---- the plain way: any surprise gives false, and the slow way looks again ----------------------

bool read_text(ondemand::value& value, std::string& out) {
  std::string_view text;
  if (value.get_string().get(text)) return false;
  out = text;
  return true;
}

struct RawMetric {
  std::string_view key;
  Point point;
};

// One metric's fields; unknown fields and repetitions are left to the slow way.
class MetricFields {
 public:
  bool take(std::string_view name, ondemand::value& value) {
    if (name == "key") return once(1) && !value.get_string().get(metric.key);
    if (name == "value") return once(2) && !value.get_double().get(metric.point.value);
    if (name == "timestamp") return once(4) && !value.get_int64().get(metric.point.timestamp_ms);
    if (name == "step") return once(8) && !value.get_int64().get(metric.point.step);
    return false;
  }
  bool complete() const { return (seen_ & 7) == 7; }
  RawMetric metric;

 private:
  bool once(unsigned bit) {
    const bool fresh = !(seen_ & bit);
    seen_ |= bit;
    return fresh;
  }
  unsigned seen_ = 0;
};

bool read_metrics(ondemand::array array, Batch& batch) {
  SeriesFinder series(batch);
  for (auto item : array) {
    ondemand::object object;
    if (item.get_object().get(object)) return false;
    MetricFields fields;
    for (auto member : object) {
      std::string_view name;
      ondemand::value value;
      if (member.unescaped_key().get(name) || member.value().get(value) || !fields.take(name, value))
        return false;
    }
    if (!fields.complete()) return false;
    series.at(fields.metric.key).points.push_back(fields.metric.point);
  }
  return true;
}

bool read_pairs(ondemand::array array, std::vector<Tag>& out) {
  for (auto item : array) {
    ondemand::object object;
    if (item.get_object().get(object)) return false;
    Tag tag;
    unsigned seen = 0;
    for (auto member : object) {
      std::string_view name;
      ondemand::value value;
      if (member.unescaped_key().get(name) || member.value().get(value)) return false;
      const unsigned bit = name == "key" ? 1 : name == "value" ? 2 : 0;
      if (bit == 0 || (seen & bit) || !read_text(value, bit == 1 ? tag.key : tag.value)) return false;
      seen |= bit;
    }
    if (seen != 3) return false;
    out.push_back(std::move(tag));
  }
  return true;
}

bool read_plain_batch(ondemand::object object, Batch& batch) {
  unsigned seen = 0;
  for (auto member : object) {
    std::string_view name;
    ondemand::value value;
    if (member.unescaped_key().get(name) || member.value().get(value)) return false;
    const unsigned bit = name == "run_id"    ? 1
                         : name == "metrics" ? 2
                         : name == "params"  ? 4
                         : name == "tags"    ? 8
                                             : 0;
    if (bit == 0 || (seen & bit)) return false;
    seen |= bit;
    ondemand::array array;
    if (bit == 1) {
      if (!read_text(value, batch.run_id)) return false;
    } else if (value.get_array().get(array)) {
      return false;
    } else if (bit == 2 ? !read_metrics(array, batch)
                        : !read_pairs(array, bit == 4 ? batch.params : batch.tags)) {
      return false;
    }
  }
  return (seen & 1) != 0;
}

bool read_plain_metric(ondemand::object object, Batch& batch) {
  MetricFields fields;
  for (auto member : object) {
    std::string_view name;
    ondemand::value value;
    if (member.unescaped_key().get(name) || member.value().get(value)) return false;
    if (name == "run_id") {
      if (!batch.run_id.empty() || !read_text(value, batch.run_id)) return false;
    } else if (name == "run_uuid") {  // clients send both, alike
      std::string_view ignored;
      if (value.get_string().get(ignored)) return false;
    } else if (!fields.take(name, value)) {
      return false;
    }
  }
  if (!fields.complete() || batch.run_id.empty()) return false;
  batch.metrics.push_back({std::string(fields.metric.key), {fields.metric.point}});
  return true;
}

std::optional<Batch> read_plain(std::string& body, bool (*read)(ondemand::object, Batch&)) {
  thread_local ondemand::parser parser;
  body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
  ondemand::document document;
  ondemand::object object;
  Batch batch;
  if (parser.iterate(body.data(), body.size(), body.capacity() + 1).get(document)) return std::nullopt;
  if (document.get_object().get(object) || !read(object, batch) || !document.at_end()) return std::nullopt;
  return batch;
}

// ---- the slow way -------------------------------------------------------------------------------

Result<void> read_metric(const Arguments& fields, SeriesFinder& series, Batch& batch) {
  MK_TRY(std::string key, fields.text("key"));
  Point point;
  MK_TRY(point.value, fields.number("value"));
  MK_TRY(point.timestamp_ms, fields.integer("timestamp"));
  MK_TRY(const auto step, fields.integer_if_any("step"));
  point.step = step.value_or(0);
  MK_TRY(auto model, fields.text_if_any("model_id"));
  MK_TRY(auto dataset_name, fields.text_if_any("dataset_name"));
  MK_TRY(auto dataset_digest, fields.text_if_any("dataset_digest"));
  series.at(key).points.push_back(point);
  if (model && !model->empty())
    batch.model_metrics.push_back({std::move(*model), batch.run_id, std::move(key), point.value,
                                   point.timestamp_ms, point.step, dataset_name.value_or(""),
                                   dataset_digest.value_or("")});
  return {};
}

Result<std::vector<Tag>> read_tags(const Arguments& arguments, std::string_view field) {
  MK_TRY(const auto items, arguments.objects(field));
  std::vector<Tag> out;
  for (const Arguments& item : items) {
    MK_TRY(std::string key, item.text("key"));
    MK_TRY(auto value, item.text_if_any("value"));
    out.push_back({std::move(key), value.value_or("")});
  }
  return out;
}

}  // namespace

Result<std::string> run_id_of(const Arguments& arguments) {
  return arguments.text(arguments.has("run_id") || !arguments.has("run_uuid") ? "run_id" : "run_uuid");
}

Result<Batch> read_log_metric(const Arguments& arguments) {
  Batch batch;
  MK_TRY(batch.run_id, run_id_of(arguments));
  SeriesFinder series(batch);
  MK_OK(read_metric(arguments, series, batch));
  return batch;
}

Result<Batch> read_log_batch(const Arguments& arguments) {
  Batch batch;
  MK_TRY(batch.run_id, run_id_of(arguments));
  SeriesFinder series(batch);
  MK_TRY(const auto metrics, arguments.objects("metrics"));
  for (const Arguments& metric : metrics) MK_OK(read_metric(metric, series, batch));
  MK_TRY(batch.params, read_tags(arguments, "params"));
  MK_TRY(batch.tags, read_tags(arguments, "tags"));
  return batch;
}

Result<Batch> read_log_metric(net::Request& request) {
  if (auto plain = read_plain(request.body, read_plain_metric)) return std::move(*plain);
  MK_TRY(const Arguments arguments, Arguments::read(request));
  return read_log_metric(arguments);
}

Result<Batch> read_log_batch(net::Request& request) {
  if (auto plain = read_plain(request.body, read_plain_batch)) return std::move(*plain);
  MK_TRY(const Arguments arguments, Arguments::read(request));
  return read_log_batch(arguments);
}

}  // namespace mk::api::mlflow

#include "modules/tracking/validate.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "base/format.h"
#include "blob/blob.h"
#include "modules/tracking/limits.h"

namespace mk::tracking {
namespace {

Failure bad(std::string_view field, std::string message) {
  return fail(Error{Code::kInvalidArgument, "invalid", std::move(message)}.at_field(std::string(field)));
}

std::string shown(std::string_view text) {
  return text.size() <= 100 ? std::string(text) : std::string(text.substr(0, 97)) + "...";
}

bool key_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.' || c == ' ' || c == ':' || c == '/' || static_cast<unsigned char>(c) >= 0x80;
}

// A name that, read as a path, would be another one: "a//b", "a/", "../a", "/a", ".".
bool is_its_own_path(std::string_view key) {
  size_t start = 0;
  while (true) {
    const size_t end = std::min(key.find('/', start), key.size());
    const std::string_view part = key.substr(start, end - start);
    if (part.empty() || part == "." || part == "..") return false;
    if (end == key.size()) return true;
    start = end + 1;
  }
}

bool id_text(std::string_view id, size_t most) {
  return !id.empty() && id.size() <= most && id[0] != '-' && id[0] != '_' &&
         std::ranges::all_of(id, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                  c == '-';
         });
}

Result<void> check_count(std::string_view what, size_t count, size_t most) {
  if (count <= most) return {};
  return bad(what, fmt::format("one batch may hold {} {}, this one has {}; send several batches", most, what,
                               count));
}

}  // namespace

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string cut(std::string text, size_t characters_max) {
  if (text.size() <= characters_max) return text;
  size_t seen = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
    if (seen++ == characters_max) {
      text.resize(i);
      break;
    }
  }
  return text;
}

Result<void> check_key(std::string_view key, std::string_view field) {
  if (key.empty()) return bad(field, fmt::format("'{}' is missing; give it a name", field));
  if (characters(key) > kKeyCharactersMax)
    return bad(field, fmt::format("'{}' has {} characters; a name has at most {}", field, characters(key),
                                  kKeyCharactersMax));
  if (!std::ranges::all_of(key, key_byte))
    return bad(field, fmt::format("'{}' is '{}'; a name has only letters, digits, _ - . : / and spaces",
                                  field, shown(key)));
  if (!is_its_own_path(key))
    return bad(
        field,
        fmt::format(
            "'{}' is '{}', which means another name when read as a path; leave out empty, . and .. parts",
            field, shown(key)));
  return {};
}

Result<void> check_experiment_name(std::string_view name) {
  if (name.empty()) return bad("name", "the experiment needs a name that is not empty");
  if (characters(name) > kExperimentNameCharactersMax)
    return bad("name", fmt::format("the experiment's name has {} characters; at most {} are allowed",
                                   characters(name), kExperimentNameCharactersMax));
  return {};
}

Result<void> check_experiment_tag(const Tag& tag) {
  MK_OK(check_key(tag.key, "key"));
  if (characters(tag.value) > kExperimentTagCharactersMax)
    return bad("value", fmt::format("the tag '{}' has {} characters; at most {} are allowed", shown(tag.key),
                                    characters(tag.value), kExperimentTagCharactersMax));
  return {};
}

Result<void> check_artifact_location(std::string_view location) {
  static constexpr std::string_view kRemote[] = {"s3://",    "gs://",   "wasb://",   "wasbs://", "abfs://",
                                                 "abfss://", "hdfs://", "viewfs://", "dbfs:/",   "http://",
                                                 "https://", "r2://",   "sftp://",   "ftp://",   "uc://"};
  const auto refuse = [&](std::string_view why) {
    return bad(
        "artifact_location",
        fmt::format(
            "the artifact_location '{}' {}; leave it out, or use mlflow-artifacts:/PATH or s3://BUCKET/PATH",
            shown(location), why));
  };
  if (location.size() > kArtifactLocationBytesMax) return refuse("is too long");
  if (location.find_first_of("?#;\\%") != std::string_view::npos ||
      location.find("..") != std::string_view::npos ||
      std::ranges::any_of(location, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
    return refuse("holds one of ? # ; % \\ .. or a control character");
  if (constexpr std::string_view kOurs = "mlflow-artifacts:/"; location.starts_with(kOurs)) {
    std::string_view path = location.substr(kOurs.size());
    if (path.starts_with('/')) return refuse("names a host");
    if (path.ends_with('/')) path.remove_suffix(1);
    if (!blob::Path::parse(path)) return refuse("is not a plain path");
    return {};
  }
  if (std::ranges::any_of(kRemote, [&](std::string_view scheme) { return location.starts_with(scheme); }))
    return {};
  return refuse("is a local path or an unknown kind of store");
}

Result<int64_t> parse_experiment_id(std::string_view id) {
  int64_t value = 0;
  const auto [end, problem] = std::from_chars(id.data(), id.data() + id.size(), value);
  if (id.empty() || problem != std::errc() || end != id.data() + id.size() || value < 0)
    return bad("experiment_id",
               fmt::format("the experiment id '{}' is not a number such as 0 or 12", shown(id)));
  return value;
}

Result<void> check_run_id(std::string_view id, std::string_view field) {
  if (id_text(id, 256)) return {};
  return bad(field,
             fmt::format("'{}' is '{}'; a run id has 1 to 256 letters, digits, - and _", field, shown(id)));
}

double storable(double value) {
  if (!std::isinf(value)) return value;
  return value > 0 ? std::numeric_limits<double>::max() : std::numeric_limits<double>::lowest();
}

Result<void> check_batch(Batch& batch) {
  MK_OK(check_run_id(batch.run_id));
  size_t points = 0;
  for (Series& series : batch.metrics) {
    MK_OK(check_key(series.key, "key"));
    points += series.points.size();
    for (Point& point : series.points) {
      if (point.timestamp_ms < 0)
        return bad("timestamp",
                   fmt::format("the metric '{}' has the timestamp {}; it must be milliseconds since 1970",
                               shown(series.key), point.timestamp_ms));
      point.value = storable(point.value);
    }
  }
  MK_OK(check_count("metrics", points, kBatchMetricsMax));
  MK_OK(check_count("params", batch.params.size(), kBatchParamsMax));
  MK_OK(check_count("tags", batch.tags.size(), kBatchTagsMax));
  MK_OK(check_count("metrics, params and tags", points + batch.params.size() + batch.tags.size(),
                    kBatchItemsMax));
  std::set<std::string_view> keys;
  for (Param& param : batch.params) {
    MK_OK(check_key(param.key, "key"));
    param.value = cut(std::move(param.value), kParamCharactersMax);
    if (!keys.insert(param.key).second)
      return bad("params", fmt::format("the param '{}' comes twice in one batch; a param is written once",
                                       shown(param.key)));
  }
  for (Tag& tag : batch.tags) {
    MK_OK(check_key(tag.key, "key"));
    tag.value = cut(std::move(tag.value), kTagCharactersMax);
  }
  for (core::ModelMetric& metric : batch.model_metrics) {
    if (metric.model_id.size() > kModelIdCharactersMax)
      return bad("model_id", fmt::format("a model_id has {} characters; at most {} are allowed",
                                         metric.model_id.size(), kModelIdCharactersMax));
    metric.value = storable(metric.value);
  }
  return {};
}

}  // namespace mk::tracking

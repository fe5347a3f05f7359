// What the registry records: registered models with numbered versions and aliases, and the logged models that
// runs produce. Plain values; times are milliseconds since 1970.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mk::registry {

struct Tag {
  std::string key, value;
};

// Prompts are registered models that carry this tag with the value "true".
constexpr std::string_view kPromptTag = "mlflow.prompt.is_prompt";
// On a logged model: the versions it was registered as, as a JSON list of {name, version}.
constexpr std::string_view kVersionsTag = "mlflow.modelVersions";

struct ModelVersion {
  std::string name;
  int64_t version = 0;
  int64_t created_ms = 0, updated_ms = 0;
  std::optional<std::string> description;
  std::string stage = "None";
  std::string source;            // as the client gave it
  std::string storage_location;  // where `source` pointed when the version was made
  std::string run_id, run_link, model_id;
  std::string user_id;
  std::vector<Tag> tags;
  std::vector<std::string> aliases;
};

struct Alias {
  std::string alias;
  int64_t version = 0;
};

struct RegisteredModel {
  int64_t row = 0;  // survives a rename
  std::string name;
  int64_t created_ms = 0, updated_ms = 0;
  std::string description;
  std::vector<Tag> tags;
  std::vector<Alias> aliases;
  std::vector<ModelVersion> latest;  // the highest version of each stage
  bool is_prompt() const;
};

bool has_prompt_tag(const std::vector<Tag>& tags);

// The numbers are those on MLflow's wire.
enum class LoggedModelStatus : uint8_t { kUnspecified = 0, kPending = 1, kReady = 2, kUploadFailed = 3 };

struct LoggedModelMetric {
  std::string key, run_id;
  double value = 0;
  int64_t timestamp_ms = 0, step = 0;
  std::string dataset_name, dataset_digest;
};

struct LoggedModel {
  std::string model_id;  // "m-" and 32 hexadecimal digits
  std::string experiment_id, name, artifact_uri, model_type, source_run_id;
  LoggedModelStatus status = LoggedModelStatus::kPending;
  int64_t created_ms = 0, updated_ms = 0;
  std::vector<Tag> tags, params;
  std::vector<LoggedModelMetric> metrics;  // the last of each (key, run, data set)
};

// About how much memory they and their JSON take: what bounds a page.
size_t bytes_of(const ModelVersion& version);
size_t bytes_of(const RegisteredModel& model);
size_t bytes_of(const LoggedModel& model);

// One page of a search. `next` goes into the next request; empty at the end.
template <typename T>
struct Page {
  std::vector<T> items;
  std::string next;
};

}  // namespace mk::registry

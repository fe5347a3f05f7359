#include "api/mlflow/registry_json.h"

#include <cmath>

namespace mk::api::mlflow {
namespace {

Json pairs(const std::vector<registry::Tag>& tags) {
  Json out;
  for (const registry::Tag& tag : tags) out.push_back(Json::object({{"key", tag.key}, {"value", tag.value}}));
  return out;
}

// Fields that are not set are left out, as protobuf's JSON does.
void put(Json& out, const char* key, Json value) {
  if (!value.is_null()) out[key] = std::move(value);
}
void put_text(Json& out, const char* key, const std::string& text) {
  if (!text.empty()) out[key] = text;
}

const char* status_name(registry::LoggedModelStatus status) {
  switch (status) {
    case registry::LoggedModelStatus::kPending:
      return "LOGGED_MODEL_PENDING";
    case registry::LoggedModelStatus::kReady:
      return "LOGGED_MODEL_READY";
    case registry::LoggedModelStatus::kUploadFailed:
      return "LOGGED_MODEL_UPLOAD_FAILED";
    case registry::LoggedModelStatus::kUnspecified:
      break;
  }
  return "LOGGED_MODEL_STATUS_UNSPECIFIED";
}

}  // namespace

Json json_of(const registry::RegisteredModel& model) {
  Json out = Json::object({{"name", model.name},
                           {"creation_timestamp", model.created_ms},
                           {"last_updated_timestamp", model.updated_ms}});
  put_text(out, "description", model.description);
  put(out, "tags", pairs(model.tags));
  for (const registry::Alias& alias : model.aliases) {
    out["aliases"].push_back(
        Json::object({{"alias", alias.alias}, {"version", std::to_string(alias.version)}}));
  }
  for (const registry::ModelVersion& version : model.latest)
    out["latest_versions"].push_back(json_of(version));
  return out;
}

Json json_of(const registry::ModelVersion& version) {
  Json out = Json::object({{"name", version.name},
                           {"version", std::to_string(version.version)},
                           {"creation_timestamp", version.created_ms},
                           {"last_updated_timestamp", version.updated_ms},
                           {"current_stage", version.stage},
                           {"source", version.source},
                           {"run_id", version.run_id},
                           {"run_link", version.run_link},
                           {"status", "READY"}});
  if (version.description) out["description"] = *version.description;
  put_text(out, "user_id", version.user_id);
  put_text(out, "model_id", version.model_id);
  put(out, "tags", pairs(version.tags));
  for (const std::string& alias : version.aliases) out["aliases"].push_back(alias);
  return out;
}

Json json_of(const registry::LoggedModel& model) {
  Json info = Json::object({{"model_id", model.model_id},
                            {"experiment_id", model.experiment_id},
                            {"name", model.name},
                            {"artifact_uri", model.artifact_uri},
                            {"creation_timestamp_ms", model.created_ms},
                            {"last_updated_timestamp_ms", model.updated_ms},
                            {"status", status_name(model.status)}});
  put_text(info, "model_type", model.model_type);
  put_text(info, "source_run_id", model.source_run_id);
  put(info, "tags", pairs(model.tags));
  Json data = Json::object();
  put(data, "params", pairs(model.params));
  for (const registry::LoggedModelMetric& m : model.metrics) {
    Json metric = Json::object({{"key", m.key},
                                {"value", std::isnan(m.value) ? Json("NaN") : Json(m.value)},
                                {"timestamp", m.timestamp_ms},
                                {"step", m.step},
                                {"model_id", model.model_id},
                                {"run_id", m.run_id}});
    put_text(metric, "dataset_name", m.dataset_name);
    put_text(metric, "dataset_digest", m.dataset_digest);
    data["metrics"].push_back(std::move(metric));
  }
  return Json::object({{"info", std::move(info)}, {"data", std::move(data)}});
}

Result<std::vector<registry::Tag>> tags_of(const Arguments& arguments, std::string_view field) {
  MK_TRY(auto objects, arguments.objects(field));
  std::vector<registry::Tag> tags;
  tags.reserve(objects.size());
  for (const Arguments& object : objects) {
    MK_TRY(std::string key, object.text("key"));
    MK_TRY(auto value, object.text_if_any("value"));
    tags.push_back({std::move(key), std::move(value).value_or("")});
  }
  return tags;
}

Result<registry::Search> search_of(const Arguments& arguments, const filter::Grammar& grammar,
                                   int64_t page_default, int64_t page_max) {
  registry::Search search;
  MK_TRY(auto text, arguments.text_if_any("filter"));
  if (text) {
    MK_TRY(search.clauses, filter::parse(*text, grammar));
  }
  MK_TRY(const size_t page_size,
         arguments.count("max_results", static_cast<size_t>(page_default), static_cast<size_t>(page_max)));
  search.page_size = static_cast<int64_t>(page_size);
  MK_TRY(auto token, arguments.text_if_any("page_token"));
  search.page_token = std::move(token).value_or("");
  return search;
}

}  // namespace mk::api::mlflow

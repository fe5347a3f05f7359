#include "api/mlflow/tracking_routes.h"

#include <iterator>

#include "api/mlflow/batch_reader.h"
#include "api/mlflow/reply.h"
#include "api/mlflow/run_json.h"
#include "base/format.h"
#include "modules/tracking/limits.h"
#include "modules/tracking/validate.h"

namespace mk::api::mlflow {
namespace {

using core::Permission;
using net::Method;
using tracking::Tag;
using tracking::Tracking;

const std::vector<std::string_view> kViews = {"ACTIVE_ONLY", "DELETED_ONLY", "ALL"};

Result<tracking::View> view_of(const Arguments& arguments, std::string_view field) {
  MK_TRY(const auto index, arguments.choice_if_any(field, kViews, 1));
  return static_cast<tracking::View>(index.value_or(0));
}

Result<int64_t> experiment_id(const Arguments& arguments) {
  MK_TRY(const std::string text, arguments.text("experiment_id"));
  return tracking::parse_experiment_id(text);
}

Result<std::vector<int64_t>> experiment_ids(const Arguments& arguments) {
  MK_TRY(const auto texts, arguments.texts("experiment_ids"));
  std::vector<int64_t> out;
  for (const std::string& text : texts) {
    MK_TRY(const int64_t id, tracking::parse_experiment_id(text));
    out.push_back(id);
  }
  return out;
}

Result<std::vector<Tag>> tags_of(const Arguments& arguments, std::string_view field) {
  MK_TRY(const auto items, arguments.objects(field));
  std::vector<Tag> out;
  for (const Arguments& item : items) {
    MK_TRY(std::string key, item.text("key"));
    MK_TRY(auto value, item.text_if_any("value"));
    out.push_back({std::move(key), value.value_or("")});
  }
  return out;
}

// Keys of dataset tags; "value" may be absent.
Result<Tag> tag_of(const Arguments& arguments) {
  MK_TRY(std::string key, arguments.text("key"));
  MK_TRY(auto value, arguments.text_if_any("value"));
  return Tag{std::move(key), value.value_or("")};
}

std::string with_token(std::string json, const std::string& token) {  // token: base64url, nothing to escape
  if (token.empty()) return json + '}';
  return json + fmt::format("{}\"next_page_token\":\"{}\"}}", json.back() == '{' ? "" : ",", token);
}

// ---- experiments --------------------------------------------------------------------------------

std::string experiment_reply(const tracking::Experiment& experiment) {
  std::string out = "{\"experiment\":";
  append_experiment(out, experiment);
  return out + '}';
}

Result<std::string> create_experiment(Tracking& tracking, const Arguments& arguments) {
  tracking::NewExperiment wanted;
  MK_TRY(wanted.name, arguments.text("name"));
  MK_TRY(auto location, arguments.text_if_any("artifact_location"));
  wanted.artifact_location = location.value_or("");
  MK_TRY(wanted.tags, tags_of(arguments, "tags"));
  MK_TRY(const int64_t id, tracking.create_experiment(std::move(wanted)));
  return fmt::format("{{\"experiment_id\":\"{}\"}}", id);
}

Result<std::string> get_experiment(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const int64_t id, experiment_id(arguments));
  MK_TRY(const auto experiment, tracking.get_experiment(id));
  return experiment_reply(experiment);
}

Result<std::string> get_experiment_by_name(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const std::string name, arguments.text("experiment_name"));
  MK_TRY(const auto experiment, tracking.get_experiment(std::string_view(name)));
  return experiment_reply(experiment);
}

Result<std::string> search_experiments(Tracking& tracking, const Arguments& arguments) {
  tracking::ExperimentQuery query;
  MK_TRY(auto filter, arguments.text_if_any("filter"));
  query.filter = filter.value_or("");
  MK_TRY(query.order_by, arguments.texts("order_by"));
  MK_TRY(query.view, view_of(arguments, "view_type"));
  MK_TRY(query.results_max,
         arguments.count("max_results", tracking::kSearchResultsDefault, tracking::kSearchResultsMax));
  MK_TRY(auto token, arguments.text_if_any("page_token"));
  query.page_token = token.value_or("");
  MK_TRY(const auto page, tracking.search_experiments(query));
  std::string out = "{";
  for (const auto& experiment : page.experiments) {
    out += out.size() == 1 ? "\"experiments\":[" : ",";
    append_experiment(out, experiment);
  }
  if (out.size() > 1) out += ']';
  return with_token(std::move(out), page.next_page_token);
}

Result<std::string> update_experiment(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const int64_t id, experiment_id(arguments));
  MK_TRY(const std::string name, arguments.text("new_name"));
  MK_OK(tracking.rename_experiment(id, name));
  return "{}";
}

Result<std::string> delete_experiment(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const int64_t id, experiment_id(arguments));
  MK_OK(tracking.delete_experiment(id));
  return "{}";
}

Result<std::string> restore_experiment(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const int64_t id, experiment_id(arguments));
  MK_OK(tracking.restore_experiment(id));
  return "{}";
}

Result<std::string> set_experiment_tag(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const int64_t id, experiment_id(arguments));
  MK_TRY(const Tag tag, tag_of(arguments));
  MK_OK(tracking.set_experiment_tag(id, tag));
  return "{}";
}

Result<std::string> delete_experiment_tag(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const int64_t id, experiment_id(arguments));
  MK_TRY(const std::string key, arguments.text("key"));
  MK_OK(tracking.delete_experiment_tag(id, key));
  return "{}";
}

Result<std::string> search_datasets(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const auto ids, experiment_ids(arguments));
  if (ids.size() > tracking::kHistoryRunsMax)
    return invalid(fmt::format("experiment_ids has {} items; at most {} are allowed", ids.size(),
                               tracking::kHistoryRunsMax));
  MK_TRY(const auto summaries, tracking.search_datasets(ids));
  Json list = Json::array();
  for (const auto& one : summaries) {
    Json item = Json::object(
        {{"experiment_id", std::to_string(one.experiment)}, {"name", one.name}, {"digest", one.digest}});
    if (one.context) item["context"] = Json(*one.context);
    list.push_back(std::move(item));
  }
  Json out = Json::object();
  if (!list.empty()) out["dataset_summaries"] = std::move(list);
  return out.dump();
}

// ---- runs ---------------------------------------------------------------------------------------

Result<std::string> get_run(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const std::string id, run_id_of(arguments));
  MK_TRY(const auto list, tracking.get_run(id));
  std::string out = "{\"run\":";
  append_run(out, *list.runs.front());
  return out + '}';
}

Result<std::string> search_runs(Tracking& tracking, const Arguments& arguments) {
  tracking::RunQuery query;
  MK_TRY(query.experiments, experiment_ids(arguments));
  MK_TRY(auto filter, arguments.text_if_any("filter"));
  query.filter = filter.value_or("");
  MK_TRY(query.order_by, arguments.texts("order_by"));
  MK_TRY(query.view, view_of(arguments, "run_view_type"));
  MK_TRY(query.results_max,
         arguments.count("max_results", tracking::kSearchResultsDefault, tracking::kSearchResultsMax));
  MK_TRY(auto token, arguments.text_if_any("page_token"));
  query.page_token = token.value_or("");
  MK_TRY(const auto page, tracking.search_runs(query));
  std::string out = "{";
  out.reserve(page.list.runs.size() * 4096);
  for (const auto& run : page.list.runs) {
    out += out.size() == 1 ? "\"runs\":[" : ",";
    append_run(out, *run);
  }
  if (out.size() > 1) out += ']';
  return with_token(std::move(out), page.next_page_token);
}

Result<std::string> delete_run(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const std::string id, run_id_of(arguments));
  MK_OK(tracking.delete_run(id));
  return "{}";
}

Result<std::string> restore_run(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const std::string id, run_id_of(arguments));
  MK_OK(tracking.restore_run(id));
  return "{}";
}

Result<std::string> delete_tag(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const std::string id, run_id_of(arguments));
  MK_TRY(const std::string key, arguments.text("key"));
  MK_OK(tracking.delete_tag(id, key));
  return "{}";
}

Result<tracking::DatasetInput> dataset_of(const Arguments& item) {
  MK_TRY(const auto fields, item.object_if_any("dataset"));
  if (!fields) return invalid("every item of 'datasets' needs a 'dataset'");
  tracking::Dataset dataset;
  MK_TRY(dataset.name, fields->text("name"));
  MK_TRY(dataset.digest, fields->text("digest"));
  MK_TRY(dataset.source_type, fields->text("source_type"));
  MK_TRY(dataset.source, fields->text("source"));
  MK_TRY(auto schema, fields->text_if_any("schema"));
  MK_TRY(auto profile, fields->text_if_any("profile"));
  dataset.schema = schema.value_or("");
  dataset.profile = profile.value_or("");
  MK_TRY(auto tags, tags_of(item, "tags"));
  return tracking::DatasetInput{std::make_shared<tracking::Dataset>(std::move(dataset)), std::move(tags)};
}

Result<std::string> log_inputs(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const std::string id, run_id_of(arguments));
  MK_TRY(const auto items, arguments.objects("datasets"));
  std::vector<tracking::DatasetInput> datasets;
  for (const Arguments& item : items) {
    MK_TRY(auto dataset, dataset_of(item));
    datasets.push_back(std::move(dataset));
  }
  MK_TRY(const auto models, arguments.objects("models"));
  std::vector<std::string> model_ids;
  for (const Arguments& model : models) {
    MK_TRY(std::string model_id, model.text("model_id"));
    model_ids.push_back(std::move(model_id));
  }
  MK_OK(tracking.log_inputs(id, std::move(datasets), model_ids));
  return "{}";
}

Result<std::string> log_outputs(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const std::string id, run_id_of(arguments));
  MK_TRY(const auto models, arguments.objects("models"));
  std::vector<tracking::ModelOutput> outputs;
  for (const Arguments& model : models) {
    MK_TRY(std::string model_id, model.text("model_id"));
    MK_TRY(const auto step, model.integer_if_any("step"));
    outputs.push_back({std::move(model_id), step.value_or(0)});
  }
  MK_OK(tracking.log_outputs(id, outputs));
  return "{}";
}

Result<std::string> log_model(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const std::string id, run_id_of(arguments));
  MK_TRY(const std::string model, arguments.text("model_json"));
  MK_OK(tracking.log_model_record(id, model));
  return "{}";
}

// ---- metrics ------------------------------------------------------------------------------------

void append_points(std::string& out, std::string_view key, const std::vector<tracking::Point>& points,
                   std::string_view run_id) {
  std::string key_json;
  append_json_string(key_json, key);
  out.reserve(out.size() + points.size() * (80 + key_json.size()));
  for (const tracking::Point& point : points) {
    out += out.size() == 1 ? "\"metrics\":[" : ",";
    append_point(out, key_json, point, run_id);
  }
}

Result<std::string> get_history(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const std::string id, run_id_of(arguments));
  MK_TRY(const std::string key, arguments.text("metric_key"));
  MK_TRY(const size_t count,
         arguments.count("max_results", tracking::kHistoryPointsMax, tracking::kHistoryPointsMax));
  MK_TRY(const auto token, arguments.text_if_any("page_token"));
  MK_TRY(const auto page, tracking.metric_history(id, key, count, token.value_or("")));
  std::string out = "{";
  append_points(out, key, page.points, {});
  if (out.size() > 1) out += ']';
  return with_token(std::move(out), page.next_page_token);
}

Result<std::vector<std::string>> history_runs(const Arguments& arguments, std::string_view field) {
  MK_TRY(auto ids, arguments.texts(field));
  if (ids.empty()) return invalid(fmt::format("the parameter '{}' is missing; name at least one run", field));
  if (ids.size() > tracking::kHistoryRunsMax)
    return invalid(fmt::format("'{}' names {} runs; at most {} are allowed", field, ids.size(),
                               tracking::kHistoryRunsMax));
  return ids;
}

// The histories of several runs, one after the other, as much as fits.
Result<std::string> get_history_bulk(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(auto ids, history_runs(arguments, "run_id"));
  MK_TRY(const std::string key, arguments.text("metric_key"));
  MK_TRY(const auto wanted, arguments.integer_if_any("max_results"));
  if (wanted && *wanted < 1)
    return invalid(fmt::format("the value of 'max_results' must be at least 1, not {}", *wanted));
  size_t left =
      std::min(static_cast<size_t>(wanted.value_or(tracking::kHistoryPageMax)), tracking::kHistoryPageMax);
  std::ranges::sort(ids);
  std::string out = "{";
  for (const std::string& id : ids) {
    if (left == 0) break;
    MK_TRY(const auto page, tracking.metric_history(id, key, left, {}));
    append_points(out, key, page.points, id);
    left -= page.points.size();
  }
  return out.size() > 1 ? out + "]}" : std::string("{\"metrics\":[]}");
}

Result<std::string> get_history_interval(Tracking& tracking, const Arguments& arguments) {
  MK_TRY(const auto ids, history_runs(arguments, "run_ids"));
  MK_TRY(const std::string key, arguments.text("metric_key"));
  MK_TRY(const size_t count,
         arguments.count("max_results", tracking::kHistorySampleMax, tracking::kHistorySampleMax));
  MK_TRY(const auto start, arguments.integer_if_any("start_step"));
  MK_TRY(const auto end, arguments.integer_if_any("end_step"));
  if (start.has_value() != end.has_value())
    return invalid("start_step and end_step belong together; give both or none");
  std::optional<std::pair<int64_t, int64_t>> steps;
  if (start) {
    if (*start > *end)
      return invalid(fmt::format("start_step is {} and end_step {}; it must not be smaller", *start, *end));
    steps.emplace(*start, *end);
  }
  std::string out = "{";
  for (const std::string& id : ids) {
    MK_TRY(const auto points, tracking.sampled_history(id, key, count, steps));
    append_points(out, key, points, id);
  }
  return out + (out.size() > 1 ? "]}" : "}");
}

// ---- the hot path: answered from the store's completion -----------------------------------------

// A Done holds its Reply by reference count because std::function must be copyable.
using SharedReply = std::shared_ptr<net::Reply>;

Hot hot(std::function<void(net::Request&, SharedReply)> handle) {
  return {[handle = std::move(handle)](net::Request request, const Caller&, net::Reply reply) {
    handle(request, std::make_shared<net::Reply>(std::move(reply)));
  }};
}

tracking::Done<void> answer_empty(SharedReply reply) {
  return
      [reply = std::move(reply)](Result<void> done) { reply->send(done ? ok() : error_reply(done.error())); };
}

Result<tracking::NewRun> new_run(const net::Request& request) {
  MK_TRY(const Arguments arguments, Arguments::read(request));
  tracking::NewRun wanted;
  MK_TRY(const auto experiment, arguments.text_if_any("experiment_id"));
  MK_TRY(wanted.experiment,
         tracking::parse_experiment_id(experiment && !experiment->empty() ? *experiment : "0"));
  MK_TRY(auto name, arguments.text_if_any("run_name"));
  wanted.name = name.value_or("");
  MK_TRY(auto user, arguments.text_if_any("user_id"));
  wanted.user = user.value_or("");
  MK_TRY(wanted.start_ms, arguments.integer_if_any("start_time"));
  MK_TRY(wanted.tags, tags_of(arguments, "tags"));
  return wanted;
}

void create_run(Tracking& tracking, net::Request& request, SharedReply reply) {
  auto wanted = new_run(request);
  if (!wanted) return reply->send(error_reply(wanted.error()));
  tracking.create_run(std::move(*wanted), [reply](Result<tracking::CreatedRun> run) {
    if (!run) return reply->send(error_reply(run.error()));
    std::string out = "{\"run\":";
    append_created_run(out, *run);
    reply->send(ok(out + '}'));
  });
}

Result<tracking::RunUpdate> run_update(const net::Request& request) {
  MK_TRY(const Arguments arguments, Arguments::read(request));
  tracking::RunUpdate update;
  MK_TRY(update.run_id, run_id_of(arguments));
  static const std::vector<std::string_view> kStatuses(std::begin(tracking::kRunStatusNames),
                                                       std::end(tracking::kRunStatusNames));
  MK_TRY(const auto status, arguments.choice_if_any("status", kStatuses, 1));
  if (status) update.status = static_cast<tracking::RunStatus>(*status + 1);
  MK_TRY(update.end_ms, arguments.integer_if_any("end_time"));
  MK_TRY(auto name, arguments.text_if_any("run_name"));
  update.name = name.value_or("");
  return update;
}

void update_run(Tracking& tracking, net::Request& request, SharedReply reply) {
  auto update = run_update(request);
  if (!update) return reply->send(error_reply(update.error()));
  tracking.update_run(std::move(*update), [reply](Result<tracking::RunInfo> info) {
    if (!info) return reply->send(error_reply(info.error()));
    std::string out = "{\"run_info\":";
    append_run_info(out, *info);
    reply->send(ok(out + '}'));
  });
}

using BatchReader = Result<tracking::Batch> (*)(net::Request&);

Hot logging(Tracking& tracking, BatchReader read) {
  return hot([&tracking, read](net::Request& request, SharedReply reply) {
    auto batch = read(request);
    if (!batch) return reply->send(error_reply(batch.error()));
    tracking.log(std::move(*batch), answer_empty(std::move(reply)));
  });
}

// One param or tag as a batch of one.
Result<tracking::Batch> read_param(net::Request& request) {
  MK_TRY(const Arguments arguments, Arguments::read(request));
  tracking::Batch batch;
  MK_TRY(batch.run_id, run_id_of(arguments));
  MK_TRY(Tag param, tag_of(arguments));
  batch.params.push_back(std::move(param));
  return batch;
}
Result<tracking::Batch> read_tag(net::Request& request) {
  MK_TRY(tracking::Batch batch, read_param(request));
  batch.tags.swap(batch.params);
  return batch;
}

// ---- probes -------------------------------------------------------------------------------------

// What the client may use of the artifact proxy: whole files, no parts and no links to a cloud store.
constexpr std::string_view kServerInfo =
    R"({"store_type":"SqlStore","workspaces_enabled":false,"trace_archival_enabled":false,)"
    R"("multipart_uploads_enabled":false,"multipart_downloads_enabled":false,)"
    R"("presigned_upload_run_id_supported":false,"presigned_upload_model_id_supported":false,)"
    R"("features_enabled":{"gateway":false}})";

using Blocking = Result<std::string> (*)(Tracking&, const Arguments&);

struct Row {
  Method method;
  std::string_view path;
  Permission permission;
  Blocking call;
};

const Row kRows[] = {
    {Method::kPost, "experiments/create", {"create", "experiments.mlflow.kubeflow.org"}, create_experiment},
    {Method::kGet, "experiments/get", {"get", "experiments.mlflow.kubeflow.org"}, get_experiment},
    {Method::kGet, "experiments/get-by-name", {"get", "experiments.mlflow.kubeflow.org"}, get_experiment_by_name},
    {Method::kGet, "experiments/search", {"list", "experiments.mlflow.kubeflow.org"}, search_experiments},
    {Method::kPost, "experiments/search", {"list", "experiments.mlflow.kubeflow.org"}, search_experiments},
    {Method::kPost, "experiments/update", {"update", "experiments.mlflow.kubeflow.org"}, update_experiment},
    {Method::kPost, "experiments/delete", {"delete", "experiments.mlflow.kubeflow.org"}, delete_experiment},
    {Method::kPost, "experiments/restore", {"update", "experiments.mlflow.kubeflow.org"}, restore_experiment},
    {Method::kPost, "experiments/set-experiment-tag", {"update", "experiments.mlflow.kubeflow.org"}, set_experiment_tag},
    {Method::kPost, "experiments/delete-experiment-tag", {"update", "experiments.mlflow.kubeflow.org"}, delete_experiment_tag},
    {Method::kPost, "experiments/search-datasets", {"list", "runs.mlflow.kubeflow.org"}, search_datasets},
    {Method::kGet, "runs/get", {"get", "runs.mlflow.kubeflow.org"}, get_run},
    {Method::kPost, "runs/search", {"list", "runs.mlflow.kubeflow.org"}, search_runs},
    {Method::kPost, "runs/delete", {"delete", "runs.mlflow.kubeflow.org"}, delete_run},
    {Method::kPost, "runs/restore", {"update", "runs.mlflow.kubeflow.org"}, restore_run},
    {Method::kPost, "runs/delete-tag", {"update", "runs.mlflow.kubeflow.org"}, delete_tag},
    {Method::kPost, "runs/log-inputs", {"update", "runs.mlflow.kubeflow.org"}, log_inputs},
    {Method::kPost, "runs/outputs", {"update", "runs.mlflow.kubeflow.org"}, log_outputs},
    {Method::kPost, "runs/log-model", {"update", "runs.mlflow.kubeflow.org"}, log_model},
    {Method::kGet, "metrics/get-history", {"get", "runs.mlflow.kubeflow.org"}, get_history},
    {Method::kGet, "metrics/get-history-bulk", {"get", "runs.mlflow.kubeflow.org"}, get_history_bulk},
    {Method::kGet, "metrics/get-history-bulk-interval", {"get", "runs.mlflow.kubeflow.org"}, get_history_interval},
};

constexpr uint64_t kInputsBodyBytesMax = 64u << 20;  // dataset profiles are large

}  // namespace

std::vector<Route> tracking_routes(Tracking& tracking) {
  const std::string base = "/api/2.0/mlflow/";
  std::vector<Route> rows;
  for (const Row& row : kRows) {
    rows.push_back(
        {row.method, base + std::string(row.path), row.permission,
         whole([&tracking, call = row.call](const Arguments& arguments, const net::Request&, const Caller&) {
           return call(tracking, arguments);
         })});
    if (row.call == log_inputs) rows.back().body_bytes_max = kInputsBodyBytesMax;
  }
  const auto add_hot = [&](std::string_view path, Permission permission, Hot handler) {
    rows.push_back({Method::kPost, base + std::string(path), permission, std::move(handler),
                    tracking::kBatchBodyBytesMax});
  };
  add_hot("runs/create", {"create", "runs.mlflow.kubeflow.org"}, hot([&tracking](net::Request& request, SharedReply reply) {
            create_run(tracking, request, std::move(reply));
          }));
  add_hot("runs/update", {"update", "runs.mlflow.kubeflow.org"}, hot([&tracking](net::Request& request, SharedReply reply) {
            update_run(tracking, request, std::move(reply));
          }));
  add_hot("runs/log-metric", {"update", "runs.mlflow.kubeflow.org"}, logging(tracking, read_log_metric));
  add_hot("runs/log-batch", {"update", "runs.mlflow.kubeflow.org"}, logging(tracking, read_log_batch));
  add_hot("runs/log-parameter", {"update", "runs.mlflow.kubeflow.org"}, logging(tracking, read_param));
  add_hot("runs/set-tag", {"update", "runs.mlflow.kubeflow.org"}, logging(tracking, read_tag));
  rows.push_back({Method::kGet, "/api/3.0/mlflow/server-info", Permission::anyone(),
                  Quick([](net::Request&, const Caller&) { return ok(std::string(kServerInfo)); })});
  return with_ajax_twins(std::move(rows));
}

}  // namespace mk::api::mlflow

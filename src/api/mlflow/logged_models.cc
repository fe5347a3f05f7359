#include "api/mlflow/registry_json.h"
#include "api/mlflow/registry_routes.h"
#include "base/format.h"
#include "modules/registry/limits.h"
#include "modules/registry/names.h"

namespace mk::api::mlflow {
namespace {

using net::Method;
using registry::LoggedModels;

std::string model_text(const registry::LoggedModel& model) {
  return Json::object({{"model", json_of(model)}}).dump();
}

Result<std::string> create(LoggedModels& models, const Arguments& args, const net::Request&) {
  registry::NewLoggedModel asked;
  MK_TRY(asked.experiment_id, args.text("experiment_id"));
  MK_TRY(asked.name, args.text_if_any("name"));
  if (asked.name && asked.name->empty()) asked.name.reset();  // protobuf does not tell "" from absent
  MK_TRY(auto type, args.text_if_any("model_type"));
  MK_TRY(auto run, args.text_if_any("source_run_id"));
  MK_TRY(asked.params, tags_of(args, "params"));
  MK_TRY(asked.tags, tags_of(args));
  asked.model_type = std::move(type).value_or("");
  asked.source_run_id = std::move(run).value_or("");
  MK_TRY(auto model, models.create(std::move(asked)));
  return model_text(model);
}

Result<std::string> get(LoggedModels& models, const Arguments& args, const net::Request& request) {
  MK_TRY(const bool deleted_too, args.boolean("allow_deleted", false));
  MK_TRY(auto model, models.get(request.params[0], deleted_too));
  return model_text(model);
}

Result<std::string> finish(LoggedModels& models, const Arguments& args, const net::Request& request) {
  MK_TRY(auto status, args.choice_if_any("status",
                                         {"LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING",
                                          "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"},
                                         0));
  if (!status)
    return invalid(
        "the parameter 'status' is missing; give LOGGED_MODEL_READY or LOGGED_MODEL_UPLOAD_FAILED");
  MK_TRY(auto model, models.finish(request.params[0], static_cast<registry::LoggedModelStatus>(*status)));
  return model_text(model);
}

Result<std::string> remove(LoggedModels& models, const Arguments&, const net::Request& request) {
  MK_OK(models.remove(request.params[0]));
  return "{}";
}

Result<std::string> add_params(LoggedModels& models, const Arguments& args, const net::Request& request) {
  MK_TRY(auto params, tags_of(args, "params"));
  MK_OK(models.add_params(request.params[0], std::move(params)));
  return "{}";
}

Result<std::string> set_tags(LoggedModels& models, const Arguments& args, const net::Request& request) {
  MK_TRY(auto tags, tags_of(args));
  MK_OK(models.set_tags(request.params[0], std::move(tags)));
  return "{}";
}

Result<std::string> remove_tag(LoggedModels& models, const Arguments&, const net::Request& request) {
  MK_OK(models.remove_tag(request.params[0], request.params[1]));
  return "{}";
}

// order_by is a list of objects here, and its field names are never quoted.
Result<registry::OrderKey> order_of(const Arguments& object) {
  const filter::Grammar& grammar = registry::logged_model_grammar();
  MK_TRY(const std::string field, object.text("field_name"));
  MK_TRY(const bool ascending, object.boolean("ascending", true));
  MK_TRY(auto dataset, object.text_if_any("dataset_name"));
  MK_TRY(auto digest, object.text_if_any("dataset_digest"));
  registry::OrderKey key;
  key.dataset = {dataset.value_or(""), digest.value_or("")};
  if (key.dataset.name.empty() && !key.dataset.digest.empty()) {
    return invalid("'dataset_digest' in order_by needs 'dataset_name' beside it");
  }
  if (constexpr std::string_view kMetrics = "metrics.";
      field.starts_with(kMetrics) && field.size() > kMetrics.size()) {
    key.order = {{registry::kMetric, field.substr(kMetrics.size()), filter::Kind::kNumber}, ascending};
    return key;
  }
  MK_TRY(key.order, filter::parse_order(field, grammar));
  if (key.order.column.entity != registry::kAttribute) {
    return invalid(
        fmt::format("order_by cannot use {}; use an attribute or metrics.KEY", registry::shown(field)));
  }
  key.order.ascending = ascending;
  return key;
}

Result<std::string> search(LoggedModels& models, const Arguments& args, const net::Request&) {
  MK_TRY(auto search, search_of(args, registry::logged_model_grammar(), registry::kLoggedModelsPerPageDefault,
                                registry::kLoggedModelsPerPageMax));
  MK_TRY(search.experiment_ids, args.texts("experiment_ids"));
  if (search.experiment_ids.empty())
    return invalid("the parameter 'experiment_ids' is missing; name at least one experiment");
  if (search.experiment_ids.size() > registry::kExperimentsPerSearchMax) {
    return invalid(fmt::format("'experiment_ids' names {} experiments; at most {} are allowed",
                               search.experiment_ids.size(), registry::kExperimentsPerSearchMax));
  }
  MK_TRY(auto orders, args.objects("order_by"));
  for (const Arguments& object : orders) {
    MK_TRY(auto key, order_of(object));
    search.order.push_back(std::move(key));
  }
  MK_TRY(auto datasets, args.objects("datasets"));
  if (datasets.size() > registry::kDatasetsPerSearchMax) {
    return invalid(fmt::format("'datasets' has {} entries; at most {} are allowed", datasets.size(),
                               registry::kDatasetsPerSearchMax));
  }
  for (const Arguments& object : datasets) {
    MK_TRY(std::string name, object.text("dataset_name"));
    MK_TRY(auto digest, object.text_if_any("dataset_digest"));
    search.datasets.push_back({std::move(name), std::move(digest).value_or("")});
  }
  MK_TRY(auto page, models.search(search));
  return page_text("models", page);
}

}  // namespace

std::vector<Route> logged_model_routes(LoggedModels& models) {
  auto call = [&models](Result<std::string> (*f)(LoggedModels&, const Arguments&, const net::Request&)) {
    return whole([&models, f](const Arguments& args, const net::Request& request, const Caller&) {
      return f(models, args, request);
    });
  };
  constexpr std::string_view kResource = "loggedmodels.mlflow.kubeflow.org";
  const std::string base = "/api/2.0/mlflow/logged-models";
  return with_ajax_twins({
      {Method::kPost, base, {"create", kResource}, call(create)},
      {Method::kPost, base + "/search", {"list", kResource}, call(search)},
      {Method::kGet, base + "/{id}", {"get", kResource}, call(get)},
      {Method::kPatch, base + "/{id}", {"update", kResource}, call(finish)},
      {Method::kDelete, base + "/{id}", {"delete", kResource}, call(remove)},
      {Method::kPost, base + "/{id}/params", {"update", kResource}, call(add_params)},
      {Method::kPatch, base + "/{id}/tags", {"update", kResource}, call(set_tags)},
      {Method::kDelete, base + "/{id}/tags/{key}", {"update", kResource}, call(remove_tag)},
  });
}

}  // namespace mk::api::mlflow

#include "api/mlflow/registry_json.h"
#include "api/mlflow/registry_routes.h"
#include "modules/registry/limits.h"
#include "modules/registry/names.h"

namespace mk::api::mlflow {
namespace {

using net::Method;
using registry::Registry;

std::string model_text(const registry::RegisteredModel& model) {
  return Json::object({{"registered_model", json_of(model)}}).dump();
}

Result<std::string> create(Registry& models, const Arguments& args) {
  MK_TRY(std::string name, args.text("name"));
  MK_TRY(auto description, args.text_if_any("description"));
  MK_TRY(auto tags, tags_of(args));
  MK_TRY(auto model,
         models.create_model(std::move(name), std::move(description).value_or(""), std::move(tags)));
  return model_text(model);
}

Result<std::string> get(Registry& models, const Arguments& args) {
  MK_TRY(const std::string name, args.text("name"));
  MK_TRY(auto model, models.model(name));
  return model_text(model);
}

Result<std::string> update(Registry& models, const Arguments& args) {
  MK_TRY(const std::string name, args.text("name"));
  MK_TRY(auto description, args.text_if_any("description"));
  MK_TRY(auto model, models.describe_model(name, description.value_or("")));
  return model_text(model);
}

Result<std::string> rename(Registry& models, const Arguments& args) {
  MK_TRY(const std::string name, args.text("name"));
  MK_TRY(const std::string new_name, args.text("new_name"));
  MK_TRY(auto model, models.rename_model(name, new_name));
  return model_text(model);
}

Result<std::string> remove(Registry& models, const Arguments& args) {
  MK_TRY(const std::string name, args.text("name"));
  MK_OK(models.remove_model(name));
  return "{}";
}

Result<std::string> search(Registry& models, const Arguments& args) {
  const filter::Grammar& grammar = registry::model_grammar();
  MK_TRY(auto search, search_of(args, grammar, registry::kModelsPerPageDefault, registry::kModelsPerPageMax));
  MK_TRY(auto orders, args.texts("order_by"));
  for (const std::string& text : orders) {
    MK_TRY(filter::Order order, filter::parse_order(text, grammar));
    search.order.push_back({std::move(order), {}});
  }
  MK_TRY(auto page, models.search_models(search));
  return page_text("registered_models", page);
}

Result<std::string> set_tag(Registry& models, const Arguments& args) {
  MK_TRY(const std::string name, args.text("name"));
  MK_TRY(std::string key, args.text("key"));
  MK_TRY(auto value, args.text_if_any("value"));
  MK_OK(models.set_model_tag(name, {std::move(key), std::move(value).value_or("")}));
  return "{}";
}

Result<std::string> remove_tag(Registry& models, const Arguments& args) {
  MK_TRY(const std::string name, args.text("name"));
  MK_TRY(const std::string key, args.text("key"));
  MK_OK(models.remove_model_tag(name, key));
  return "{}";
}

Result<std::string> latest(Registry& models, const Arguments& args) {
  MK_TRY(const std::string name, args.text("name"));
  MK_TRY(auto stages, args.texts("stages"));
  MK_TRY(auto versions, models.latest_versions(name, stages));
  return page_text("model_versions", registry::Page<registry::ModelVersion>{std::move(versions), {}});
}

Result<std::string> get_alias(Registry& models, const Arguments& args) {
  MK_TRY(const std::string name, args.text("name"));
  MK_TRY(const std::string alias, args.text("alias"));
  MK_TRY(auto version, models.version_by_alias(name, alias));
  return Json::object({{"model_version", json_of(version)}}).dump();
}

Result<std::string> set_alias(Registry& models, const Arguments& args) {
  MK_TRY(const std::string name, args.text("name"));
  MK_TRY(const std::string alias, args.text("alias"));
  MK_TRY(const std::string text, args.text("version"));
  MK_TRY(const int64_t version, registry::parse_version(text));
  MK_OK(models.set_alias(name, alias, version));
  return "{}";
}

Result<std::string> remove_alias(Registry& models, const Arguments& args) {
  MK_TRY(const std::string name, args.text("name"));
  MK_TRY(const std::string alias, args.text("alias"));
  MK_OK(models.remove_alias(name, alias));
  return "{}";
}

}  // namespace

std::vector<Route> registered_model_routes(Registry& models) {
  auto call = [&models](Result<std::string> (*f)(Registry&, const Arguments&)) {
    return whole(
        [&models, f](const Arguments& args, const net::Request&, const Caller&) { return f(models, args); });
  };
  constexpr std::string_view kResource = "registeredmodels.mlflow.kubeflow.org";
  const std::string base = "/api/2.0/mlflow/registered-models/";
  return with_ajax_twins({
      {Method::kPost, base + "create", {"create", kResource}, call(create)},
      {Method::kGet, base + "get", {"get", kResource}, call(get)},
      {Method::kPatch, base + "update", {"update", kResource}, call(update)},
      {Method::kPost, base + "rename", {"update", kResource}, call(rename)},
      {Method::kDelete, base + "delete", {"delete", kResource}, call(remove)},
      {Method::kGet, base + "search", {"list", kResource}, call(search)},
      {Method::kPost, base + "set-tag", {"update", kResource}, call(set_tag)},
      {Method::kDelete, base + "delete-tag", {"update", kResource}, call(remove_tag)},
      {Method::kGet, base + "get-latest-versions", {"get", kResource}, call(latest)},
      {Method::kPost, base + "get-latest-versions", {"get", kResource}, call(latest)},
      {Method::kGet, base + "alias", {"get", kResource}, call(get_alias)},
      {Method::kPost, base + "alias", {"update", kResource}, call(set_alias)},
      {Method::kDelete, base + "alias", {"update", kResource}, call(remove_alias)},
  });
}

}  // namespace mk::api::mlflow

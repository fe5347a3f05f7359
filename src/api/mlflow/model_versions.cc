#include "api/mlflow/registry_json.h"
#include "api/mlflow/registry_routes.h"
#include "modules/registry/limits.h"
#include "modules/registry/names.h"

namespace mk::api::mlflow {
namespace {

using net::Method;
using registry::Registry;

std::string version_text(const registry::ModelVersion& version) {
  return Json::object({{"model_version", json_of(version)}}).dump();
}

struct Which {
  std::string name;
  int64_t version = 0;
};
Result<Which> which(const Arguments& args) {
  MK_TRY(std::string name, args.text("name"));
  MK_TRY(const std::string text, args.text("version"));
  MK_TRY(const int64_t version, registry::parse_version(text));
  return Which{std::move(name), version};
}

Result<std::string> create(Registry& models, const Arguments& args) {
  registry::NewVersion asked;
  MK_TRY(asked.name, args.text("name"));
  MK_TRY(asked.source, args.text("source"));
  MK_TRY(auto run_id, args.text_if_any("run_id"));
  MK_TRY(auto run_link, args.text_if_any("run_link"));
  MK_TRY(auto model_id, args.text_if_any("model_id"));
  MK_TRY(asked.description, args.text_if_any("description"));
  MK_TRY(asked.tags, tags_of(args));
  asked.run_id = std::move(run_id).value_or("");
  asked.run_link = std::move(run_link).value_or("");
  asked.model_id = std::move(model_id).value_or("");
  MK_TRY(auto version, models.create_version(std::move(asked)));
  return version_text(version);
}

Result<std::string> get(Registry& models, const Arguments& args) {
  MK_TRY(const Which what, which(args));
  MK_TRY(auto version, models.version(what.name, what.version));
  return version_text(version);
}

Result<std::string> search(Registry& models, const Arguments& args) {
  const filter::Grammar& grammar = registry::version_grammar();
  MK_TRY(auto search,
         search_of(args, grammar, registry::kVersionsPerPageDefault, registry::kVersionsPerPageMax));
  MK_TRY(auto orders, args.texts("order_by"));
  for (const std::string& text : orders) {
    MK_TRY(filter::Order order, filter::parse_order(text, grammar));
    search.order.push_back({std::move(order), {}});
  }
  MK_TRY(auto page, models.search_versions(search));
  return page_text("model_versions", page);
}

Result<std::string> update(Registry& models, const Arguments& args) {
  MK_TRY(const Which what, which(args));
  MK_TRY(auto description, args.text_if_any("description"));
  MK_TRY(auto version, models.describe_version(what.name, what.version, std::move(description)));
  return version_text(version);
}

Result<std::string> remove(Registry& models, const Arguments& args) {
  MK_TRY(const Which what, which(args));
  MK_OK(models.remove_version(what.name, what.version));
  return "{}";
}

Result<std::string> set_tag(Registry& models, const Arguments& args) {
  MK_TRY(const Which what, which(args));
  MK_TRY(std::string key, args.text("key"));
  MK_TRY(auto value, args.text_if_any("value"));
  MK_OK(models.set_version_tag(what.name, what.version, {std::move(key), std::move(value).value_or("")}));
  return "{}";
}

Result<std::string> remove_tag(Registry& models, const Arguments& args) {
  MK_TRY(const Which what, which(args));
  MK_TRY(const std::string key, args.text("key"));
  MK_OK(models.remove_version_tag(what.name, what.version, key));
  return "{}";
}

Result<std::string> move_to_stage(Registry& models, const Arguments& args) {
  MK_TRY(const Which what, which(args));
  MK_TRY(const std::string stage, args.text("stage"));
  MK_TRY(const bool archive, args.boolean("archive_existing_versions", false));
  MK_TRY(auto version, models.move_to_stage(what.name, what.version, stage, archive));
  return version_text(version);
}

Result<std::string> download_uri(Registry& models, const Arguments& args) {
  MK_TRY(const Which what, which(args));
  MK_TRY(auto version, models.version(what.name, what.version));
  return Json::object({{"artifact_uri", version.storage_location}}).dump();
}

}  // namespace

std::vector<Route> model_version_routes(Registry& models) {
  auto call = [&models](Result<std::string> (*f)(Registry&, const Arguments&)) {
    return whole(
        [&models, f](const Arguments& args, const net::Request&, const Caller&) { return f(models, args); });
  };
  constexpr std::string_view kResource = "modelversions.mlflow.kubeflow.org";
  const std::string base = "/api/2.0/mlflow/model-versions/";
  return with_ajax_twins({
      {Method::kPost, base + "create", {"create", kResource}, call(create)},
      {Method::kGet, base + "get", {"get", kResource}, call(get)},
      {Method::kGet, base + "search", {"list", kResource}, call(search)},
      {Method::kPatch, base + "update", {"update", kResource}, call(update)},
      {Method::kDelete, base + "delete", {"delete", kResource}, call(remove)},
      {Method::kPost, base + "set-tag", {"update", kResource}, call(set_tag)},
      {Method::kDelete, base + "delete-tag", {"update", kResource}, call(remove_tag)},
      {Method::kPost, base + "transition-stage", {"update", kResource}, call(move_to_stage)},
      {Method::kGet, base + "get-download-uri", {"get", kResource}, call(download_uri)},
  });
}

}  // namespace mk::api::mlflow

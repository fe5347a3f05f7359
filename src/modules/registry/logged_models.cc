#include "modules/registry/logged_models.h"

#include <array>

#include "base/format.h"
#include "modules/registry/limits.h"
#include "modules/registry/logged_repository.h"
#include "modules/registry/names.h"
#include "modules/registry/source.h"

namespace mk::registry {
namespace {

// A name for a model that was given none, easy to say and to tell apart.
std::string made_up_name(os::Random& random) {
  constexpr std::array<std::string_view, 16> kFirst = {
      "amber", "brisk", "calm",   "dapper", "eager", "fresh", "gentle", "honest",
      "ivory", "jolly", "kindly", "lucid",  "merry", "noble", "proud",  "quiet"};
  constexpr std::array<std::string_view, 16> kSecond = {"auk",   "bee",  "crane", "deer", "eel", "finch",
                                                        "goose", "hare", "ibis",  "jay",  "koi", "lynx",
                                                        "moth",  "newt", "otter", "wren"};
  return fmt::format("{}-{}-{}", kFirst[random.below(kFirst.size())], kSecond[random.below(kSecond.size())],
                     random.below(1000));
}

Result<void> check_params(const std::vector<Tag>& params) {
  if (params.size() > kParamsPerModelMax) {
    return invalid(fmt::format("{} parameters in one request; at most {} are allowed", params.size(),
                               kParamsPerModelMax));
  }
  for (const Tag& param : params) MK_OK(check_param(param));
  return {};
}

}  // namespace

LoggedModels::LoggedModels(store::Store& store, const os::Clock& clock, os::Random& random,
                           const core::RunDirectory& runs)
    : store_(store), clock_(clock), random_(random), runs_(runs) {}

Result<LoggedModel> LoggedModels::create(NewLoggedModel asked) {
  LoggedModel model;
  model.name = asked.name ? std::move(*asked.name) : made_up_name(random_);
  MK_OK(check_logged_model_name(model.name));
  MK_OK(check_length("model_type", asked.model_type, kModelTypeCharsMax));
  MK_OK(check_tags(asked.tags));
  MK_OK(check_params(asked.params));
  MK_TRY(core::RunDirectory::Experiment experiment, runs_.experiment(asked.experiment_id));
  if (!asked.source_run_id.empty()) {
    MK_TRY(core::RunDirectory::Run run, runs_.run(asked.source_run_id));
    if (run.experiment_id != asked.experiment_id) {
      return invalid(fmt::format("the run {} belongs to experiment {}, not {}", shown(run.id),
                                 shown(run.experiment_id), shown(asked.experiment_id)));
    }
  }
  model.model_id = "m-" + random_.hex(32);
  model.experiment_id = std::move(asked.experiment_id);
  model.model_type = std::move(asked.model_type);
  model.source_run_id = std::move(asked.source_run_id);
  model.artifact_uri = fmt::format("{}/models/{}/artifacts", experiment.artifact_location, model.model_id);
  model.created_ms = model.updated_ms = clock_.now().ms();
  model.tags = last_of_each_key(std::move(asked.tags));
  model.params = last_of_each_key(std::move(asked.params));
  MK_OK(store_.commit({.rows = [&](store::RowWriter& db) { return insert_logged_model(db, model); }}));
  return model;
}

Result<LoggedModel> LoggedModels::get(std::string_view model_id, bool deleted_too) const {
  Result<LoggedModel> found;
  MK_OK(store_.read([&](store::RowReader& db) -> Result<void> {
    found = read_logged_model(db, model_id, deleted_too);
    return {};
  }));
  return found;
}

Result<void> LoggedModels::change(std::string_view model_id,
                                  const std::function<Result<void>(store::RowWriter&)>& rows) {
  MK_OK(store_.commit({.rows = [&](store::RowWriter& db) -> Result<void> {
    MK_OK(need_logged_model(db, model_id));
    return rows(db);
  }}));
  return {};
}

Result<LoggedModel> LoggedModels::finish(std::string_view model_id, LoggedModelStatus status) {
  if (status == LoggedModelStatus::kUnspecified)
    return invalid("the status of a logged model cannot be unspecified");
  MK_OK(change(model_id, [&](store::RowWriter& db) {
    return put_logged_status(db, model_id, status, clock_.now().ms());
  }));
  return get(model_id);
}

Result<void> LoggedModels::remove(std::string_view model_id) {
  return change(model_id,
                [&](store::RowWriter& db) { return mark_logged_deleted(db, model_id, clock_.now().ms()); });
}

Result<Page<LoggedModel>> LoggedModels::search(const Search& search) const {
  Page<LoggedModel> page;
  MK_OK(store_.read([&](store::RowReader& db) -> Result<void> {
    MK_TRY(page, find_logged_models(db, search));
    return {};
  }));
  return page;
}

Result<void> LoggedModels::add_params(std::string_view model_id, std::vector<Tag> params) {
  MK_OK(check_params(params));
  return change(model_id, [&](store::RowWriter& db) { return put_logged_params(db, model_id, params); });
}

Result<void> LoggedModels::set_tags(std::string_view model_id, std::vector<Tag> tags) {
  MK_OK(check_tags(tags));
  return change(model_id, [&](store::RowWriter& db) { return put_logged_tags(db, model_id, tags); });
}

Result<void> LoggedModels::remove_tag(std::string_view model_id, std::string_view key) {
  return change(model_id, [&](store::RowWriter& db) -> Result<void> {
    MK_TRY(const bool gone, remove_logged_tag(db, model_id, key));
    if (gone) return {};
    return fail(Code::kNotFound, "no_such_tag",
                fmt::format("the logged model {} has no tag {}", shown(model_id), shown(key)));
  });
}

Result<std::string> LoggedModels::of_run(std::string_view run_id, std::string_view name) const {
  std::string id;
  MK_OK(store_.read([&](store::RowReader& db) -> Result<void> {
    MK_TRY(id, model_of_run(db, run_id, name));
    return {};
  }));
  return id;
}

core::RecordModelMetrics model_metric_recorder() {
  return add_model_metrics;
}

}  // namespace mk::registry

#include "modules/registry/registry.h"

#include <algorithm>

#include "base/format.h"
#include "modules/registry/limits.h"
#include "modules/registry/logged_repository.h"
#include "modules/registry/names.h"
#include "modules/registry/repository.h"
#include "modules/registry/source.h"

namespace mk::registry {
namespace {

// Everything below `root`, or `root` itself.
bool is_within(std::string_view root, std::string_view uri) {
  if (root.ends_with('/')) root.remove_suffix(1);
  return uri.starts_with(root) && (uri.size() == root.size() || uri[root.size()] == '/');
}

Failure not_the_owner(const NewVersion& version, std::string_view field, std::string_view named) {
  return fail(Error{
      Code::kInvalidArgument, "source_of_another",
      fmt::format("the source {} does not belong to the {} {}", shown(version.source), field, shown(named))}
                  .with_hint(fmt::format("name the {} that contains the source, or leave it out", field)));
}

Failure no_alias(const RegisteredModel& model, std::string_view alias) {
  if (alias == "latest") {
    return fail(Error{Code::kNotFound, "no_such_alias",
                      fmt::format("the model {} has no version yet", shown(model.name))});
  }
  std::string known;
  for (const Alias& a : model.aliases) known += (known.empty() ? "" : ", ") + a.alias;
  return fail(
      Error{Code::kNotFound, "no_such_alias",
            fmt::format("the model {} has no alias {}{}", shown(model.name), shown(alias),
                        known.empty() ? "" : " (it has " + known.substr(0, 200) + ")")}
          .with_hint(fmt::format("set one with MlflowClient().set_registered_model_alias({}, {}, VERSION)",
                                 shown(model.name), shown(alias))));
}

}  // namespace

Registry::Registry(store::Store& store, const os::Clock& clock, const core::RunDirectory& runs,
                   LoggedModels& logged)
    : store_(store), clock_(clock), runs_(runs), logged_(logged) {}

void Registry::on_change(std::function<void()> call) {
  std::lock_guard lock(mutex_);
  listeners_.push_back(std::move(call));
}

void Registry::changed() const {
  std::vector<std::function<void()>> listeners;
  {
    std::lock_guard lock(mutex_);
    listeners = listeners_;
  }
  for (const auto& call : listeners) call();
}

void Registry::file_changed(const blob::Path& path) const {
  const ArtifactOwner owner = owner_of(path);
  bool in_use = false;
  auto looked = store_.read([&](store::RowReader& db) -> Result<void> {
    if (!owner.model_id.empty()) {
      MK_TRY(LoggedModel model, read_logged_model(db, owner.model_id));
      in_use = model.status == LoggedModelStatus::kReady;
    } else if (!owner.run_id.empty()) {
      MK_TRY(in_use, run_has_versions(db, owner.run_id));
    }
    return {};
  });
  if (looked && in_use) changed();
}

Result<void> Registry::write(const std::function<Result<void>(store::RowWriter&)>& rows,
                             bool changes_models) {
  MK_OK(store_.commit({.rows = rows}));
  if (changes_models) changed();
  return {};
}

// ---- models ----

Result<RegisteredModel> Registry::create_model(std::string name, std::string description,
                                               std::vector<Tag> tags) {
  MK_OK(check_model_name(name));
  MK_OK(check_length("the description", description, kDescriptionBytesMax));
  MK_OK(check_tags(tags));
  RegisteredModel model;
  model.name = std::move(name);
  model.description = std::move(description);
  model.tags = last_of_each_key(std::move(tags));
  model.created_ms = model.updated_ms = now_ms();
  MK_OK(write([&](store::RowWriter& db) -> Result<void> {
    if (auto known = read_model(db, model.name); known) {
      // The words "Prompt" and "Registered Model" are what MLflow's client looks for.
      return fail(Code::kAlreadyExists, "model_exists",
                  fmt::format("{} (name={}) already exists",
                              known->is_prompt() ? "Prompt" : "Registered Model", shown(model.name)));
    }
    return insert_model(db, model);
  }));
  return model;
}

Result<RegisteredModel> Registry::model(std::string_view name) const {
  MK_OK(check_model_name(name));
  RegisteredModel found;
  MK_OK(store_.read([&](store::RowReader& db) -> Result<void> {
    MK_TRY(found, read_model(db, name));
    return {};
  }));
  return found;
}

Result<RegisteredModel> Registry::describe_model(std::string_view name, std::string_view description) {
  MK_OK(check_model_name(name));
  MK_OK(check_length("the description", description, kDescriptionBytesMax));
  MK_OK(write([&](store::RowWriter& db) -> Result<void> {
    MK_TRY(int64_t row, model_row(db, name));
    return registry::describe_model(db, row, description, now_ms());
  }));
  return model(name);
}

Result<RegisteredModel> Registry::rename_model(std::string_view name, std::string_view new_name) {
  MK_OK(check_model_name(name));
  MK_OK(check_model_name(new_name, "new_name"));
  MK_OK(write(
      [&](store::RowWriter& db) -> Result<void> {
        MK_TRY(int64_t row, model_row(db, name));
        if (model_row(db, new_name)) {
          return fail(Code::kAlreadyExists, "model_exists",
                      fmt::format("Registered Model (name={}) already exists", shown(new_name)));
        }
        return registry::rename_model(db, row, new_name, now_ms());
      },
      true));
  return model(new_name);
}

Result<void> Registry::remove_model(std::string_view name) {
  MK_OK(check_model_name(name));
  return write(
      [&](store::RowWriter& db) -> Result<void> {
        MK_TRY(int64_t row, model_row(db, name));
        return registry::remove_model(db, row);
      },
      true);
}

Result<Page<RegisteredModel>> Registry::search_models(const Search& search) const {
  Page<RegisteredModel> page;
  MK_OK(store_.read([&](store::RowReader& db) -> Result<void> {
    MK_TRY(page, find_models(db, search));
    return {};
  }));
  return page;
}

Result<void> Registry::set_model_tag(std::string_view name, Tag tag) {
  MK_OK(check_model_name(name));
  MK_OK(check_tag(tag));
  return write([&](store::RowWriter& db) -> Result<void> {
    MK_TRY(int64_t row, model_row(db, name));
    return put_model_tags(db, row, {tag});
  });
}

Result<void> Registry::remove_model_tag(std::string_view name, std::string_view key) {
  MK_OK(check_model_name(name));
  return write([&](store::RowWriter& db) -> Result<void> {
    MK_TRY(int64_t row, model_row(db, name));
    return registry::remove_model_tag(db, row, key);
  });
}

// ---- versions ----

Result<void> Registry::locate(NewVersion& v, std::string& location) const {
  MK_TRY(const Source source, parse_source(v.source));
  location = v.source;
  auto take_run = [&](const std::string& run_id) -> Result<void> {
    if (!v.run_id.empty() && v.run_id != run_id) return not_the_owner(v, "run_id", v.run_id);
    v.run_id = run_id;
    return {};
  };
  auto take_model = [&](const std::string& model_id) -> Result<LoggedModel> {
    if (!v.model_id.empty() && v.model_id != model_id) return not_the_owner(v, "model_id", v.model_id);
    MK_TRY(LoggedModel model, logged_.get(model_id));
    v.model_id = model_id;
    if (v.run_id.empty()) v.run_id = model.source_run_id;
    return model;
  };
  if (auto* run = std::get_if<RunSource>(&source)) {
    MK_OK(runs_.run(run->run_id));
    return take_run(run->run_id);
  }
  if (auto* logged = std::get_if<LoggedSource>(&source)) {
    MK_TRY(LoggedModel model, take_model(logged->model_id));
    location = model.artifact_uri;
    return {};
  }
  if (auto* other = std::get_if<VersionSource>(&source)) {
    MK_TRY(RegisteredModel owner, model(other->name));
    if (owner.is_prompt())
      return invalid(fmt::format("{} is a prompt; a model version cannot be made of it", shown(owner.name)));
    MK_TRY(ModelVersion from, other->alias.empty() ? version(other->name, other->version)
                                                   : version_by_alias(other->name, other->alias));
    if (!v.run_id.empty() && v.run_id != from.run_id) return not_the_owner(v, "run_id", v.run_id);
    if (!v.model_id.empty() && v.model_id != from.model_id) return not_the_owner(v, "model_id", v.model_id);
    v.run_id = from.run_id;
    v.model_id = from.model_id;
    v.source =
        fmt::format("models:/{}/{}", from.name, from.version);  // an alias may move, this version may not
    location = from.storage_location;
    return {};
  }
  // An artifact path counts only as part of the run or the logged model that owns it.
  ArtifactOwner owner = owner_of(std::get<ArtifactSource>(source).path);
  if (std::string model_id = v.model_id.empty() ? owner.model_id : v.model_id; !model_id.empty()) {
    MK_TRY(LoggedModel model, take_model(model_id));
    if (is_within(model.artifact_uri, v.source)) return {};
    return not_the_owner(v, "model_id", model_id);
  }
  std::string run_id = v.run_id.empty() ? owner.run_id : v.run_id;
  if (run_id.empty()) {
    return fail(Error{Code::kInvalidArgument, "source_of_nobody",
                      fmt::format("the source {} belongs to no run and no logged model", shown(v.source))}
                    .with_hint("log the model in a run first"));
  }
  MK_TRY(core::RunDirectory::Run run, runs_.run(run_id));
  if (!is_within(run.artifact_uri, v.source)) return not_the_owner(v, "run_id", run_id);
  return take_run(run_id);
}

Result<ModelVersion> Registry::create_version(NewVersion asked) {
  MK_OK(check_model_name(asked.name));
  MK_OK(check_tags(asked.tags));
  MK_OK(check_length("run_link", asked.run_link, kRunLinkBytesMax));
  if (asked.description) MK_OK(check_length("the description", *asked.description, kDescriptionBytesMax));
  asked.tags = last_of_each_key(std::move(asked.tags));
  std::string location = asked.source;
  if (has_prompt_tag(asked.tags)) {
    // The tag excuses from having files, so it must not come with any (CVE-2026-2614).
    if (!is_prompt_placeholder(asked.source)) {
      return invalid(
          fmt::format("the source of a prompt must be 'prompt-template', not {}", shown(asked.source)));
    }
  } else {
    MK_OK(locate(asked, location));
  }
  ModelVersion version{.name = asked.name,
                       .description = asked.description,
                       .source = asked.source,
                       .storage_location = location,
                       .run_id = asked.run_id,
                       .run_link = asked.run_link,
                       .model_id = asked.model_id,
                       .user_id = asked.user_id,
                       .tags = asked.tags};
  version.created_ms = version.updated_ms = now_ms();
  MK_OK(write(
      [&](store::RowWriter& db) -> Result<void> {
        MK_TRY(int64_t row, model_row(db, version.name));
        MK_TRY(version.version, insert_version(db, row, version));
        if (version.model_id.empty()) return {};
        return note_version(db, version.model_id, version.name, version.version);
      },
      true));
  return version;
}

Result<ModelVersion> Registry::version(std::string_view name, int64_t number) const {
  MK_OK(check_model_name(name));
  ModelVersion found;
  MK_OK(store_.read([&](store::RowReader& db) -> Result<void> {
    MK_TRY(found, read_version(db, name, number));
    return {};
  }));
  return found;
}

Result<std::vector<ModelVersion>> Registry::latest_versions(std::string_view name,
                                                            const std::vector<std::string>& stages) const {
  std::vector<std::string> wanted;
  for (const std::string& stage : stages) {
    MK_TRY(std::string known, canonical_stage(stage));
    wanted.push_back(std::move(known));
  }
  MK_TRY(RegisteredModel found, model(name));
  std::erase_if(found.latest, [&](const ModelVersion& v) {
    return !wanted.empty() && std::find(wanted.begin(), wanted.end(), v.stage) == wanted.end();
  });
  return std::move(found.latest);
}

Result<ModelVersion> Registry::describe_version(std::string_view name, int64_t number,
                                                std::optional<std::string> description) {
  MK_OK(check_model_name(name));
  if (description) MK_OK(check_length("the description", *description, kDescriptionBytesMax));
  MK_OK(write([&](store::RowWriter& db) -> Result<void> {
    MK_OK(read_version(db, name, number));
    MK_TRY(int64_t row, model_row(db, name));
    return registry::describe_version(db, row, number, description, now_ms());
  }));
  return version(name, number);
}

Result<ModelVersion> Registry::move_to_stage(std::string_view name, int64_t number, std::string_view stage,
                                             bool archive_others) {
  MK_OK(check_model_name(name));
  MK_TRY(std::string known, canonical_stage(stage));
  if (archive_others && known != "Staging" && known != "Production") {
    return invalid(fmt::format(
        "other versions can be archived only on a move to Staging or Production, not to {}", known));
  }
  MK_OK(write([&](store::RowWriter& db) -> Result<void> {
    MK_OK(read_version(db, name, number));
    MK_TRY(int64_t row, model_row(db, name));
    if (archive_others) MK_OK(archive_stage(db, row, number, known, now_ms()));
    return put_stage(db, row, number, known, now_ms());
  }));
  return version(name, number);
}

Result<void> Registry::remove_version(std::string_view name, int64_t number) {
  MK_OK(check_model_name(name));
  return write(
      [&](store::RowWriter& db) -> Result<void> {
        MK_OK(read_version(db, name, number));
        MK_TRY(int64_t row, model_row(db, name));
        MK_OK(registry::remove_version(db, row, number));
        return touch_model(db, row, now_ms());
      },
      true);
}

Result<Page<ModelVersion>> Registry::search_versions(const Search& search) const {
  Page<ModelVersion> page;
  MK_OK(store_.read([&](store::RowReader& db) -> Result<void> {
    MK_TRY(page, find_versions(db, search));
    return {};
  }));
  return page;
}

Result<void> Registry::set_version_tag(std::string_view name, int64_t number, Tag tag) {
  MK_OK(check_model_name(name));
  MK_OK(check_tag(tag));
  return write([&](store::RowWriter& db) -> Result<void> {
    MK_OK(read_version(db, name, number));
    MK_TRY(int64_t row, model_row(db, name));
    return put_version_tags(db, row, number, {tag});
  });
}

Result<void> Registry::remove_version_tag(std::string_view name, int64_t number, std::string_view key) {
  MK_OK(check_model_name(name));
  return write([&](store::RowWriter& db) -> Result<void> {
    MK_OK(read_version(db, name, number));
    MK_TRY(int64_t row, model_row(db, name));
    return registry::remove_version_tag(db, row, number, key);
  });
}

// ---- aliases ----

Result<ModelVersion> Registry::version_by_alias(std::string_view name, std::string_view alias) const {
  MK_OK(check_model_name(name));
  MK_OK(check_alias(alias));
  ModelVersion found;
  MK_OK(store_.read([&](store::RowReader& db) -> Result<void> {
    MK_TRY(RegisteredModel owner, read_model(db, name));
    MK_TRY(auto number, aliased_version(db, owner.row, alias));
    if (!number) return no_alias(owner, alias);
    MK_TRY(found, read_version(db, name, *number));
    return {};
  }));
  return found;
}

Result<void> Registry::set_alias(std::string_view name, std::string_view alias, int64_t number) {
  MK_OK(check_model_name(name));
  MK_OK(check_new_alias(alias));
  return write(
      [&](store::RowWriter& db) -> Result<void> {
        MK_OK(read_version(db, name, number));
        MK_TRY(int64_t row, model_row(db, name));
        return put_alias(db, row, alias, number);
      },
      true);
}

Result<void> Registry::remove_alias(std::string_view name, std::string_view alias) {
  MK_OK(check_model_name(name));
  MK_OK(check_alias(alias));
  return write(
      [&](store::RowWriter& db) -> Result<void> {
        MK_TRY(int64_t row, model_row(db, name));
        return registry::remove_alias(db, row, alias);
      },
      true);
}

}  // namespace mk::registry

// The writes that come in thousands a second: create_run, update_run, log. Everything that can be done before
// the writer thread (checks, encoding) is; what runs there is a handful of prepared statements.
#include "base/format.h"
#include "modules/tracking/limits.h"
#include "modules/tracking/run_name.h"
#include "modules/tracking/segment.h"
#include "modules/tracking/tracking.h"
#include "modules/tracking/validate.h"

namespace mk::tracking {

using store::RowWriter;

namespace {

// The name that `tags` give the run, if any. They must not name it otherwise than `name` does.
Result<std::string> name_of(const std::string& name, const std::vector<Tag>& tags) {
  for (const Tag& tag : tags) {
    if (tag.key != kRunNameTag) continue;
    if (!name.empty() && name != tag.value)
      return invalid(fmt::format("run_name is '{}' but the tag {} is '{}'; give one of them, or both alike",
                                 name.substr(0, 100), kRunNameTag, tag.value.substr(0, 100)));
    return tag.value;
  }
  return name;
}

std::string below(std::string_view location, std::string_view run_id) {
  if (location.ends_with('/')) location.remove_suffix(1);
  return fmt::format("{}/{}/artifacts", location, run_id);
}

Result<void> check_new_run(NewRun& wanted) {
  if (wanted.start_ms && *wanted.start_ms < 0)
    return invalid(fmt::format("start_time is {}; it must be milliseconds since 1970", *wanted.start_ms));
  if (wanted.tags.size() > kTagsAtCreateMax)
    return invalid(
        fmt::format("a run is created with at most {} tags, not {}", kTagsAtCreateMax, wanted.tags.size()));
  if (characters(wanted.user) > kUserIdCharactersMax)
    return invalid(fmt::format("user_id has {} characters; at most {} are allowed", characters(wanted.user),
                               kUserIdCharactersMax));
  for (Tag& tag : wanted.tags) {
    MK_OK(check_key(tag.key, "tags.key"));
    tag.value = cut(std::move(tag.value), kTagCharactersMax);
  }
  wanted.name = cut(std::move(wanted.name), kTagCharactersMax);
  return {};
}

}  // namespace

void Tracking::create_run(NewRun wanted, Done<CreatedRun> done) {
  auto checked = check_new_run(wanted);
  if (!checked) return done(fail(std::move(checked).error()));
  auto name = name_of(wanted.name, wanted.tags);
  if (!name) return done(fail(std::move(name).error()));
  auto run = std::make_shared<CreatedRun>();
  run->info.id = parts_.random.hex(32);
  run->info.experiment = wanted.experiment;
  run->info.name = name->empty() ? random_run_name(parts_.random) : std::move(*name);
  run->info.user = std::move(wanted.user);
  run->info.start_ms = wanted.start_ms.value_or(parts_.clock.now().ms());
  run->tags = std::move(wanted.tags);
  std::erase_if(run->tags, [](const Tag& tag) { return tag.key == kRunNameTag; });
  run->tags.push_back({std::string(kRunNameTag), run->info.name});
  store::Txn txn;
  txn.rows = [run](RowWriter& rows) -> Result<void> {
    MK_TRY(const Experiment experiment, read_experiment(rows, run->info.experiment));
    if (experiment.stage != Stage::kActive)
      return fail(
          Error{Code::kFailedPrecondition, "experiment_deleted",
                fmt::format("the experiment {} must be active, but it is deleted", run->info.experiment),
                "restore it with experiments/restore"});
    run->info.artifact_uri = below(experiment.artifact_location, run->info.id);
    MK_OK(insert_run(rows, run->info));
    for (const Tag& tag : run->tags) MK_OK(set_tag(rows, run->info.number, tag));
    return {};
  };
  parts_.store.submit(std::move(txn), [this, run, done = std::move(done)](auto committed) {
    if (!committed) return done(fail(std::move(committed).error()));
    index_.note({run->info.experiment, run->info.id, run->info, {}, {}, run->tags});
    done(std::move(*run));
  });
}

void Tracking::update_run(RunUpdate update, Done<RunInfo> done) {
  auto checked = check_run_id(update.run_id);
  if (checked && update.end_ms && *update.end_ms < 0)
    checked = invalid(fmt::format("end_time is {}; it must be milliseconds since 1970", *update.end_ms));
  if (!checked) return done(fail(std::move(checked).error()));
  struct State {
    RunUpdate update;
    RunInfo info;
  };
  auto state = std::make_shared<State>(State{std::move(update), {}});
  state->update.name = cut(std::move(state->update.name), kTagCharactersMax);
  store::Txn txn;
  txn.rows = [state](RowWriter& rows) -> Result<void> {
    const RunUpdate& wanted = state->update;
    MK_TRY(RunInfo info, active_run(rows, wanted.run_id));
    if (wanted.status) info.status = *wanted.status;
    if (wanted.end_ms) info.end_ms = wanted.end_ms;
    if (!wanted.name.empty()) {
      info.name = wanted.name;
      MK_OK(set_tag(rows, info.number, {std::string(kRunNameTag), info.name}));
    }
    MK_OK(tracking::update_run(rows, info));
    state->info = std::move(info);
    return {};
  };
  parts_.store.submit(std::move(txn), [this, state, done = std::move(done)](auto committed) {
    if (!committed) return done(fail(std::move(committed).error()));
    Change change{state->info.experiment, state->info.id, state->info};
    if (!state->update.name.empty()) change.tags.push_back({std::string(kRunNameTag), state->info.name});
    index_.note(std::move(change));
    done(std::move(state->info));
  });
}

void Tracking::log(Batch batch, Done<void> done) {
  if (auto checked = check_batch(batch); !checked) return done(fail(std::move(checked).error()));
  struct State {
    Batch batch;
    RunPlace place;
    std::optional<RunInfo> renamed;
  };
  store::Txn txn;
  if (!batch.metrics.empty())
    txn.segments.push_back({metric_stream(batch.run_id), encode_segment(batch.metrics)});
  auto state = std::make_shared<State>(State{std::move(batch), {}, {}});
  txn.rows = [this, state](RowWriter& rows) -> Result<void> {
    const Batch& b = state->batch;
    MK_TRY(state->place, active_run_place(rows, b.run_id));
    const int64_t run = state->place.number;
    for (const Param& param : b.params) MK_OK(add_param(rows, run, b.run_id, param));
    for (const Series& series : b.metrics) MK_OK(fold_metric(rows, run, series));
    for (const Tag& tag : b.tags) {
      MK_OK(set_tag(rows, run, tag));
      if (tag.key != kRunNameTag) continue;
      MK_TRY(RunInfo info, read_run_info(rows, b.run_id));
      info.name = tag.value;
      MK_OK(tracking::update_run(rows, info));
      state->renamed = std::move(info);
    }
    if (!b.model_metrics.empty() && parts_.record_model_metrics)
      MK_OK(parts_.record_model_metrics(rows, b.model_metrics));
    return {};
  };
  parts_.store.submit(std::move(txn), [this, state, done = std::move(done)](auto committed) {
    if (!committed) return done(fail(std::move(committed).error()));
    Batch& b = state->batch;
    if (!b.metrics.empty()) history_->appended(b.run_id);
    index_.note({state->place.experiment, std::move(b.run_id), std::move(state->renamed),
                 std::move(b.metrics), std::move(b.params), std::move(b.tags)});
    done({});
  });
}

}  // namespace mk::tracking

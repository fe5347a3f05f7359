#include "modules/tracking/tracking.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <future>
#include <thread>

#include "modules/tracking/limits.h"
#include "modules/tracking/segment.h"
#include "modules/tracking/validate.h"

using namespace mk;
using namespace mk::tracking;

namespace {

struct World {
  World() : store(store::open_store({.schemas = {schema()}}).value()), executor(1), random(7) {
    tracking = Tracking::open({*store, executor, clock, random}).value();
  }

  Result<CreatedRun> create(NewRun wanted) {
    std::optional<Result<CreatedRun>> out;
    tracking->create_run(std::move(wanted), [&](auto result) { out = std::move(result); });
    wait();
    return std::move(*out);
  }
  std::string run(int64_t start_ms = 1000, int64_t experiment = 0) {
    NewRun wanted;
    wanted.experiment = experiment;
    wanted.start_ms = start_ms;
    return create(wanted).value().info.id;
  }
  Result<void> log(Batch batch) {
    std::optional<Result<void>> out;
    tracking->log(std::move(batch), [&](auto result) { out = std::move(result); });
    wait();
    return std::move(*out);
  }
  Result<RunInfo> update(RunUpdate update) {
    std::optional<Result<RunInfo>> out;
    tracking->update_run(std::move(update), [&](auto result) { out = std::move(result); });
    wait();
    return std::move(*out);
  }
  void metric(const std::string& run, const std::string& key, double value, int64_t step = 0) {
    REQUIRE(log({run, {{key, {{5, step, value}}}}, {}, {}, {}}));
  }
  void wait() { REQUIRE(store->commit({})); }  // completions come in order

  // Run ids of all pages, one run a page, in order.
  std::vector<std::string> search(const std::string& filter, std::vector<std::string> order_by = {},
                                  View view = View::kActiveOnly) {
    RunQuery query{{0}, filter, std::move(order_by), view, 1, {}};
    std::vector<std::string> out;
    while (true) {
      auto page = tracking->search_runs(query);
      REQUIRE_MESSAGE(page, (page ? "" : page.error().message));
      for (const auto& one : page->list.runs) out.push_back(one->info.id);
      if (page->next_page_token.empty()) return out;
      query.page_token = page->next_page_token;
    }
  }

  std::unique_ptr<store::Store> store;
  os::SimulatedExecutor executor;
  os::SimulatedClock clock;
  os::SeededRandom random;
  std::unique_ptr<Tracking> tracking;
};

double latest(const RunState& run, std::string_view key) {
  for (const MetricCell& cell : run.metrics)
    if (cell.key->name == key) return cell.latest.value;
  FAIL("no such metric");
  return 0;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("tracking: a new store has the experiment Default") {
  World w;
  auto experiment = w.tracking->get_experiment(int64_t{0});
  REQUIRE(experiment);
  CHECK(experiment->name == "Default");
  CHECK(experiment->artifact_location == "mlflow-artifacts:/0");
  CHECK(w.tracking->get_experiment(int64_t{9}).error().code == Code::kNotFound);
}

TEST_CASE("tracking: experiments are created once, renamed, deleted with their runs, restored") {
  World w;
  auto id = w.tracking->create_experiment({"wine", {}, {{"team", "a"}}});
  REQUIRE(id);
  CHECK(*id == 1);
  CHECK(w.tracking->create_experiment({"wine", {}, {}}).error().code == Code::kAlreadyExists);
  CHECK(w.tracking->get_experiment("wine")->artifact_location == "mlflow-artifacts:/1");
  const std::string run = w.run(1000, *id);
  REQUIRE(w.tracking->delete_experiment(*id));
  CHECK(w.tracking->delete_experiment(*id).error().code == Code::kNotFound);
  CHECK(w.tracking->get_run(run)->runs[0]->info.stage == Stage::kDeleted);
  CHECK(w.log({run, {}, {{"a", "1"}}, {}, {}}).error().reason == "run_deleted");
  CHECK(w.create({*id, {}, {}, {}, {}}).error().reason == "experiment_deleted");
  CHECK(w.tracking->rename_experiment(*id, "x").error().code == Code::kFailedPrecondition);
  CHECK(w.tracking->set_experiment_tag(*id, {"a", "b"}).error().code == Code::kFailedPrecondition);
  CHECK(w.tracking->directory().experiment("1").error().code == Code::kNotFound);
  REQUIRE(w.tracking->restore_experiment(*id));
  CHECK(w.tracking->get_run(run)->runs[0]->info.stage == Stage::kActive);
  REQUIRE(w.tracking->rename_experiment(*id, "wine 2"));
  CHECK(w.tracking->rename_experiment(*id, "Default").error().code == Code::kAlreadyExists);
  REQUIRE(w.tracking->set_experiment_tag(*id, {"team", "b"}));
  CHECK(w.tracking->get_experiment(*id)->tags == std::vector<Tag>{{"team", "b"}});
  REQUIRE(w.tracking->delete_experiment_tag(*id, "team"));
  CHECK(w.tracking->delete_experiment_tag(*id, "team").error().code == Code::kNotFound);
  CHECK(w.tracking->directory().run(run)->artifact_uri == "mlflow-artifacts:/1/" + run + "/artifacts");
}

TEST_CASE("tracking: experiments are searched by name and tag, in pages") {
  World w;
  for (const char* name : {"a1", "a2", "b1"}) {
    w.clock.advance(Duration::from_ms(1));
    REQUIRE(w.tracking->create_experiment({name, {}, {{"k", name}}}));
  }
  const auto names = [&](ExperimentQuery query) {
    std::vector<std::string> out;
    query.results_max = 1;
    while (true) {
      auto page = w.tracking->search_experiments(query);
      REQUIRE(page);
      for (const auto& one : page->experiments) out.push_back(one.name);
      if (page->next_page_token.empty()) return out;
      query.page_token = page->next_page_token;
    }
  };
  CHECK(names({}) == std::vector<std::string>{"b1", "a2", "a1", "Default"});
  CHECK(names({"name LIKE 'a%'", {"name"}}) == std::vector<std::string>{"a1", "a2"});
  CHECK(names({"tags.k = 'b1'"}) == std::vector<std::string>{"b1"});
  CHECK(names({"tags.k IS NULL"}) == std::vector<std::string>{"Default"});
  CHECK(names({"experiment_id IN ('1', '3')", {"experiment_id ASC"}}) ==
        std::vector<std::string>{"a1", "b1"});
  CHECK_FALSE(w.tracking->search_experiments({.filter = "metrics.a > 1", .results_max = 1}));
  CHECK_FALSE(w.tracking->search_experiments({.order_by = {"tags.k"}, .results_max = 1}));
}

TEST_CASE("tracking: a run's name comes from its argument, its tag or chance") {
  World w;
  CHECK(w.create({0, "n", {}, {}, {}})->info.name == "n");
  CHECK(w.create({0, "", {}, {}, {{"mlflow.runName", "t"}}})->info.name == "t");
  CHECK(w.create({0, "a", {}, {}, {{"mlflow.runName", "b"}}}).error().code == Code::kInvalidArgument);
  CHECK_FALSE(w.create({0, "", {}, {}, {}})->info.name.empty());
  const std::string run = w.run();
  REQUIRE(w.log({run, {}, {}, {{"mlflow.runName", "later"}}, {}}));
  CHECK(w.tracking->get_run(run)->runs[0]->info.name == "later");
  REQUIRE(w.update({run, RunStatus::kFailed, 2000, "last"}));
  const auto state = w.tracking->get_run(run).value();
  CHECK(state.runs[0]->info.status == RunStatus::kFailed);
  CHECK(state.runs[0]->info.end_ms == 2000);
  CHECK(std::ranges::any_of(state.runs[0]->tags, [](const TextCell& c) { return c.value == "last"; }));
}

TEST_CASE("tracking: a param is written once, and a batch is all or nothing") {
  World w;
  const std::string run = w.run();
  REQUIRE(w.log({run, {}, {{"lr", "0.1"}}, {}, {}}));
  REQUIRE(w.log({run, {}, {{"lr", "0.1"}}, {}, {}}));
  const auto refused =
      w.log({run, {{"loss", {{1, 0, 0.5}}}}, {{"new", "1"}, {"lr", "0.2"}}, {{"t", "v"}}, {}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().reason == "param_is_set");
  const RunList list = w.tracking->get_run(run).value();
  CHECK(list.runs[0]->metrics.empty());
  CHECK(list.runs[0]->params.size() == 1);
  CHECK(list.runs[0]->tags.size() == 1);  // its name
  CHECK(w.tracking->metric_history(run, "loss", 10, {})->points.empty());
}

TEST_CASE("tracking: what a batch may hold") {
  World w;
  const std::string run = w.run();
  const auto reason = [&](Batch batch) {
    auto done = w.log(std::move(batch));
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Code::kInvalidArgument);
    return done.error().message;
  };
  Series many{"m", {}};
  for (int i = 0; i < 1001; ++i) many.points.push_back({1, i, 0});
  CHECK(reason({run, {many}, {}, {}, {}}).starts_with("one batch may hold 1000 metrics"));
  std::vector<Param> params;
  for (int i = 0; i < 101; ++i) params.push_back({"p" + std::to_string(i), ""});
  CHECK(reason({run, {}, params, {}, {}}).starts_with("one batch may hold 100 params"));
  CHECK(reason({run, {}, {}, params, {}}).starts_with("one batch may hold 100 tags"));
  CHECK(reason({run, {}, {{"a", "1"}, {"a", "1"}}, {}, {}}).find("comes twice") != std::string::npos);
  CHECK(reason({run, {{"m", {{-1, 0, 0}}}}, {}, {}, {}}).find("timestamp -1") != std::string::npos);
  CHECK(reason({"../x", {}, {}, {}, {}}).find("run id") != std::string::npos);
  for (const char* key : {"", "a//b", "/a", "a/", "../a", ".", "a\"b", "a'b", "a;b", "a\nb", "a`b"}) {
    CAPTURE(key);
    (void)reason({run, {{key, {{1, 0, 0}}}}, {}, {}, {}});
    (void)reason({run, {}, {{key, "v"}}, {}, {}});
  }
  CHECK(reason({run, {{std::string(251, 'k'), {{1, 0, 0}}}}, {}, {}, {}}).find("251 characters") !=
        std::string::npos);
  CHECK(w.log({"absent", {}, {}, {}, {}}).error().code == Code::kNotFound);
  // Long values are cut, by characters.
  REQUIRE(w.log({run, {}, {{"p", std::string(7000, 'x')}}, {{"t", std::string(9000, 'y')}}, {}}));
  const RunList list = w.tracking->get_run(run).value();
  CHECK(list.runs[0]->params[0].value.size() == kParamCharactersMax);
  CHECK(cut("aä\xE2\x82\xAC"
            "b",
            3) == "aä\xE2\x82\xAC");
}

TEST_CASE("tracking: the latest value is that of the largest step, and NaN and infinities are kept") {
  World w;
  const std::string run = w.run();
  w.metric(run, "a", 1, 5);
  w.metric(run, "a", 2, 3);  // late
  w.metric(run, "nan", NAN);
  w.metric(run, "inf", INFINITY);
  REQUIRE(w.log({run, {{"many", {{1, 1, 1}, {3, 2, 9}, {2, 2, 8}}}}, {}, {}, {}}));
  for (const bool from_index : {false, true}) {
    RunList list = from_index ? w.tracking->search_runs({{0}, {}, {}, {}, 10, {}})->list
                              : w.tracking->get_run(run).value();
    CHECK(latest(*list.runs[0], "a") == 1);
    CHECK(std::isnan(latest(*list.runs[0], "nan")));
    CHECK(latest(*list.runs[0], "inf") == std::numeric_limits<double>::max());
    CHECK(latest(*list.runs[0], "many") == 9);
  }
}

TEST_CASE("tracking: histories come in order, each point once, in pages") {
  World w;
  const std::string run = w.run();
  for (int step : {3, 1, 2, 2}) w.metric(run, "a", step, step);
  auto page = w.tracking->metric_history(run, "a", 2, {});
  REQUIRE(page);
  CHECK(page->points.size() == 2);
  CHECK(page->points[0].step == 1);
  w.metric(run, "a", 0, 0);  // before the page: shifts nothing
  auto next = w.tracking->metric_history(run, "a", 2, page->next_page_token);
  REQUIRE(next);
  CHECK(next->points.size() == 1);
  CHECK(next->points[0].step == 3);
  CHECK(next->next_page_token.empty());
  CHECK(w.tracking->metric_history(run, "b", 2, page->next_page_token).error().reason ==
        "page_token_invalid");
  CHECK_FALSE(w.tracking->metric_history(run, "a", 2, "garbage"));
  CHECK(w.tracking->metric_history("absent", "a", 2, {}).error().code == Code::kNotFound);
}

TEST_CASE("tracking: small segments are merged in the background and lose nothing") {
  World w;
  const std::string run = w.run();
  for (int i = 0; i < 600; ++i) {
    w.metric(run, i % 2 ? "a" : "b", i, i);
    if (i % 100 == 0) w.executor.run_until_idle();
  }
  w.executor.run_until_idle();
  w.wait();
  CHECK(w.store->segments(metric_stream(run))->size() < 400);
  const auto points = w.tracking->metric_history(run, "a", 1000, {})->points;
  REQUIRE(points.size() == 300);
  for (size_t i = 0; i < points.size(); ++i) CHECK(points[i].step == static_cast<int64_t>(i) * 2 + 1);
}

TEST_CASE("tracking: what an earlier process left unmerged is merged when it is read") {
  World w;
  const std::string run = w.run();
  for (int i = 0; i < 300; ++i) {
    const Series one{"a", {{1, i, 0}}};
    store::Txn txn;
    txn.segments.push_back({metric_stream(run), encode_segment({&one, 1})});
    REQUIRE(w.store->commit(std::move(txn)));
  }
  CHECK(w.tracking->metric_history(run, "a", 1000, {})->points.size() == 300);
  w.executor.run_until_idle();
  w.wait();
  CHECK(w.store->segments(metric_stream(run))->size() == 1);
  CHECK(w.tracking->metric_history(run, "a", 1000, {})->points.size() == 300);
}

TEST_CASE("tracking: a sample keeps first and last and spreads evenly") {
  CHECK(sample_indices(0, 5).empty());
  CHECK(sample_indices(3, 5) == std::vector<size_t>{0, 1, 2});
  CHECK(sample_indices(10, 1) == std::vector<size_t>{9});
  CHECK(sample_indices(10, 4) == std::vector<size_t>{0, 3, 6, 9});
  CHECK(sample_indices(100'000, 320).size() == 320);
  World w;
  const std::string run = w.run();
  Series series{"a", {}};
  for (int i = 0; i < 1000; ++i) series.points.push_back({1000 - i, i, 0});  // timestamps run backwards
  REQUIRE(w.log({run, {series}, {}, {}, {}}));
  const auto points = w.tracking->sampled_history(run, "a", 5, std::pair<int64_t, int64_t>{100, 199}).value();
  REQUIRE(points.size() == 5);
  CHECK(points.front().step == 100);
  CHECK(points.back().step == 199);
}

TEST_CASE("tracking: search follows writes, before and after it is in memory") {
  World w;
  const std::string a = w.run(1000), b = w.run(2000), c = w.run(3000);
  w.metric(a, "m", 1);
  w.metric(b, "m", 2);
  CHECK(w.search("") == Ids{c, b, a});  // loads
  CHECK(w.search("metrics.m > 1") == Ids{b});
  w.metric(c, "m", NAN, 1);
  w.metric(a, "m", 3, 1);
  CHECK(w.search("metrics.m > 1") == Ids{b, a});
  CHECK(w.search("metrics.m != 2") == Ids{c, a});
  CHECK(w.search("", {"metrics.m"}) == Ids{b, a, c});
  CHECK(w.search("", {"metrics.m DESC"}) == Ids{a, b, c});
  const std::string d = w.run(4000);
  CHECK(w.search("", {"metrics.m DESC"}) == Ids{a, b, c, d});  // NaN, then absent
  REQUIRE(w.log({d, {}, {{"lr", "0.1"}}, {{"team", "x y"}}, {}}));
  CHECK(w.search("params.lr = '0.1' AND tags.team LIKE 'x%'") == Ids{d});
  CHECK(w.search("tags.team IS NULL") == Ids{c, b, a});
  CHECK(w.search("params.nowhere = 'x'").empty());
  CHECK(w.search("params.nowhere IS NULL") == Ids{d, c, b, a});
  CHECK(w.search("", {"params.lr", "start_time ASC"}) == Ids{d, a, b, c});
  REQUIRE(w.tracking->delete_run(b));
  CHECK(w.search("") == Ids{d, c, a});
  CHECK(w.search("", {}, View::kDeletedOnly) == Ids{b});
  CHECK(w.search("", {}, View::kAll) == Ids{d, c, b, a});
  REQUIRE(w.tracking->restore_run(b));
  REQUIRE(w.update({b, RunStatus::kFinished, 5000, "named"}));
  CHECK(w.search("status = 'FINISHED' AND end_time >= 5000 AND run_name = 'named'") == Ids{b});
  REQUIRE(w.tracking->delete_tag(d, "team"));
  CHECK(w.search("tags.team IS NOT NULL").empty());
  CHECK(w.tracking->delete_tag(d, "team").error().code == Code::kNotFound);
  CHECK(w.search("attributes.run_id IN ('" + a + "','" + c + "')") == Ids{c, a});
  REQUIRE(w.tracking->delete_experiment(0));
  CHECK(w.search("").empty());
}

TEST_CASE("tracking: datasets and models of a run") {
  World w;
  const std::string a = w.run(1000), b = w.run(2000);
  CHECK(w.search("datasets.name = 'wine'").empty());
  const auto data = std::make_shared<Dataset>(Dataset{"wine", "d1", "local", "{}", "", ""});
  REQUIRE(w.tracking->log_inputs(a, {{data, {{"mlflow.data.context", "train"}}}}, {"m-1"}));
  REQUIRE(w.tracking->log_inputs(a, {{data, {}}}, {"m-1"}));  // again changes nothing
  REQUIRE(w.tracking->log_outputs(b, {{"m-2", 7}}));
  CHECK(w.search("datasets.name = 'wine' AND dataset.context = 'train'") == Ids{a});
  CHECK(w.search("dataset.digest IN ('x', 'd1')") == Ids{a});
  const auto links = w.tracking->get_run(a)->runs[0]->links;
  REQUIRE(links);
  CHECK(links->datasets.size() == 1);
  CHECK(links->model_inputs == std::vector<std::string>{"m-1"});
  CHECK(w.tracking->get_run(b)->runs[0]->links->model_outputs[0].step == 7);
  const auto summaries = w.tracking->search_datasets({0}).value();
  REQUIRE(summaries.size() == 1);
  CHECK(summaries[0].context == "train");
  CHECK_FALSE(w.tracking->log_inputs(a, {{std::make_shared<Dataset>(), {}}}, {}));
}

TEST_CASE("tracking: a page token is for one query only") {
  World w;
  for (int i = 0; i < 3; ++i) w.run(1000 + i);
  const RunQuery query{{0}, "", {"start_time"}, View::kAll, 1, {}};
  const std::string token = w.tracking->search_runs(query)->next_page_token;
  for (RunQuery other : {RunQuery{{1}, "", {"start_time"}, View::kAll, 1, token},
                         RunQuery{{0}, "run_id != 'x'", {"start_time"}, View::kAll, 1, token},
                         RunQuery{{0}, "", {"start_time DESC"}, View::kAll, 1, token},
                         RunQuery{{0}, "", {"start_time"}, View::kActiveOnly, 1, token},
                         RunQuery{{0}, "", {"start_time"}, View::kAll, 1, "AAAA"},
                         RunQuery{{0}, "", {"start_time"}, View::kAll, 1, "not base64!"}}) {
    auto page = w.tracking->search_runs(other);
    REQUIRE_FALSE(page);
    CHECK(page.error().reason == "page_token_invalid");
  }
  // Every cut of a token is refused or a page, never a crash.
  for (size_t i = 1; i < token.size(); ++i) {
    RunQuery cut_query = query;
    cut_query.page_token = token.substr(0, i);
    CHECK_FALSE(w.tracking->search_runs(cut_query));
  }
  CHECK_FALSE(w.tracking->search_runs({{0}, "", {"start_time", "created DESC"}, View::kAll, 1, {}}));
}

TEST_CASE("tracking: where artifacts of an experiment may be") {
  for (const char* good :
       {"mlflow-artifacts:/a/b", "mlflow-artifacts:/", "s3://bucket/path", "gs://b", "dbfs:/x"}) {
    CAPTURE(good);
    CHECK(check_artifact_location(good));
  }
  for (const char* evil :
       {"file:///etc", "/etc", "etc", "mlflow-artifacts:/../etc", "mlflow-artifacts://host/x", "s3://b/../c",
        "s3://b?x=1", "s3://b#x", "C:\\x", "mlflow-artifacts:/a//b", "mlflow-artifacts:/%2e%2e/x", "FILE:/x",
        "s3:/x", "a\nb"}) {
    CAPTURE(evil);
    CHECK_FALSE(check_artifact_location(evil));
  }
}

TEST_CASE("tracking: points of a logged model are recorded in the same transaction") {
  World w;
  std::vector<core::ModelMetric> seen;
  auto tracking =
      Tracking::open({*w.store, w.executor, w.clock, w.random,
                      [&](store::RowWriter&, const std::vector<core::ModelMetric>& points) -> Result<void> {
                        seen = points;
                        if (points[0].model_id == "bad") return fail(Code::kNotFound, "x", "no such model");
                        return {};
                      }})
          .value();
  const std::string run = w.run();
  const auto log = [&](const char* model) {
    Result<void> out;
    tracking->log({run, {{"a", {{1, 0, 2}}}}, {}, {}, {{model, run, "a", 2, 1, 0, "", ""}}},
                  [&](auto done) { out = done; });
    w.wait();
    return out;
  };
  CHECK_FALSE(log("bad"));
  CHECK(tracking->metric_history(run, "a", 10, {})->points.empty());
  CHECK(log("m-1"));
  CHECK(seen[0].run_id == run);
  CHECK(tracking->metric_history(run, "a", 10, {})->points.size() == 1);
}

TEST_CASE("tracking: who was answered finds the write in a search, whatever goes on beside") {
  World w;
  const auto pool = os::make_thread_pool(2, "test");
  auto tracking = Tracking::open({*w.store, *pool, os::system_clock(), os::system_random()}).value();
  std::vector<std::string> runs;
  for (int i = 0; i < 8; ++i) runs.push_back(w.run(1000 + i));
  std::atomic<int> missed = 0;
  const auto work = [&](size_t mine) {
    for (int step = 1; step <= 150; ++step) {
      std::promise<bool> answered;
      Batch batch{
          runs[mine], {{"m", {{1, step, double(step)}}}}, {{"p" + std::to_string(step), "x"}}, {}, {}};
      tracking->log(std::move(batch), [&](auto done) { answered.set_value(done.has_value()); });
      if (!answered.get_future().get()) ++missed;
      const std::string filter =
          "metrics.m >= " + std::to_string(step) + " AND run_id = '" + runs[mine] + "'";
      const auto page = tracking->search_runs({{0}, filter, {"metrics.m DESC"}, View::kAll, 10, {}});
      if (!page || page->list.runs.size() != 1 ||
          page->list.runs[0]->params.size() < static_cast<size_t>(step))
        ++missed;
      if (step % 50 == 0 && mine == 0)
        (void)tracking->delete_run(runs[7]), (void)tracking->restore_run(runs[7]);
      if (mine == 2) (void)tracking->search_runs({{0}, "", {"params.p3", "metrics.m"}, View::kAll, 5, {}});
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 4; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  CHECK(missed == 0);
  CHECK(tracking->index_bytes() > 0);
}

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <utility>

#include "modules/registry/limits.h"
#include "modules/registry/logged_repository.h"
#include "modules/registry/module.h"

using namespace mk;
using namespace mk::registry;

namespace {

class FakeRuns final : public core::RunDirectory {
 public:
  Result<Run> run(std::string_view id) const override {
    if (id != "run1" && id != "run2") return fail(Code::kNotFound, "no_such_run", "no such run");
    return Run{std::string(id), "1", "mlflow-artifacts:/1/" + std::string(id) + "/artifacts"};
  }
  Result<Experiment> experiment(std::string_view id) const override {
    if (id != "1") return fail(Code::kNotFound, "no_such_experiment", "no such experiment");
    return Experiment{"1", "mlflow-artifacts:/1"};
  }
};

struct World {
  World() {
    std::filesystem::create_directories(folder);
    store = std::move(*store::open_store({.schemas = {schema()}}));
    blobs = std::move(*blob::open_local(folder + "/blobs"));
    std::filesystem::create_directories(folder + "/allowed/model");
    module = std::make_unique<Module>(*store, *blobs, runs, std::vector<std::string>{folder + "/allowed"},
                                      clock, random);
  }
  ~World() { std::filesystem::remove_all(folder); }

  Registry& registry() { return module->registry; }
  void put(const std::string& path, std::string_view bytes) {
    auto upload = blobs->create(*blob::Path::parse(path));
    REQUIRE(upload);
    REQUIRE(::write((*upload)->fd(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    REQUIRE((*upload)->commit());
  }
  LoggedModel logged(std::string name, std::string run = "run1") {
    auto model = module->logged.create(
        {.experiment_id = "1", .source_run_id = std::move(run), .name = std::move(name)});
    REQUIRE(model);
    put("1/models/" + model->model_id + "/artifacts/MLmodel", "flavors: {}\n" + model->model_id);
    return *module->logged.finish(model->model_id, LoggedModelStatus::kReady);
  }
  int64_t version(const std::string& name, const std::string& source, std::vector<Tag> tags = {}) {
    clock.advance(1_s);
    auto made = registry().create_version({.name = name, .source = source, .tags = std::move(tags)});
    if (!made) MESSAGE(made.error().sentence());
    REQUIRE(made);
    return made->version;
  }
  std::vector<std::string> names(const std::string& filter, const std::string& order = "") {
    return walk(
        model_grammar(), filter, order, [this](const Search& s) { return registry().search_models(s); },
        [](const RegisteredModel& m) { return m.name; });
  }
  std::vector<std::string> versions(const std::string& filter, const std::string& order = "") {
    return walk(
        version_grammar(), filter, order, [this](const Search& s) { return registry().search_versions(s); },
        [](const ModelVersion& v) { return v.name + "/" + std::to_string(v.version); });
  }
  // All pages, two items each.
  template <typename Find, typename Name>
  std::vector<std::string> walk(const filter::Grammar& grammar, const std::string& filter,
                                const std::string& order, Find find, Name name) {
    Search search{.page_size = 2};
    auto clauses = filter::parse(filter, grammar);
    if (!clauses) MESSAGE(clauses.error().sentence());
    REQUIRE(clauses);
    search.clauses = *clauses;
    if (!order.empty()) search.order.push_back({*filter::parse_order(order, grammar), {}});
    std::vector<std::string> out;
    do {
      auto page = find(search);
      if (!page) MESSAGE(page.error().sentence());
      REQUIRE(page);
      REQUIRE(page->items.size() <= 2);
      for (const auto& item : page->items) out.push_back(name(item));
      search.page_token = page->next;
    } while (!search.page_token.empty() && out.size() < 100);
    return out;
  }

  std::string folder =
      std::filesystem::temp_directory_path() / ("mk_registry_" + os::system_random().hex(12));
  os::SimulatedClock clock;
  os::SeededRandom random{7};
  FakeRuns runs;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<blob::Blobs> blobs;
  std::unique_ptr<Module> module;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("registry: models are created, described, renamed, searched and removed") {
  World w;
  Registry& r = w.registry();
  REQUIRE(r.create_model("wine", "red", {{"team", "a"}, {"team", "b"}}));
  auto twice = r.create_model("wine", "", {});
  REQUIRE_FALSE(twice);
  CHECK(twice.error().code == Code::kAlreadyExists);
  CHECK(r.model("wine")->tags.size() == 1);
  CHECK(r.model("wine")->tags[0].value == "b");
  CHECK(r.model("beer").error().code == Code::kNotFound);
  CHECK(r.describe_model("wine", "white")->description == "white");
  REQUIRE(r.set_model_tag("wine", {"team", "c"}));
  CHECK(r.model("wine")->tags[0].value == "c");
  REQUIRE(r.remove_model_tag("wine", "team"));
  REQUIRE(r.remove_model_tag("wine", "absent"));
  CHECK(r.model("wine")->tags.empty());

  w.version("wine", "runs:/run1/model");
  REQUIRE(r.set_alias("wine", "champion", 1));
  CHECK(r.rename_model("wine", "vino")->name == "vino");
  CHECK(r.model("wine").error().code == Code::kNotFound);
  CHECK(r.version_by_alias("vino", "champion")->version == 1);
  REQUIRE(r.create_model("wine", "", {}));
  CHECK(r.rename_model("wine", "vino").error().code == Code::kAlreadyExists);
  CHECK(r.rename_model("wine", "a/b").error().code == Code::kInvalidArgument);

  REQUIRE(r.remove_model("vino"));
  CHECK(r.version("vino", 1).error().code == Code::kNotFound);
  REQUIRE(r.create_model("vino", "", {}));
  CHECK(r.model("vino")->aliases.empty());
  CHECK(w.version("vino", "runs:/run1/model") == 1);
}

TEST_CASE("registry: searching models pages by key and leaves prompts out") {
  World w;
  for (const char* name : {"alpha", "Beta", "gamma", "delta_x", "100%"}) {
    w.clock.advance(1_s);
    REQUIRE(w.registry().create_model(name, "", {{"kind", std::string(name) + "-kind"}}));
  }
  REQUIRE(w.registry().create_model("ask", "", {{"mlflow.prompt.is_prompt", "true"}, {"kind", "p"}}));
  CHECK(w.names("") == Names{"100%", "Beta", "alpha", "delta_x", "gamma"});
  CHECK(w.names("", "name DESC") == Names{"gamma", "delta_x", "alpha", "Beta", "100%"});
  CHECK(w.names("", "last_updated_timestamp DESC") == Names{"100%", "delta_x", "gamma", "Beta", "alpha"});
  CHECK(w.names("", "creation_timestamp ASC") == Names{"alpha", "Beta", "gamma", "delta_x", "100%"});
  CHECK(w.names("name = 'alpha'") == Names{"alpha"});
  CHECK(w.names("name != 'alpha'").size() == 4);
  CHECK(w.names("name LIKE '%eta'") == Names{"Beta"});
  CHECK(w.names("name LIKE 'beta'").empty());
  CHECK(w.names("name ILIKE 'beta'") == Names{"Beta"});
  CHECK(w.names("name LIKE '%_a'") == Names{"Beta", "alpha", "gamma"});
  CHECK(w.names("name LIKE '*'").empty());
  CHECK(w.names("name LIKE '[a]%'").empty());
  CHECK(w.names("name IN ('gamma', 'alpha', 'x')") == Names{"alpha", "gamma"});
  CHECK(w.names("tags.kind = 'gamma-kind'") == Names{"gamma"});
  CHECK(w.names("tags.kind LIKE '%kind' AND name ILIKE 'B%'") == Names{"Beta"});
  CHECK(w.names("tags.kind != 'gamma-kind' AND tags.absent != 'x'").empty());
  CHECK(w.names("tags.`mlflow.prompt.is_prompt` = 'true'") == Names{"ask"});
  CHECK(w.names("tags.`mlflow.prompt.is_prompt` = 'TRUE'").empty());
  CHECK(w.names("tags.`mlflow.prompt.is_prompt` != 'true'").size() == 5);
  CHECK(w.names("tags.`mlflow.prompt.is_prompt` = 'true' AND tags.kind = 'p'") == Names{"ask"});
  CHECK(w.names("name = 'x'' OR ''1''=''1'").empty());
}

TEST_CASE("registry: a page token serves one search only") {
  World w;
  for (const char* name : {"a", "b", "c"}) REQUIRE(w.registry().create_model(name, "", {}));
  Search search{.page_size = 1};
  const std::string token = w.registry().search_models(search)->next;
  REQUIRE_FALSE(token.empty());
  search.page_token = token;
  CHECK(w.registry().search_models(search)->items.at(0).name == "b");
  search.order.push_back({*filter::parse_order("name DESC", model_grammar()), {}});
  CHECK(w.registry().search_models(search).error().reason == "bad_page_token");
  for (const char* bad : {"x", "e30", "eyJvZiI6MX0", "'; DROP TABLE registered_models"}) {
    search.page_token = bad;
    CHECK(w.registry().search_models(search).error().code == Code::kInvalidArgument);
  }
}

TEST_CASE("registry: a page of large texts ends early and goes on") {
  World w;
  REQUIRE(w.registry().create_model("big", "", {}));
  const std::string text(kTagValueBytesMax, 'x');
  const size_t count = kPageBytesMax / text.size() + 10;
  for (size_t i = 0; i < count; ++i) w.version("big", "runs:/run1/m", {{"text", text}});
  Search search{.page_size = kVersionsPerPageMax};
  const auto first = w.registry().search_versions(search);
  REQUIRE(first);
  CHECK(first->items.size() < count);
  search.page_token = first->next;
  const auto second = w.registry().search_versions(search);
  REQUIRE(second);
  CHECK(first->items.size() + second->items.size() == count);
  CHECK(first->items.back().version == second->items.front().version + 1);
  CHECK(second->next.empty());

  Result<void> last;
  for (size_t i = 0; i <= kTextBytesPerThingMax / text.size() && last; ++i) {
    last = w.registry().set_model_tag("big", {"t" + std::to_string(i), text});
  }
  CHECK(last.error().code == Code::kFailedPrecondition);
}

TEST_CASE("registry: versions count up and are never given twice") {
  World w;
  Registry& r = w.registry();
  REQUIRE(r.create_model("wine", "", {}));
  CHECK(w.version("wine", "runs:/run1/model", {{"acc", "0.9"}}) == 1);
  CHECK(w.version("wine", "runs:/run2/model", {{"acc", "0.8"}}) == 2);
  CHECK(w.version("wine", "mlflow-artifacts:/1/run1/artifacts/model") == 3);
  CHECK(r.version("wine", 3)->run_id == "run1");
  CHECK(r.version("wine", 1)->run_id == "run1");
  REQUIRE(r.remove_version("wine", 3));
  CHECK(w.version("wine", "runs:/run1/other") == 4);
  CHECK(r.version("wine", 3).error().code == Code::kNotFound);
  CHECK(r.create_version({.name = "none", .source = "runs:/run1/m"}).error().code == Code::kNotFound);

  CHECK(w.versions("name = 'wine'") == Names{"wine/4", "wine/2", "wine/1"});
  CHECK(w.versions("", "version_number ASC") == Names{"wine/1", "wine/2", "wine/4"});
  CHECK(w.versions("run_id = 'run2'") == Names{"wine/2"});
  CHECK(w.versions("run_id IN ('run1')", "version_number DESC") == Names{"wine/4", "wine/1"});
  CHECK(w.versions("version_number > 1 AND version_number <= 4", "name ASC") == Names{"wine/4", "wine/2"});
  CHECK(w.versions("source_path LIKE '%/other'") == Names{"wine/4"});
  CHECK(w.versions("tags.acc = '0.9'") == Names{"wine/1"});

  CHECK(r.describe_version("wine", 1, "first")->description == "first");
  CHECK_FALSE(r.describe_version("wine", 1, std::nullopt)->description);
  CHECK(r.move_to_stage("wine", 1, "production", false)->stage == "Production");
  CHECK(r.move_to_stage("wine", 2, "Production", true)->stage == "Production");
  CHECK(r.version("wine", 1)->stage == "Archived");
  CHECK(r.latest_versions("wine", {})->size() == 3);
  CHECK(r.latest_versions("wine", {"PRODUCTION"})->at(0).version == 2);
  CHECK(r.move_to_stage("wine", 2, "None", true).error().code == Code::kInvalidArgument);
  CHECK(r.move_to_stage("wine", 2, "prod", false).error().code == Code::kInvalidArgument);
}

TEST_CASE("registry: a source must be of the run or model it is said to be of") {
  World w;
  Registry& r = w.registry();
  REQUIRE(r.create_model("wine", "", {}));
  const LoggedModel logged = w.logged("model");
  auto refused = [&](NewVersion version) {
    version.name = "wine";
    CAPTURE(version.source);
    auto made = r.create_version(version);
    REQUIRE_FALSE(made);
    CHECK((made.error().code == Code::kInvalidArgument || made.error().code == Code::kNotFound));
  };
  refused({.source = "file:///etc/"});
  refused({.source = "runs:/nobody/model"});
  refused({.source = "runs:/run1/model", .run_id = "run2"});
  refused({.source = "models:/m-absent"});
  refused({.source = "models:/" + logged.model_id, .model_id = "m-other"});
  refused({.source = "mlflow-artifacts:/1/run1/artifacts/model", .run_id = "run2"});
  refused({.source = "mlflow-artifacts:/1/run1/artifactsX/model", .run_id = "run1"});
  refused({.source = "mlflow-artifacts:/secret/model"});
  refused({.source = "mlflow-artifacts:/1/nobody/artifacts/model"});
  refused({.source = logged.artifact_uri, .model_id = "m-other"});
  refused({.source = "file:///etc/", .tags = {{"mlflow.prompt.is_prompt", "true"}}});
  refused({.source = "runs:/run1/model", .tags = {{"mlflow.prompt.is_prompt", "TRUE"}}});

  auto made =
      r.create_version({.name = "wine", .source = "models:/" + logged.model_id, .model_id = logged.model_id});
  REQUIRE(made);
  CHECK(made->run_id == "run1");
  CHECK(made->storage_location == logged.artifact_uri);
  CHECK(w.module->logged.get(logged.model_id)->tags.at(0).key == "mlflow.modelVersions");
  REQUIRE(r.create_model("copy", "", {}));
  REQUIRE(r.set_alias("wine", "champion", 1));
  auto copy = r.create_version({.name = "copy", .source = "models:/wine@champion"});
  REQUIRE(copy);
  CHECK(copy->source == "models:/wine/1");
  CHECK(copy->storage_location == logged.artifact_uri);

  REQUIRE(r.create_model("ask", "", {{"mlflow.prompt.is_prompt", "true"}}));
  REQUIRE(r.create_version(
      {.name = "ask", .source = "prompt-template", .tags = {{"mlflow.prompt.is_prompt", "true"}}}));
  refused({.source = "models:/ask/1"});
}

TEST_CASE("registry: aliases") {
  World w;
  Registry& r = w.registry();
  REQUIRE(r.create_model("wine", "", {}));
  CHECK(r.version_by_alias("wine", "latest").error().code == Code::kNotFound);
  w.version("wine", "runs:/run1/a");
  w.version("wine", "runs:/run1/b");
  REQUIRE(r.set_alias("wine", "champion", 1));
  int changes = 0;
  r.on_change([&] { ++changes; });
  REQUIRE(r.set_alias("wine", "champion", 2));
  CHECK(changes == 1);
  CHECK(r.version_by_alias("wine", "champion")->version == 2);
  CHECK(r.version_by_alias("wine", "latest")->version == 2);
  CHECK(r.version("wine", 2)->aliases == Names{"champion"});
  CHECK(r.set_alias("wine", "x", 9).error().code == Code::kNotFound);
  CHECK(r.set_alias("wine", "latest", 1).error().code == Code::kInvalidArgument);
  auto absent = r.version_by_alias("wine", "challenger");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().sentence() ==
        "the model 'wine' has no alias 'challenger' (it has champion); set one with "
        "MlflowClient().set_registered_model_alias('wine', 'challenger', VERSION)");
  REQUIRE(r.remove_version("wine", 2));
  CHECK(r.model("wine")->aliases.empty());
  REQUIRE(r.remove_alias("wine", "champion"));
  CHECK(changes == 3);
}

TEST_CASE("registry: logged models") {
  World w;
  LoggedModels& models = w.module->logged;
  CHECK(models.create({.experiment_id = "9"}).error().code == Code::kNotFound);
  CHECK(models.create({.experiment_id = "1", .source_run_id = "nobody"}).error().code == Code::kNotFound);
  CHECK(models.create({.experiment_id = "1", .name = "a/b"}).error().code == Code::kInvalidArgument);
  auto made = models.create(
      {.experiment_id = "1", .model_type = "clf", .tags = {{"a", "1"}}, .params = {{"lr", "0.1"}}});
  REQUIRE(made);
  CHECK_FALSE(made->name.empty());
  const std::string id = made->model_id;
  CHECK(made->artifact_uri == "mlflow-artifacts:/1/models/" + id + "/artifacts");
  CHECK(made->status == LoggedModelStatus::kPending);
  CHECK(models.finish(id, LoggedModelStatus::kReady)->status == LoggedModelStatus::kReady);
  REQUIRE(models.add_params(id, {{"lr", "0.1"}, {"depth", "3"}}));
  CHECK(models.add_params(id, {{"lr", "0.2"}}).error().code == Code::kInvalidArgument);
  REQUIRE(models.set_tags(id, {{"a", "2"}, {"b", "x"}}));
  REQUIRE(models.remove_tag(id, "b"));
  CHECK(models.remove_tag(id, "b").error().code == Code::kNotFound);
  const auto read = models.get(id);
  CHECK(read->params.size() == 2);
  CHECK(read->tags.at(0).value == "2");
  REQUIRE(models.remove(id));
  CHECK(models.get(id).error().code == Code::kNotFound);
  CHECK(models.get(id, true));
}

TEST_CASE("registry: searching logged models by metric, parameter and data set") {
  World w;
  std::map<std::string, std::string> ids;  // id -> name
  for (const char* name : {"a", "b", "c"}) {
    w.clock.advance(1_s);
    ids[w.logged(name).model_id] = name;
  }
  auto id_of = [&](std::string_view name) {
    for (auto& [id, known] : ids) {
      if (known == name) return id;
    }
    return std::string();
  };
  const auto record = model_metric_recorder();
  auto measure = [&](const char* name, double value, const char* dataset, int64_t time) {
    return w.store->commit({.rows = [&](store::RowWriter& db) {
      return record(db, {{.model_id = id_of(name),
                          .run_id = "run1",
                          .key = "acc",
                          .value = value,
                          .timestamp_ms = time,
                          .dataset_name = dataset}});
    }});
  };
  REQUIRE(measure("a", 0.5, "", 10));
  REQUIRE(measure("a", 0.7, "", 20));
  REQUIRE(measure("a", 0.1, "", 15));  // late news do not replace newer ones
  REQUIRE(measure("b", 0.9, "test", 10));
  CHECK(measure("nobody", 1, "", 1).error().code == Code::kNotFound);
  CHECK(w.module->logged.get(id_of("a"))->metrics.at(0).value == 0.7);
  REQUIRE(w.module->logged.add_params(id_of("c"), {{"lr", "0.1"}}));

  auto find = [&](const std::string& filter, std::vector<OrderKey> order = {},
                  std::vector<DatasetFilter> datasets = {}) {
    Search search{.order = order, .page_size = 1, .experiment_ids = {"1"}, .datasets = datasets};
    search.clauses = *filter::parse(filter, logged_model_grammar());
    std::string out;
    do {
      auto page = w.module->logged.search(search);
      if (!page) MESSAGE(page.error().sentence());
      REQUIRE(page);
      for (const auto& model : page->items) out += model.name;
      search.page_token = page->next;
    } while (!search.page_token.empty() && out.size() < 20);
    return out;
  };
  const OrderKey by_acc{{{kMetric, "acc", filter::Kind::kNumber}, true}, {}};
  OrderKey by_acc_down = by_acc;
  by_acc_down.order.ascending = false;
  CHECK(find("") == "cba");
  CHECK(find("", {by_acc}) == "abc");
  CHECK(find("", {by_acc_down}) == "bac");
  CHECK(find("metrics.acc > 0.6") == "ba");
  CHECK(find("metrics.acc > 0.6 AND name = 'a'") == "a");
  CHECK(find("metrics.acc > 0.6", {}, {{"test", ""}}) == "b");
  CHECK(find("", {}, {{"test", ""}}) == "b");
  CHECK(find("params.lr = '0.1'") == "c");
  CHECK(find("status = 'READY' AND source_run_id = 'run1'") == "cba");
  CHECK(find("name IN ('a','c')") == "ca");
}

TEST_CASE("registry: what a model URI stands for") {
  World w;
  Registry& r = w.registry();
  auto resolve = [&](const std::string& uri) { return w.module->resolver.resolve(uri); };
  REQUIRE(r.create_model("wine", "", {}));
  const LoggedModel first = w.logged("model"), second = w.logged("other");
  w.version("wine", "models:/" + first.model_id);
  w.version("wine", "models:/" + second.model_id);
  REQUIRE(r.set_alias("wine", "champion", 1));

  auto by_alias = resolve("models:/wine@champion");
  REQUIRE(by_alias);
  CHECK(by_alias->name == "wine");
  CHECK(by_alias->version == "1");
  CHECK(std::filesystem::exists(by_alias->folder + "/MLmodel"));
  CHECK(resolve("models:/wine/1")->digest == by_alias->digest);
  CHECK(resolve("models:/wine/latest")->version == "2");
  CHECK(resolve("models:/" + first.model_id)->folder == by_alias->folder);
  // A run's path that names a model it logged means that model.
  CHECK(resolve("runs:/run1/model")->folder == by_alias->folder);
  w.put("1/run1/artifacts/plain/model.onnx", "x");
  CHECK(resolve("runs:/run1/plain")->folder.ends_with("1/run1/artifacts/plain"));

  REQUIRE(r.set_alias("wine", "champion", 2));
  CHECK(resolve("models:/wine@champion")->digest != by_alias->digest);
  w.put("1/models/" + first.model_id + "/artifacts/MLmodel", "changed");
  CHECK(resolve("models:/wine/1")->digest != by_alias->digest);

  CHECK(
      resolve("models:/wine@nobody")
          .error()
          .sentence()
          .starts_with(
              "models:/wine@nobody: the model 'wine' has no alias 'nobody' (it has champion); set one with"));
  CHECK(resolve("models:/beer/1").error().code == Code::kNotFound);
  CHECK(resolve("models:/wine/3").error().code == Code::kNotFound);
  CHECK(resolve("runs:/run1/absent").error().code == Code::kNotFound);
  CHECK(resolve("runs:/run1/plain/model.onnx").error().reason == "model_without_files");
  CHECK(resolve("http://x/y").error().code == Code::kInvalidArgument);
  auto pending = w.module->logged.create({.experiment_id = "1", .name = "late"});
  CHECK(resolve("models:/" + pending->model_id).error().reason == "model_not_ready");
}

TEST_CASE("registry: a changed file of a finished model is a change, one of a model being logged is not") {
  World w;
  REQUIRE(w.registry().create_model("wine", "", {}));
  const LoggedModel ready = w.logged("ready");
  const auto pending = w.module->logged.create({.experiment_id = "1"});
  int changes = 0;
  w.registry().on_change([&] { ++changes; });
  auto changed = [&](const std::string& path) {
    w.registry().file_changed(*blob::Path::parse(path));
    return std::exchange(changes, 0);
  };
  CHECK(changed("1/models/" + ready.model_id + "/artifacts/MLmodel") == 1);
  CHECK(changed("1/models/" + pending->model_id + "/artifacts/MLmodel") == 0);
  CHECK(changed("1/models/m-absent/artifacts/MLmodel") == 0);
  CHECK(changed("1/run2/artifacts/model/MLmodel") == 0);
  w.version("wine", "runs:/run2/model");
  changes = 0;
  CHECK(changed("1/run2/artifacts/model/MLmodel") == 1);
  CHECK(changed("elsewhere") == 0);
}

TEST_CASE("registry: file URIs only beneath an allowed root, never through a link") {
  World w;
  auto resolve = [&](const std::string& path) { return w.module->resolver.resolve("file://" + path); };
  const std::string allowed = w.folder + "/allowed";
  CHECK(resolve(allowed + "/model").error().reason == "model_without_files");
  std::filesystem::copy_file("/etc/hostname", allowed + "/model/model.onnx");
  REQUIRE(resolve(allowed + "/model"));
  CHECK(resolve(allowed + "/model")->folder == allowed + "/model");
  std::filesystem::create_symlink("/etc", allowed + "/etc");
  for (const std::string& attack :
       {std::string("/etc"), allowed + "/../..", allowed + "/%2e%2e", allowed + "/etc", allowed + "/absent",
        w.folder + "/blobs", allowed + "X", std::string("/")}) {
    CAPTURE(attack);
    CHECK(resolve(attack).error().code == Code::kPermissionDenied);
  }
  CHECK_FALSE(w.module->resolver.resolve("file://host/etc"));
  CHECK_FALSE(w.module->resolver.resolve("file:etc"));
  std::filesystem::create_symlink("/etc/passwd", allowed + "/model/link");
  CHECK(resolve(allowed + "/model").error().reason == "model_with_link");
}

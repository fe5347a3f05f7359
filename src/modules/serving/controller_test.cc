#include "modules/serving/controller.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include "base/format.h"
#include "core/testing/world.h"
#include "os/files.h"

using namespace mk;
using namespace mk::serving;
using core::testing::TestWorld;

namespace {

struct FakeModels final : core::ModelResolver {
  Result<core::ResolvedModel> resolve(std::string_view uri) override {
    if (uri == "models:/wine/9")
      return fail(Error{Code::kNotFound, "no_version", "the model wine has no version 9"}.with_hint("the newest is 2"));
    const std::string version(uri.substr(uri.rfind('/') + 1));
    return core::ResolvedModel{"/models/wine-" + version, "wine", version, "digest-" + version};
  }
  void on_change(std::function<void()>) override {}
};

struct FakeEnvironments final : core::Environments {
  State ensure(const std::string&) override { return state; }
  void on_change(std::function<void()>) override {}
  State state;
};

// Stands in for workloads and node: a Pod for every Deployment that wants one, ready unless its revision is listed
// as broken.
core::Controller pods_of_deployments(const std::vector<std::string>& broken) {
  return {.name = "fake-pods", .resource = "deployments.apps", .related = {},
          .reconcile = [&broken](core::World& world, const store::Key& key) -> Result<core::Again> {
            const auto object = world.reader.get(key);
            const store::Key pod_key{"pods", key.space, key.name + "-pod"};
            const auto pod = world.reader.get(pod_key);
            const Json deployment = object ? object->json() : Json();
            if (!object || deployment.at({"spec", "replicas"}).integer() == 0) {
              if (pod) MK_OK(world.writer.remove(pod_key));
              return core::Again::never();
            }
            if (!pod) {
              Json made = deployment.at({"spec", "template"});
              made["apiVersion"] = "v1";
              made["kind"] = "Pod";
              made["metadata"]["name"] = pod_key.name;
              made["metadata"]["namespace"] = key.space;
              MK_OK(world.writer.create(std::move(made)));
              return core::Again::in(10_ms);
            }
            Json now = pod->json();
            const bool fails = std::find(broken.begin(), broken.end(), key.name) != broken.end();
            now["status"] = Json::object({{"phase", "Running"}, {"podIP", "127.64.0.7"},
                                          {"conditions", Json::array({Json::object({{"type", "Ready"}, {"status", fails ? "False" : "True"}})})}});
            if (fails)
              now["status"]["containerStatuses"] = Json::array({Json::object(
                  {{"name", "kserve-container"}, {"ready", false}, {"restartCount", 2}, {"image", "x"}, {"imageID", ""},
                   {"lastState", Json::object({{"terminated", Json::object({{"exitCode", 1}, {"message", "the model does not load\n"}})}})}})});
            if (now["status"] == pod->json()["status"]) return core::Again::in(1_s);
            MK_OK(world.writer.update_status(std::move(now)));
            return core::Again::in(1_s);
          }};
}

struct Fixture {
  explicit Fixture(uint64_t seed = 1, bool cluster_like = false) : world({.seed = seed, .cluster_like = cluster_like}) {
    char name[] = "/tmp/mk-serving-XXXXXX";
    folder = mkdtemp(name);
    routes = std::make_unique<Routes>(Routes::open(folder).value());
    world.add(make_controller({models, environments, *routes, "http://127.0.0.1:7080", {},
                               [this](const std::string&) { return gateway_behind; }}));
    world.add(pods_of_deployments(broken));
  }
  ~Fixture() { (void)os::remove_all(folder); }

  void serve(std::string_view model, int canary = -1) {
    world.apply(fmt::format("apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {{name: wine}}\nspec:\n"
                            "  predictor:\n{}    model: {{modelFormat: {{name: onnx}}, storageUri: \"{}\"}}\n",
                            canary < 0 ? "" : fmt::format("    canaryTrafficPercent: {}\n", canary), model));
  }
  Json service() { return world.get(kServices, "wine"); }
  std::string condition(std::string_view type, std::string_view field = "status") {
    for (const Json& c : service().at({"status", "conditions"}).items())
      if (c["type"].text() == type) return std::string(c[field].text());
    return {};
  }
  // "rev 90, rev 10" as the gateway will read it.
  std::string published() {
    std::string text;
    const auto snapshot = routing::load(folder).value();
    for (const auto& route : snapshot.routes)
      for (const auto& backend : route.backends)
        text += fmt::format("{}{} {} x{}", text.empty() ? "" : ", ", backend.revision, backend.weight, backend.endpoints.size());
    return text;
  }

  std::optional<Duration> gateway_behind;
  FakeModels models;
  FakeEnvironments environments;
  std::vector<std::string> broken;
  std::string folder;
  std::unique_ptr<Routes> routes;
  TestWorld world;
};

}  // namespace

TEST_CASE("serving: from the first revision through a canary to its promotion, on both stores") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Fixture f(seed, seed % 2 == 0);
    f.serve("models:/wine/1");
    f.world.calm(30_s);
    CHECK(f.condition("Ready") == "True");
    CHECK(f.published() == "wine-predictor-00001 100 x1");
    CHECK(f.service().at({"status", "url"}).text() == "http://127.0.0.1:7080/serving/default/wine");
    CHECK(f.service().at({"status", "observedGeneration"}) == f.service().at({"metadata", "generation"}));

    f.serve("models:/wine/2", 10);
    f.world.calm(30_s);
    CHECK(f.published() == "wine-predictor-00002 10 x1, wine-predictor-00001 90 x1");
    CHECK(f.service().at({"status", "components", "predictor", "traffic"})[1]["tag"].text() == "prev");

    f.serve("models:/wine/2");
    f.world.calm(60_s);
    CHECK(f.published() == "wine-predictor-00002 100 x1");
    CHECK(f.world.get("deployments.apps", "wine-predictor-00001").at({"spec", "replicas"}).integer(9) == 0);

    // Back to the first: its revision is there already and is used again.
    f.serve("models:/wine/1");
    f.world.calm(60_s);
    CHECK(f.published() == "wine-predictor-00001 100 x1");
    CHECK(f.world.list("deployments.apps").size() == 2);

    f.world.remove(kServices, "wine");
    f.world.calm(60_s);
    CHECK(f.published().empty());
    CHECK(f.world.list("deployments.apps").empty());
  }
}

TEST_CASE("serving: a revision that does not load leaves the old one serving and says why") {
  Fixture f;
  f.serve("models:/wine/1");
  f.world.run_for(10_s);
  f.broken.push_back("wine-predictor-00002");
  f.serve("models:/wine/2");
  f.world.run_for(30_s);
  CHECK(f.published() == "wine-predictor-00001 100 x1");
  CHECK(f.condition("Ready", "message") ==
        "wine-predictor-00002: the model does not load; wine-predictor-00001 still answers 100 % of the requests");
  const Json model = f.service().at({"status", "modelStatus"});
  CHECK(model["transitionStatus"].text() == "BlockedByFailedLoad");
  CHECK(model["lastFailureInfo"]["reason"].text() == "ModelLoadFailed");
  CHECK(model["lastFailureInfo"]["location"].text() == "wine-predictor-00002-pod");
  CHECK(model["lastFailureInfo"]["exitCode"].integer() == 1);
  CHECK(model["lastFailureInfo"]["modelRevisionName"].text() == "wine-predictor-00002");
  CHECK(model["copies"]["failedCopies"].integer() == 1);
  const auto events = f.world.events("wine");
  CHECK(std::any_of(events.begin(), events.end(), [](const auto& e) { return e.find("does not load") != std::string::npos; }));
}

TEST_CASE("serving: what keeps a revision from being made is said, and tried again") {
  Fixture f;
  f.serve("models:/wine/9");
  f.world.run_for(2_s);
  CHECK(f.condition("Ready", "message") == "the model wine has no version 9; the newest is 2");
  CHECK(f.world.list("deployments.apps").empty());

  f.environments.state = {core::Environments::State::Phase::kWorking, "", "building the Python environment (3 s)"};
  f.serve("models:/wine/1");
  f.world.run_for(2_s);
  CHECK(f.condition("Ready", "reason") == "BuildingEnvironment");
  CHECK(f.condition("Ready", "message") == "building the Python environment (3 s)");
}

TEST_CASE("serving: a spec that cannot be served names its field's fault") {
  Fixture f;
  f.world.apply("apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: wine}\nspec:\n"
                "  predictor: {model: {modelFormat: {name: caffe}, storageUri: 'models:/wine/1'}}\n");
  f.world.run_for(2_s);
  CHECK(f.service().at({"status", "modelStatus", "transitionStatus"}).text() == "InvalidSpec");
  CHECK(f.condition("Ready", "message").starts_with("no runtime here reads the model format \"caffe\""));
  CHECK(f.service().at({"status", "modelStatus", "lastFailureInfo", "reason"}).text() == "NoSupportingRuntime");
}

TEST_CASE("serving: a change that cannot be served leaves the old revision serving and says so") {
  Fixture f;
  f.serve("models:/wine/1");
  f.world.run_for(10_s);
  f.world.apply("apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: wine}\nspec:\n"
                "  predictor: {model: {modelFormat: {name: caffe}, storageUri: 'models:/wine/1'}}\n");
  f.world.run_for(10_s);
  CHECK(f.published() == "wine-predictor-00001 100 x1");
  CHECK(f.condition("Ready") == "False");
  CHECK(f.condition("IngressReady") == "True");
  CHECK(f.service().at({"status", "url"}).text() == "http://127.0.0.1:7080/serving/default/wine");
  f.serve("models:/wine/1");
  f.world.run_for(10_s);
  CHECK(f.condition("Ready") == "True");
  CHECK(f.world.list("deployments.apps").size() == 1);
}

TEST_CASE("serving: a service is ready when the gateway follows its route, and says so when it does not") {
  Fixture f;
  f.gateway_behind = 5_ms;
  f.serve("models:/wine/1");
  f.world.run_for(2_s);
  CHECK(f.published() == "wine-predictor-00001 100 x1");
  CHECK(f.condition("Ready") == "False");  // still as it was reported before
  f.gateway_behind = 3_s;
  f.world.run_for(1_s);
  CHECK(f.condition("Ready", "reason") == "GatewayBehind");
  f.gateway_behind.reset();
  f.world.run_for(3_s);
  CHECK(f.condition("Ready") == "True");
}

TEST_CASE("serving: a route is followed when its generation or a later one was acknowledged") {
  char name[] = "/tmp/mk-serving-XXXXXX";
  const std::string folder = mkdtemp(name);
  {
    Routes routes = Routes::open(folder).value();
    const auto set = [&](std::string_view service, int weight) {
      routing::Route route = route_for("default", service);
      route.backends = {{"r1", weight, {{"127.0.0.1", 8080}}}};
      REQUIRE(routes.set(std::move(route)));
    };
    CHECK_FALSE(routes.behind("default/wine"));  // never set
    set("wine", 1);
    CHECK(routes.behind("default/wine"));
    const uint64_t first = routing::load(folder)->generation;
    REQUIRE(routing::acknowledge(folder, {first, {}}));
    CHECK_FALSE(routes.behind("default/wine"));
    set("beer", 1);
    CHECK_FALSE(routes.behind("default/wine"));  // another's change is none of its business
    CHECK(routes.behind("default/beer"));
    REQUIRE(routing::acknowledge(folder, {first + 5, {"default/wine r1", "default/wine r2", "default/winery r1"}}));
    CHECK_FALSE(routes.behind("default/beer"));
    CHECK(routes.leaving("default/wine") == std::vector<std::string>{"r1", "r2"});
    CHECK(routes.leaving("default/beer").empty());
  }
  (void)os::remove_all(folder);
}

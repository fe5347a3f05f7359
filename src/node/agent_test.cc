#include "node/agent.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/format.h"
#include "node/testing/pod_world.h"

using namespace mk;
using node::testing::kImage;
using node::testing::PodWorld;

namespace {

std::string pod(std::string_view name, std::string_view more = "", std::string_view container = "") {
  return fmt::format(
      "{{apiVersion: v1, kind: Pod, metadata: {{name: {}}}, spec: {{nodeName: n1, {} containers: [{{name: "
      "main, image: "
      "'any:1', command: [serve], {}}}]}}}}",
      name, more, container);
}

core::testing::TestWorld::Options options(uint64_t seed, bool lag) {
  return {.seed = seed, .cluster_like = lag};
}

bool has_event(const PodWorld& w, std::string_view pod_name, std::string_view text) {
  const auto events = w.world.events(pod_name);
  return std::any_of(events.begin(), events.end(),
                     [&](const std::string& e) { return e.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("agent: a Pod's life, on our store and on one that lags") {
  for (const bool lag : {false, true}) {
    for (uint64_t seed = 1; seed <= (lag ? 20u : 2u); ++seed) {
      CAPTURE(lag);
      CAPTURE(seed);
      PodWorld w(options(seed, lag));
      w.begin();
      w.world.apply(kImage);
      w.world.apply(pod("a"));
      w.world.calm(10_s);
      CHECK(w.phase("a") == "Running");
      CHECK(w.ready("a"));
      CHECK(w.processes.running().size() == 1);
      const Json seen = w.world.get("pods", "a");
      CHECK(seen.at({"status", "podIP"}).text().starts_with("127."));
      // kill -9 of modelkit: the same process, adopted.
      const std::vector<std::string> before = w.processes.running();
      w.restart();
      w.world.calm(10_s);
      CHECK(w.processes.running() == before);
      CHECK(w.ready("a"));
      CHECK(w.world.get("pods", "a").at({"status", "containerStatuses"})[0]["restartCount"].integer() == 0);
      w.world.remove("pods", "a");
      w.world.calm(10_s);
      CHECK(w.world.get("pods", "a").is_null());
      CHECK(w.processes.running().empty());
    }
  }
}

TEST_CASE("agent: an unmapped image says what to do, and the mapping starts the Pod within a second") {
  PodWorld w;
  w.begin();
  w.world.apply(pod("a"));
  w.world.run_for(100_ms);
  CHECK(w.state("a") == "waiting ErrImagePull");
  CHECK(w.phase("a") == "Pending");
  CHECK(w.world.get("pods", "a")
            .at({"status", "containerStatuses"})[0]
            .at({"state", "waiting", "message"})
            .text() ==
        "no image \"any:1\" on this machine, and modelkit pulls none; say what it stands for: modelkit image "
        "map any:1 PATH|env");
  CHECK(has_event(w, "a", "Warning Failed: Failed to pull image \"any:1\""));
  w.world.apply(kImage);
  w.world.run_for(1_s);
  CHECK(w.state("a") == "running");
}

TEST_CASE("agent: where Pods would run as the owner they wait until their namespace allows it") {
  PodWorld w;
  w.begin();
  w.not_isolated = "there is no range; get one";
  w.restart();
  w.world.apply(kImage);
  w.world.apply(pod("a"));
  w.world.run_for(1_s);
  CHECK(w.state("a") == "waiting NotIsolated");
  CHECK(has_event(w, "a", "there is no range; get one; or accept that for the whole namespace: kubectl label namespace"));
  CHECK(w.processes.running().empty());
  for (const char* label : {"deny", "allow"}) {
    w.world.apply(fmt::format(
        "{{apiVersion: v1, kind: Namespace, metadata: {{name: default, labels: {{modelkit.dev/pods-as-owner: {}}}}}}}",
        label));
    w.world.run_for(1_s);
    CHECK(w.state("a") == (std::string_view(label) == "allow" ? "running" : "waiting NotIsolated"));
  }
}

TEST_CASE("agent: a missing config map is waited for") {
  PodWorld w;
  w.begin();
  w.world.apply(kImage);
  w.world.apply(pod("a", "", "envFrom: [{configMapRef: {name: settings}}]"));
  w.world.run_for(100_ms);
  CHECK(w.state("a") == "waiting CreateContainerConfigError");
  CHECK(has_event(w, "a", "Error: configmap \"settings\" not found"));
  w.world.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {K: v}}");
  w.world.run_for(1_s);
  CHECK(w.state("a") == "running");
  const auto& env = w.processes.runs.at(w.run_folder("a")).spec.env;
  CHECK(std::find(env.begin(), env.end(), "K=v") != env.end());
}

TEST_CASE("agent: a crash loop backs off 1, 2, 4 .. 300 s and is told once a life") {
  PodWorld w;
  w.begin();
  w.world.apply(kImage);
  w.world.apply(pod("a"));
  w.world.run_for(100_ms);
  std::vector<int64_t> waits;
  for (int life = 0; life < 11; ++life) {
    w.world.run_for(1_s);
    REQUIRE(w.state("a") == "running");
    w.processes.exit(w.run_folder("a", "main", life), 1);
    w.world.run_for(1_ms);
    CHECK(w.state("a") == "waiting CrashLoopBackOff");
    const Duration from = w.world.executor().clock().monotonic();
    while (w.processes.running().empty()) w.world.run_for(100_ms);
    waits.push_back((w.world.executor().clock().monotonic() - from).nanoseconds / 1'000'000'000);
  }
  // Whole seconds: looked at in steps of 100 ms.
  CHECK(waits == std::vector<int64_t>{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300});
  w.world.run_for(1_s);
  const Json seen = w.world.get("pods", "a");
  CHECK(seen.at({"status", "containerStatuses"})[0]["restartCount"].integer() == 11);
  CHECK(seen.at({"status", "containerStatuses"})[0].at({"lastState", "terminated", "exitCode"}).integer() ==
        1);
  CHECK(has_event(w, "a", "Warning BackOff: Back-off restarting failed container main in pod a_default"));
  // Lives before the last one leave nothing behind.
  CHECK_FALSE(os::exists(w.run_folder("a", "main", 9)));
  // After a long good life it starts over.
  w.world.run_for(700_s);
  w.processes.exit(w.run_folder("a", "main", 11), 1);
  w.world.run_for(1500_ms);
  CHECK(w.state("a") == "running");
}

TEST_CASE("agent: what a program said last is told while it is down and when it is back") {
  PodWorld w;
  w.begin();
  w.world.apply(kImage);
  w.world.apply(pod("a", "", "terminationMessagePolicy: FallbackToLogsOnError"));
  w.world.run_for(1_s);
  REQUIRE(w.state("a") == "running");
  REQUIRE(os::write_file(w.run_folder("a", "main", 0) + "/log",
                         "2026-11-21T00:00:00.000000000Z stdout F the model does not load\n"));
  w.processes.exit(w.run_folder("a", "main", 0), 1);
  w.world.run_for(1_ms);
  const auto said = [&] {
    return std::string(w.world.get("pods", "a")
                           .at({"status", "containerStatuses"})[0]
                           .at({"lastState", "terminated", "message"})
                           .text());
  };
  CHECK(w.state("a") == "waiting CrashLoopBackOff");
  CHECK(said() == "the model does not load\n");
  w.world.run_for(3_s);
  CHECK(w.state("a") == "running");
  CHECK(said() == "the model does not load\n");
}

TEST_CASE("agent: probes decide about ready and about life") {
  PodWorld w;
  w.probes->all_sick = true;
  w.begin();
  w.world.apply(kImage);
  w.world.apply(pod(
      "a", "",
      "ports: [{containerPort: 80, name: web}], readinessProbe: {httpGet: {port: web}, periodSeconds: 5}"));
  w.world.run_for(20_s);
  CHECK(w.state("a") == "running");
  CHECK_FALSE(w.ready("a"));
  CHECK(
      has_event(w, "a", "Warning Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503"));
  w.probes->all_sick = false;
  w.world.run_for(5_s);
  CHECK(w.ready("a"));
  w.probes->all_sick = true;
  w.world.run_for(8_s);
  CHECK(w.ready("a"));  // two of three
  w.world.run_for(8_s);
  CHECK_FALSE(w.ready("a"));
  // A restart of modelkit does not make a ready Pod unready, nor an unready one ready.
  w.probes->all_sick = false;
  w.world.run_for(6_s);
  CHECK(w.ready("a"));
  w.probes->all_sick = true;
  w.restart();
  w.world.run_for(1_s);
  CHECK(w.ready("a"));

  w.probes->all_sick = false;
  w.world.apply(
      pod("b", "", "livenessProbe: {tcpSocket: {port: 80}, periodSeconds: 1, failureThreshold: 2}"));
  w.world.run_for(5_s);
  w.probes->all_sick = true;
  w.world.run_for(2500_ms);
  CHECK(has_event(w, "b", "Normal Killing: Container main failed liveness probe, will be restarted"));
  CHECK(w.world.get("pods", "b")
            .at({"status", "containerStatuses"})[0]
            .at({"lastState", "terminated", "exitCode"})
            .integer() == 143);
}

TEST_CASE("agent: a quick program with a slow probe period is ready quickly") {
  PodWorld w;
  w.probes->all_sick = true;
  w.begin();
  w.world.apply(kImage);
  w.world.apply(pod("a", "", "readinessProbe: {httpGet: {port: 80}}"));
  w.world.run_for(150_ms);
  CHECK_FALSE(w.ready("a"));
  w.probes->all_sick = false;
  w.world.run_for(200_ms);
  CHECK(w.ready("a"));
}

TEST_CASE("agent: what ends stays ended") {
  PodWorld w;
  w.begin();
  w.world.apply(kImage);
  w.world.apply(pod("good", "restartPolicy: Never,"));
  w.world.apply(pod("bad", "restartPolicy: Never,"));
  w.world.run_for(100_ms);
  w.processes.exit(w.run_folder("good"), 0);
  w.processes.exit(w.run_folder("bad"), 9);
  w.world.run_for(1_s);
  CHECK(w.phase("good") == "Succeeded");
  CHECK(w.state("good") == "terminated Completed");
  CHECK(w.phase("bad") == "Failed");
  w.restart();
  w.world.run_for(60_s);
  CHECK(w.phase("good") == "Succeeded");
  CHECK(w.processes.running().empty());
}

TEST_CASE("agent: deletion gives the grace that was asked, and less when asked again") {
  PodWorld w;
  w.processes.obey_stop = false;
  w.begin();
  w.world.apply(kImage);
  w.world.apply(pod("a"));
  w.world.run_for(100_ms);
  const std::string folder = w.run_folder("a");
  w.world.remove("pods", "a");
  w.world.run_for(5_s);
  CHECK(w.processes.runs.at(folder).stop_asked);
  CHECK_FALSE(w.world.get("pods", "a").is_null());
  w.processes.runs.at(folder).stop_asked = false;
  w.world.remove("pods", "a", {.grace_period_s = 1});
  w.world.run_for(1_s);
  CHECK(w.processes.runs.at(folder).stop_asked);
  w.processes.exit(folder, 137);
  w.world.run_for(1_s);
  CHECK(w.world.get("pods", "a").is_null());
  // A Pod of the same name is another Pod.
  w.world.apply(pod("a"));
  w.world.run_for(1_s);
  CHECK(w.run_folder("a") != folder);
  CHECK(w.state("a") == "running");
}

TEST_CASE("agent: a program that cannot start is told and tried again") {
  PodWorld w;
  w.processes.refuse_start = "cannot run serve: No such file or directory";
  w.begin();
  w.world.apply(kImage);
  w.world.apply(pod("a"));
  w.world.run_for(100_ms);
  CHECK(w.state("a") == "waiting CrashLoopBackOff");
  CHECK(has_event(w, "a", "Warning Failed: Error: cannot run serve: No such file or directory"));
  w.processes.refuse_start.clear();
  w.world.run_for(2_s);
  CHECK(w.state("a") == "running");
}

TEST_CASE("agent: what cannot be started or read at all says so in events, and can be deleted") {
  PodWorld w;
  w.processes.fail_start = "command and environment together are larger than 4 MiB";
  w.begin();
  w.world.apply(kImage);
  w.world.apply(pod("a"));
  w.world.run_for(1_s);
  CHECK(w.state("a") == "waiting CreateContainerError");
  CHECK(has_event(w, "a", "Warning Failed: Error: command and environment together are larger than 4 MiB"));
  w.processes.fail_start.clear();
  w.world.run_for(10_s);
  CHECK(w.state("a") == "running");
  CHECK(w.world.get("pods", "a").at({"status", "containerStatuses"})[0]["restartCount"].integer() == 0);

  w.world.apply(pod("b", "", "livenessProbe: {tcpSocket: {port: nowhere}}"));
  w.world.run_for(1_s);
  CHECK(has_event(
      w, "b", "livenessProbe of container main names port \"nowhere\", which the container does not have"));
  w.world.remove("pods", "b");
  w.world.run_for(1_s);
  CHECK(w.world.get("pods", "b").is_null());
}

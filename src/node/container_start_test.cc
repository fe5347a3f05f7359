#include "node/container_start.h"

#include <doctest/doctest.h>

#include <map>

#include "base/yaml.h"
#include "node/pod_logs.h"
#include "node/probe_plan.h"
#include "os/files.h"

using namespace mk;
using namespace mk::node;

namespace {

Json yaml(std::string_view text) {
  return parse_yaml(text).value()[0];
}

// Objects by key, as a reader would give them.
struct Shelf {
  std::map<store::Key, store::ObjectRef> objects;
  void add(std::string_view resource, std::string_view text) {
    const Json json = yaml(text);
    auto object = std::make_shared<store::Object>();
    object->key = {std::string(resource), std::string(json.at({"metadata", "namespace"}).text()),
                   std::string(json.at({"metadata", "name"}).text())};
    object->body = json.dump();
    objects[object->key] = object;
  }
  Lookup lookup() const {
    return [this](const store::Key& key) {
      const auto found = objects.find(key);
      return found == objects.end() ? nullptr : found->second;
    };
  }
};

struct Folder {
  Folder() {
    char name[] = "/tmp/mk-node-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { (void)os::remove_all(path); }
  std::string path;
};

}  // namespace

TEST_CASE("environment: $(VAR) as Kubernetes expands it") {
  const Variables known = {{"A", "old"}, {"A", "1"}, {"EMPTY", ""}};
  const struct {
    const char *text, *result;
  } cases[] = {{"$(A)", "1"},      {"x$(A)y$(A)", "x1y1"}, {"$$(A)", "$(A)"}, {"$(NONE)", "$(NONE)"},
               {"$(EMPTY)z", "z"}, {"$A", "$A"},           {"$(A", "$(A"},    {"$", "$"},
               {"$$", "$"},        {"$$$(A)", "$1"},       {"", ""}};
  for (const auto& [text, result] : cases) CHECK(expand(text, known) == result);
}

TEST_CASE("environment: values from fields, config maps and secrets") {
  Shelf shelf;
  shelf.add("configmaps", "{kind: ConfigMap, metadata: {name: c, namespace: d}, data: {k: v, other: w}}");
  shelf.add("secrets", "{kind: Secret, metadata: {name: s, namespace: d}, data: {p: aHVzaA==}}");
  const Json pod = yaml(R"y(
metadata: {name: web, namespace: d, uid: u, labels: {app: shop}}
status: {podIP: 127.64.0.9}
spec:
  containers:
  - name: web
    resources: {limits: {cpu: 500m}}
    envFrom: [{configMapRef: {name: c}, prefix: C_}, {secretRef: {name: none, optional: true}}]
    env:
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: APP, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
    - {name: K, valueFrom: {configMapKeyRef: {name: c, key: k}}}
    - {name: P, valueFrom: {secretKeyRef: {name: s, key: p}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: NONE, valueFrom: {configMapKeyRef: {name: c, key: none, optional: true}}}
    - {name: ALL, value: '$(IP) $(C_k) $(BASE) $(LATER)'}
    - {name: LATER, value: x}
)y");
  const PodSpec spec = read_pod(pod).value();
  const auto variables = container_variables(pod, spec.containers[0], {{"BASE", "b"}}, shelf.lookup());
  REQUIRE(variables);
  CHECK(as_environment(*variables) ==
        std::vector<std::string>{"ALL=127.64.0.9 v b $(LATER)", "APP=shop", "BASE=b", "CPU=500m", "C_k=v",
                                 "C_other=w", "IP=127.64.0.9", "K=v", "LATER=x", "NONE=", "P=hush"});
  const struct {
    const char *env, *message;
  } missing[] = {
      {"{name: X, valueFrom: {configMapKeyRef: {name: none, key: k}}}", "configmap \"none\" not found"},
      {"{name: X, valueFrom: {configMapKeyRef: {name: c, key: none}}}",
       "couldn't find key none in ConfigMap d/c"},
      {"{name: X, valueFrom: {fieldRef: {fieldPath: spec.secret}}}",
       "fieldPath \"spec.secret\" is not one that a Pod's environment may name"},
  };
  for (const auto& [env, message] : missing) {
    Container container = spec.containers[0];
    container.env = Json::array({yaml(env)});
    const auto refused = container_variables(pod, container, {}, shelf.lookup());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason == "CreateContainerConfigError");
    CHECK(refused.error().message == message);
  }
}

TEST_CASE("image_table: internals, mapped names, and one sentence for the rest") {
  Folder folder;
  const std::vector<Json> images = {
      yaml("{metadata: {name: a}, spec: {name: team/trainer, path: " + folder.path + "}}"),
      yaml("{metadata: {name: b}, spec: {name: 'python:3.*', environment: {name: python}}}"),
      yaml("{metadata: {name: c}, spec: {name: 'team/*', path: /bin/true}}"),
      yaml("{metadata: {name: d}, spec: {name: gone, path: /no/such/thing}}"),
  };
  const auto resolve = [&](std::string_view image) { return resolve_image(image, images, "/self"); };
  CHECK(resolve("modelkit/model-server")->command == std::vector<std::string>{"/self", "model-server"});
  CHECK(resolve("modelkit/model-server:v1")->open_exec);
  CHECK(resolve("team/trainer:v7")->cwd == folder.path);
  CHECK(resolve("docker.io/team/trainer:v7")->path[0] == folder.path + "/bin");
  CHECK(resolve("docker.io/library/python:3.11-slim")->command.empty());
  CHECK(resolve("team/other")->command == std::vector<std::string>{"/bin/true"});
  for (const char* unknown : {"nginx:1.27", "python", "modelkit/up", "registry:5000/team/trainer"}) {
    const auto refused = resolve(unknown);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason == "ErrImagePull");
    CHECK(refused.error().hint.find("modelkit image map " + std::string(unknown) + " PATH|env") !=
          std::string::npos);
  }
  CHECK(resolve("gone").error().message.find("/no/such/thing, which does not exist") != std::string::npos);
}

TEST_CASE("volumes: files appear where and how they are declared") {
  Folder folder;
  Shelf shelf;
  shelf.add("configmaps", "{kind: ConfigMap, metadata: {name: c, namespace: d}, data: {a.txt: one, b: two}}");
  shelf.add("secrets", "{kind: Secret, metadata: {name: s, namespace: d}, data: {p: aHVzaA==}}");
  const Json pod = yaml(R"y(
metadata: {name: web, namespace: d, uid: u, labels: {app: shop}}
spec:
  containers:
  - {name: web, volumeMounts: [{name: all, mountPath: /etc/c}, {name: tmp, mountPath: /data, subPath: deep}]}
  volumes:
  - {name: all, configMap: {name: c}}
  - {name: some, configMap: {name: c, items: [{key: b, path: x/y, mode: 256}]}}
  - {name: keys, secret: {secretName: s, defaultMode: 256}}
  - {name: tmp, emptyDir: {}}
  - {name: mixed, projected: {sources: [{secret: {name: s}}, {downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}]}}
)y");
  const PodSpec spec = read_pod(pod).value();
  const auto volumes = prepare_volumes(pod, spec, folder.path, {}, shelf.lookup());
  REQUIRE(volumes);
  CHECK(os::read_file(folder.path + "/volumes/all/a.txt").value() == "one");
  CHECK(os::read_file(folder.path + "/volumes/some/x/y").value() == "two");
  CHECK(os::read_file(folder.path + "/volumes/keys/p").value() == "hush");
  CHECK(os::read_file(folder.path + "/volumes/mixed/labels").value() == "app=\"shop\"\n");
  const auto mounts = container_mounts(spec.containers[0], *volumes);
  REQUIRE(mounts);
  CHECK((*mounts)[0].target == "/etc/c");
  CHECK((*mounts)[0].read_only);
  CHECK((*mounts)[1].source == folder.path + "/volumes/tmp");
  CHECK((*mounts)[1].beneath == "deep");
  CHECK_FALSE((*mounts)[1].read_only);
  const struct {
    const char *volume, *message;
  } bad[] = {
      {"{name: x, configMap: {name: none}}", "configmap \"none\" not found"},
      {"{name: x, configMap: {name: c, items: [{key: b, path: ../../etc/cron.d/x}]}}",
       "volume path \"../../etc/cron.d/x\" must be relative, without .."},
      {"{name: x, hostPath: {path: /no/such}}", "hostPath /no/such does not exist"},
      {"{name: x, nfs: {server: a}}", "volume \"x\" is of a type that this node does not have"},
      {"{name: x, csi: {driver: other}}", "this node knows no CSI driver \"other\""},
  };
  for (const auto& [volume, message] : bad) {
    PodSpec wrong = spec;
    wrong.volumes = Json::array({yaml(volume)});
    const auto refused = prepare_volumes(pod, wrong, folder.path, {}, shelf.lookup());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == message);
  }
}

TEST_CASE("probe_plan: thresholds, and quick tries until the first success") {
  Probe probe{.kind = Probe::Kind::kTcp, .port = 80};
  probe.period = 10_s;
  ProbeState ready;
  Duration now = 0_s;
  CHECK(judge(probe, true, ready, false, now = now + 1_ms).next == 20_ms);
  CHECK(judge(probe, true, ready, false, now = now + 20_ms).next == 40_ms);
  CHECK_FALSE(judge(probe, true, ready, false, now = now + 40_ms).report);
  CHECK(ready.failures == 0);
  CHECK(judge(probe, true, ready, true, now = now + 80_ms).next == 10_s);
  CHECK(ready.passed);
  CHECK(judge(probe, true, ready, false, now = now + 10_s).report);
  CHECK(ready.passed);
  judge(probe, true, ready, false, now = now + 10_s);
  judge(probe, true, ready, false, now = now + 10_s);
  CHECK_FALSE(ready.passed);
  judge(probe, true, ready, true, now = now + 10_s);
  CHECK(ready.passed);
  ProbeState live{.passed = true};
  for (int i = 0; i < 2; ++i) CHECK(judge(probe, false, live, false, now = now + 10_s).next == 10_s);
  CHECK_FALSE(live.gave_up);
  judge(probe, false, live, false, now = now + 10_s);
  CHECK(live.gave_up);
  // A startup probe's quick failures count once a period only.
  ProbeState start;
  start.counted = now;
  const Duration begun = now;
  for (Duration next; !start.gave_up; now = now + next) next = judge(probe, true, start, false, now).next;
  CHECK(now - begun > 30_s);
  CHECK(now - begun < 60_s);
}

TEST_CASE("pod_logs: tail, since, limit, parts and timestamps, over rotation") {
  Folder folder;
  const auto line = [](int second, char mark, std::string_view text) {
    return Time::from_ms(1'700'000'000'000 + second * 1000).rfc3339_micro().substr(0, 26) + "000Z stdout " +
           mark + " " + std::string(text) + "\n";
  };
  REQUIRE(
      os::write_file(folder.path + "/log.1", line(0, 'F', "one") + line(1, 'P', "tw") + line(1, 'F', "o")));
  REQUIRE(
      os::write_file(folder.path + "/log", line(2, 'F', "three") + line(3, 'F', "four") + "2026-unfinished"));
  REQUIRE(os::write_file(folder.path + "/exit", ""));
  const auto read = [&](core::PodIo::LogOptions options) {
    std::string all;
    options.follow = true;  // the run has ended, so following ends as well
    const auto done = read_run_log(
        folder.path, options, Time::from_ms(1'700'000'010'000),
        [&](std::string_view chunk) {
          all += chunk;
          return true;
        },
        [] { return false; });
    return done ? all : done.error().message;
  };
  CHECK(read({}) == "one\ntwo\nthree\nfour\n");
  CHECK(read({.tail_lines = 3}) == "two\nthree\nfour\n");
  CHECK(read({.tail_lines = 0}) == "");
  CHECK(read({.tail_lines = 99}) == "one\ntwo\nthree\nfour\n");
  CHECK(read({.since_seconds = 8}) == "three\nfour\n");
  CHECK(read({.limit_bytes = 6}) == "one\ntw");
  CHECK(read({.timestamps = true, .tail_lines = 1}) == "2023-11-14T22:13:23.000000000Z four\n");
  CHECK(read({.tail_lines = -1}) == "tailLines must be greater than or equal to 0");
  CHECK(log_tail(folder.path, 1, 100) == "four\n");
}

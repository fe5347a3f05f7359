// What one object costs on its way in, without the disk: admission, life cycle, memory store, one caller.
#include <benchmark/benchmark.h>

#include "base/format.h"
#include "base/yaml.h"
#include "core/bootstrap.h"
#include "core/objects.h"

using namespace mk;
using namespace mk::core;

namespace {

struct Ground {
  std::unique_ptr<store::Store> store = store::open_store({}).value();
  Objects objects{*store, os::system_clock(), os::system_random()};
  Identity who = Identity::owner_of_this_machine();
  const kinds::Kind& kind = *kinds::find_resource("deployments.apps");
  Json deployment = parse_yaml(R"(
apiVersion: apps/v1
kind: Deployment
metadata: {labels: {app: web}, annotations: {a: b}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: c
        image: nginx:1
        ports: [{containerPort: 80}]
        env: [{name: A, value: b}, {name: C, value: d}]
        resources: {limits: {cpu: 1, memory: 1Gi}}
        readinessProbe: {httpGet: {port: 80}}
)")
                        .value()
                        .front();
  Ground() { MK_CHECK(make_first_objects(objects)); }
};

// Who writes decides whether managedFields is kept: nobody's is not (our controllers), a client's is.
WriteOptions written_by(int64_t client) {
  WriteOptions options;
  if (client) options.manager.name = "client";
  return options;
}

void create(benchmark::State& state) {
  Ground g;
  int64_t i = 0;
  size_t bytes = 0;
  const WriteOptions options = written_by(state.range(0));
  for (auto _ : state) {
    Json object = g.deployment;
    object["metadata"]["name"] = fmt::format("d{}", i++);
    auto written = g.objects.create(g.who, g.kind, "default", std::move(object), options);
    MK_CHECK(written);
    bytes = written->object->body.size();
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(create)->ArgName("client")->Arg(0)->Arg(1);

// One changed field of an object that a client made (1) or a controller (0).
void patch(benchmark::State& state) {
  Ground g;
  Json object = g.deployment;
  object["metadata"]["name"] = "d";
  const WriteOptions options = written_by(state.range(0));
  MK_CHECK(g.objects.create(g.who, g.kind, "default", std::move(object), options));
  int64_t i = 0;
  for (auto _ : state)
    MK_CHECK(g.objects.modify(
        g.who, g.kind, {"deployments.apps", "default", "d"}, false,
        [&](Json now) -> Admitted<Json> {
          now["spec"]["replicas"] = ++i % 1000;
          return now;
        },
        options));
}
BENCHMARK(patch)->ArgName("client")->Arg(0)->Arg(1);

// Server-side apply of the whole object, with one changed field (1) or none (0).
void apply(benchmark::State& state) {
  Ground g;
  Json object = g.deployment;
  object["metadata"]["name"] = "d";
  int64_t i = 0;
  for (auto _ : state) {
    if (state.range(0)) object["spec"]["replicas"] = ++i % 1000;
    MK_CHECK(
        g.objects.apply(g.who, g.kind, {"deployments.apps", "default", "d"}, object, false, written_by(1)));
  }
}
BENCHMARK(apply)->ArgName("changed")->Arg(0)->Arg(1);

void admit_only(benchmark::State& state) {
  Ground g;
  for (auto _ : state) {
    Json object = g.deployment;
    object["metadata"]["name"] = "d";
    MK_CHECK(g.objects.create(g.who, g.kind, "default", std::move(object), {.dry_run = true}));
  }
}
BENCHMARK(admit_only);

void patch_status(benchmark::State& state) {
  Ground g;
  Json object = g.deployment;
  object["metadata"]["name"] = "d";
  MK_CHECK(g.objects.create(g.who, g.kind, "default", std::move(object)));
  int64_t i = 0;
  for (auto _ : state)
    MK_CHECK(g.objects.modify(g.who, g.kind, {"deployments.apps", "default", "d"}, true,
                              [&](Json now) -> Admitted<Json> {
                                now["status"]["replicas"] = ++i;
                                return now;
                              }));
}
BENCHMARK(patch_status);

}  // namespace

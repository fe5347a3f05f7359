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

void create(benchmark::State& state) {
  Ground g;
  int64_t i = 0;
  for (auto _ : state) {
    Json object = g.deployment;
    object["metadata"]["name"] = fmt::format("d{}", i++);
    MK_CHECK(g.objects.create(g.who, g.kind, "default", std::move(object)));
  }
}
BENCHMARK(create);

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

#include "people.h"

#include "base/format.h"
#include "base/yaml.h"

namespace mk::sim {

using core::Identity;
using store::Key;

namespace {
const Identity kPerson = Identity::owner_of_this_machine();
constexpr const char* kSpaces[] = {"default", "default", "default", "team"};

std::string deployment_text(const std::string& space, uint64_t name, uint64_t replicas, uint64_t image) {
  return fmt::format(
      "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web-{0}, namespace: {3}}}, spec: "
      "{{replicas: {1}, "
      "progressDeadlineSeconds: 60, selector: {{matchLabels: {{app: web-{0}}}}}, template: {{metadata: "
      "{{labels: {{app: "
      "web-{0}}}}}, spec: {{terminationGracePeriodSeconds: 5, containers: [{{name: main, image: 'any:{2}', "
      "command: "
      "[serve], readinessProbe: {{httpGet: {{port: 80}}, periodSeconds: 20}}}}]}}}}}}}}",
      name, replicas, image, space);
}
}  // namespace

// A person may be told that something is not there, not so or not now; never that it is our fault.
void People::answered(const std::string& what, const core::Refusal* refusal) {
  if (refusal && refusal->error.code == Code::kInternal)
    world_.complaints.add(
        fmt::format("{} was answered with {}: {}", what, refusal->error.reason, refusal->error.message));
}

void People::apply(const std::string& yaml) {
  Json document = std::move(parse_yaml(yaml).value().at(0));
  const kinds::Kind& kind = *kinds::find_kind_of(document);
  const std::string space(std::as_const(document).at({"metadata", "namespace"}).text());
  const Key key{kind.resource(), space, std::string(std::as_const(document).at({"metadata", "name"}).text())};
  core::Objects& objects = world_.objects();
  auto done = objects.get(key) ? objects.update(kPerson, kind, document)
                               : objects.create(kPerson, kind, space, document);
  answered("apply of " + key.text(), done ? nullptr : &done.error());
}

void People::change(const Key& key, const std::function<void(Json&)>& edit) {
  auto done = world_.objects().modify(kPerson, *kinds::find_resource(key.resource), key, false,
                                      [&](Json object) -> core::Admitted<Json> {
                                        edit(object);
                                        return object;
                                      });
  answered("a change of " + key.text(), done ? nullptr : &done.error());
}

void People::remove(const Key& key) {
  constexpr core::Propagation kWays[] = {core::Propagation::kBackground, core::Propagation::kBackground,
                                         core::Propagation::kForeground};
  core::RemoveOptions how;
  how.propagation = kWays[random_.below(std::size(kWays))];
  if (one_in(6)) how.grace_period_s = 1;
  auto done = world_.objects().remove(kPerson, *kinds::find_resource(key.resource), key, how);
  answered("a deletion of " + key.text(), done ? nullptr : &done.error());
}

std::string People::some_space() {
  return kSpaces[random_.below(std::size(kSpaces))];
}

void People::deployment() {
  const std::string space = some_space();
  const uint64_t name = random_.below(3);
  const Key key{"deployments.apps", space, fmt::format("web-{}", name)};
  switch (random_.below(6)) {
    case 0:
      return remove(key);
    case 1:  // gone and there again, the same or not
      remove(key);
      return apply(deployment_text(space, name, random_.below(3), random_.below(2)));
    case 2:
      return change(
          key, [&](Json& object) { object["spec"]["replicas"] = static_cast<int64_t>(random_.below(4)); });
    default:
      return apply(deployment_text(space, name, 1 + random_.below(3), random_.below(3)));
  }
}

void People::bare_pod() {
  const std::string space = some_space();
  const uint64_t name = random_.below(3);
  const Key key{"pods", space, fmt::format("bare-{}", name)};
  if (one_in(2)) remove(key);
  if (one_in(3)) return;
  apply(fmt::format(
      "{{apiVersion: v1, kind: Pod, metadata: {{name: bare-{}, namespace: {}}}, spec: "
      "{{terminationGracePeriodSeconds: 5, containers: [{{name: main, image: any, command: [run]}}]}}}}",
      name, space));
}

void People::configuration() {
  const std::string space = some_space();
  const uint64_t name = random_.below(4);
  const Key key{"configmaps", space, fmt::format("settings-{}", name)};
  if (one_in(3)) remove(key);
  apply(fmt::format(
      "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings-{}, namespace: {}}}, data: {{value: "
      "'{}'}}}}",
      name, space, random_.hex(8)));
  if (one_in(3)) remove(key);
  if (one_in(3))
    change(key, [&](Json& object) { object["data"]["more"] = random_.hex(100 + random_.below(3000)); });
}

void People::service() {
  const uint64_t name = random_.below(2);
  const Key key{"inferenceservices.serving.kserve.io", "default", fmt::format("wine-{}", name)};
  if (one_in(4)) return remove(key);
  apply(fmt::format(
      "{{apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, metadata: {{name: wine-{}, "
      "namespace: default}}, spec: {{predictor: {{{}model: {{modelFormat: {{name: onnx}}, storageUri: "
      "'models:/wine/{}'}}}}}}}}",
      name, one_in(3) ? "canaryTrafficPercent: 20, " : "", 1 + random_.below(3)));
}

void People::own_namespace() {
  const Key key{"namespaces", "", "team"};
  if (one_in(2))
    remove(key);
  else
    apply("{apiVersion: v1, kind: Namespace, metadata: {name: team}}");
}

void People::do_something() {
  switch (random_.below(10)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return deployment();
    case 4:
    case 5:
      return bare_pod();
    case 6:
    case 7:
      return configuration();
    case 8:
      return service();
    default:
      return own_namespace();
  }
}

}  // namespace mk::sim

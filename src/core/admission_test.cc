// What is refused, word for word, with the path of each bad field; what is filled in; what is dropped.
#include <doctest/doctest.h>

#include "base/format.h"
#include "base/yaml.h"
#include "core/bootstrap.h"
#include "core/objects.h"

using namespace mk;
using namespace mk::core;

namespace {

struct Door {
  std::unique_ptr<store::Store> store = store::open_store({}).value();
  os::SimulatedClock clock;
  os::SeededRandom random{7};
  Objects objects{*store, clock, random};
  Door() { REQUIRE(make_first_objects(objects)); }

  Admitted<Written> create(const std::string& yaml, WriteOptions options = {.dry_run = true}) {
    auto documents = parse_yaml(yaml);
    REQUIRE_MESSAGE(documents, yaml);
    const Json object = documents->front();
    const kinds::Kind* kind = kinds::find_kind_of(object);
    REQUIRE_MESSAGE(kind, yaml);
    return objects.create(Identity::owner_of_this_machine(), *kind, kind->namespaced ? "default" : "", object,
                          options);
  }
};

std::string causes(const Admitted<Written>& written) {
  if (written) return "accepted";
  if (written.error().causes.empty()) return written.error().error.message;
  std::string out;
  for (const Cause& cause : written.error().causes)
    out += fmt::format("{}{}: {}", out.empty() ? "" : "\n", cause.field, cause.message);
  return out;
}

std::string pod(const std::string& container, const std::string& spec = "") {
  return fmt::format("{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{{}containers: [{{{}}}]}}}}",
                     spec, container);
}
std::string deployment(const std::string& spec, const std::string& labels = "a: b") {
  return fmt::format(
      "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: d}}, spec: {{selector: {{matchLabels: {{a: "
      "b}}}}, template: "
      "{{metadata: {{labels: {{{}}}}}, spec: {{containers: [{{name: c, image: i}}]}}}}{}}}}}",
      labels, spec);
}
std::string predictor(const std::string& spec) {
  return fmt::format(
      "{{apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, metadata: {{name: s}}, spec: "
      "{{predictor: {{{}}}}}}}",
      spec);
}

}  // namespace

TEST_CASE("admission: every bad field by its path, in Kubernetes' words") {
  Door door;
  struct Case {
    std::string yaml;
    std::string causes;
  };
  const Case cases[] = {
      // metadata
      {"{apiVersion: v1, kind: ConfigMap, metadata: {}}",
       "metadata.name: Required value: name or generateName is required"},
      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: Upper}}",
       "metadata.name: Invalid value: \"Upper\": a lowercase RFC 1123 subdomain must consist of lower case "
       "alphanumeric characters, "
       "'-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
       "for validation is "
       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
      {"{apiVersion: v1, kind: Namespace, metadata: {name: a.b}}",
       "metadata.name: Invalid value: \"a.b\": must not contain dots"},
      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, finalizers: [short, example.com/long, "
       "orphan]}}",
       "metadata.finalizers[0]: Invalid value: \"short\": name is neither a standard finalizer name nor is "
       "it fully "
       "qualified"},
      {"{apiVersion: modelkit.dev/v1, kind: Image, metadata: {name: a, finalizers: [short]}, spec: {name: x, "
       "path: /x}}",
       "accepted"},
      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {\"a b\": c}}}",
       "metadata.labels: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' "
       "or '.', and must start "
       "and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
       "validation is "
       "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"},
      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {x: 7}}}",
       "metadata.labels[x]: Invalid value: \"integer\": metadata.labels[x] in body must be of type string: "
       "\"integer\""},
      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, ownerReferences: [{name: x, uid: u, "
       "apiVersion: v1}]}}",
       "metadata.ownerReferences.kind: Invalid value: \"\": must not be empty"},
      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, ownerReferences: [{kind: x, uid: u, name: "
       "n}]}}",
       "metadata.ownerReferences.apiVersion: Invalid value: \"\": version must not be empty"},
      // types, enums, bounds
      {deployment(", replicas: two"),
       "spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\""},
      {deployment(", replicas: -1"), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
      {deployment(", replicas: 5000000000"), "spec.replicas: Invalid value: 5000000000: must fit in 32 bits"},
      {deployment(", replicas: 1.5"),
       "spec.replicas: Invalid value: \"number\": spec.replicas in body must be of type integer: \"number\""},
      {deployment(", strategy: {type: Fast}"),
       "spec.strategy: Unsupported value: {\"Type\":\"Fast\",\"RollingUpdate\":null}: supported values: "
       "\"Recreate\", "
       "\"RollingUpdate\""},
      {deployment(", strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}"),
       "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"},
      {deployment(", strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}"),
       "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"},
      {deployment("", "a: c"),
       "spec.template.metadata.labels: Invalid value: {\"a\":\"c\"}: `selector` does not match template "
       "`labels`"},
      {"{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {}}",
       "spec.selector: Required value\nspec.template.metadata.labels: Invalid value: null: `selector` does "
       "not match "
       "template `labels`\nspec.template.spec.containers: Required value"},
      // pods
      {"{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: []}}",
       "spec.containers: Required value"},
      {pod("name: c, image: i", "dnsPolicy: None, "),
       "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"},
      {pod("name: c, image: i", "dnsPolicy: None, dnsConfig: {searches: [a]}, "),
       "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when "
       "`dnsPolicy` is None"},
      {pod("name: c, image: i", "activeDeadlineSeconds: 0, "),
       "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"},
      {pod("name: c, image: i", "terminationGracePeriodSeconds: -1, "), "accepted"},
      {pod("name: c, image: i", "nodeSelector: {a: \"-\"}, "),
       "spec.nodeSelector: Invalid value: \"-\": a valid label must be an empty string or consist of "
       "alphanumeric "
       "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  "
       "or "
       "'my_value',  or '12345', regex used for validation is "
       "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"},
      {pod("name: c, image: i",
           "volumes: [{name: v, secret: {secretName: s}, emptyDir: {}, configMap: {name: a}}], "),
       "spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type\n"
       "spec.volumes[0].configMap: Forbidden: may not specify more than 1 volume type"},
      {pod("image: i"), "spec.containers[0].name: Required value"},
      {pod("name: c"), "spec.containers[0].image: Required value"},
      {pod("name: c, image: i, ports: [{containerPort: 70000}]"),
       "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, "
       "inclusive"},
      {pod("name: c, image: i, ports: [{containerPort: 80}, {containerPort: 80}]"), "accepted"},
      {pod("name: c, image: i, env: [{name: A, value: 1}, {name: \"B=\"}]"),
       "spec.containers[0].env[0].value: Invalid value: \"integer\": spec.containers[0].env[0].value in body "
       "must be of type string: "
       "\"integer\"\nspec.containers[0].env[1].name: Invalid value: \"B=\": a valid environment variable "
       "name must consist only of "
       "printable ASCII characters other than '='"},
      {pod("name: c, image: i}, {name: c, image: j"), "spec.containers[1].name: Duplicate value: \"c\""},
      {pod("name: c, image: i, volumeMounts: [{name: v, mountPath: /v}]"),
       "spec.containers[0].volumeMounts[0].name: Not found: \"v\""},
      {pod("name: c, image: i, resources: {limits: {cpu: lots}}"),
       "spec.containers[0].resources.limits[cpu]: Invalid value: \"lots\": quantities must match the regular "
       "expression "
       "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
      {pod("name: c, image: i, resources: {limits: {cpu: 1}, requests: {cpu: 1500m}}"),
       "spec.containers[0].resources.requests: Invalid value: \"1500m\": must be less than or equal to cpu "
       "limit of 1"},
      {pod("name: c, image: i, resources: {requests: {nvidia.com/gpu: 1}}"),
       "spec.containers[0].resources.limits[nvidia.com/gpu]: Required value: Limit must be set for non "
       "overcommitable resources"},
      {pod("name: c, image: i, resources: {limits: {gpu: 1}, requests: {gpu: 1}}"),
       "spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource type "
       "or fully qualified\n"
       "spec.containers[0].resources.requests[gpu]: Invalid value: \"gpu\": must be a standard resource type "
       "or fully qualified"},
      {pod("name: c, image: i, resources: {limits: {nvidia.com/gpu: 500m}, requests: {nvidia.com/gpu: 1}}"),
       "spec.containers[0].resources.limits[nvidia.com/gpu]: Invalid value: \"500m\": must be an integer\n"
       "spec.containers[0].resources.requests: Invalid value: \"1\": must be equal to nvidia.com/gpu limit "
       "of 500m"},
      {pod("name: c, image: i, livenessProbe: {}"),
       "spec.containers[0].livenessProbe: Required value: must specify a handler type"},
      {pod("name: c, image: i, readinessProbe: {httpGet: {port: 80}, exec: {command: [a]}}"),
       "spec.containers[0].readinessProbe: Forbidden: may not specify more than 1 handler type"},
      {pod("name: c, image: i, readinessProbe: {httpGet: {port: 0}}"),
       "spec.containers[0].readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, "
       "inclusive"},
      {pod("name: c, image: i, livenessProbe: {successThreshold: 2, tcpSocket: {port: http}}"),
       "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"},
      {pod("name: c, image: i", "restartPolicy: Sometimes, "),
       "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", "
       "\"Never\""},
      {pod("name: c, image: i, command: ls"),
       "spec.containers[0].command: Invalid value: \"string\": spec.containers[0].command in body must be of "
       "type array: \"string\""},
      // other core kinds
      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {\"a/b\": c}}",
       "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', "
       "'_' or '.' (e.g. "
       "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"},
      {"{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {k: \"?\"}}",
       "data[k]: Invalid value: \"?\": illegal base64 data at input byte 0"},
      {"{apiVersion: v1, kind: Secret, metadata: {name: a}, type: kubernetes.io/tls, data: {tls.key: aaaa}}",
       "data[tls.crt]: Required value"},
      {"{apiVersion: v1, kind: Secret, metadata: {name: a}, type: kubernetes.io/basic-auth}",
       "data[username]: Required value\ndata[password]: Required value"},
      {"{apiVersion: v1, kind: Secret, metadata: {name: a}, type: kubernetes.io/basic-auth, stringData: "
       "{password: x}}",
       "accepted"},
      {"{apiVersion: v1, kind: Secret, metadata: {name: a}, type: kubernetes.io/service-account-token}",
       "metadata.annotations[kubernetes.io/service-account.name]: Required value"},
      {"{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: l}, spec: {leaseDurationSeconds: "
       "0}}",
       "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"},
      {"{apiVersion: v1, kind: Service, metadata: {name: 1a}, spec: {ports: [{port: 80}]}}", "accepted"},
      {"{apiVersion: v1, kind: Service, metadata: {name: a.b}, spec: {ports: [{port: 80}]}}",
       "metadata.name: Invalid value: \"a.b\": must not contain dots"},
      {"{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80}, {port: 81}]}}",
       "spec.ports[0].name: Required value\nspec.ports[1].name: Required value"},
      {"{apiVersion: modelkit.dev/v1, kind: Image, metadata: {name: a}, spec: {name: x}}",
       "spec: Required value: exactly one of path and environment is needed"},
      // serving
      {predictor("minReplicas: 1"), "spec.predictor: Required value: one of model or containers is needed"},
      {predictor("model: {storageUri: \"models:/a/1\"}"), "spec.predictor.model.modelFormat: Required value"},
      {predictor("model: {modelFormat: {name: onnx}}, canaryTrafficPercent: 101"),
       "spec.predictor.canaryTrafficPercent: Invalid value: 101: must be between 0 and 100, inclusive"},
      {predictor("model: {modelFormat: {name: onnx}}, sklearn: {storageUri: \"models:/a/1\"}"),
       "spec.predictor: Invalid value: \"model, sklearn\": exactly one of model and the framework blocks may "
       "be given"},
      {predictor("model: {modelFormat: {name: onnx}, storageUri: wine}"),
       "spec.predictor.model.storageUri: Invalid value: \"wine\": must be a URI like models:/NAME/VERSION, "
       "runs:/RUN/PATH or "
       "file:///PATH"},
      {predictor("model: {modelFormat: {name: onnx}}, minReplicas: 3, maxReplicas: 2"),
       "spec.predictor.maxReplicas: Invalid value: 2: must be greater than or equal to minReplicas"},
      // and what is right
      {pod("name: c, image: i"), "accepted"},
      {pod("name: c, image: i, resources: {limits: {cpu: 1, memory: 1Gi, nvidia.com/gpu: 1}}, env: [{name: "
           "A, valueFrom: {fieldRef: "
           "{fieldPath: metadata.name}}}], readinessProbe: {httpGet: {port: http, path: /ready}}, ports: "
           "[{name: http, "
           "containerPort: 80}, {containerPort: 80, protocol: UDP}], volumeMounts: [{name: v, mountPath: "
           "/v}]",
           "volumes: [{name: v, emptyDir: {}}], tolerations: [{operator: Exists}], "),
       "accepted"},
      {deployment(", replicas: 0, strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 50%}}"),
       "accepted"},
      {predictor("model: {modelFormat: {name: sklearn}, storageUri: \"models:/wine@champion\"}, "
                 "canaryTrafficPercent: 10"),
       "accepted"},
      {predictor("containers: [{image: i, env: [{name: A, value: b}]}]"), "accepted"},
      {predictor("sklearn: {storageUri: \"file:///models/a\", resources: {limits: {cpu: 1}}}"), "accepted"},
      {"{apiVersion: v1, kind: Node, metadata: {name: n}, status: {capacity: {cpu: 8, nvidia.com/gpu: "
       "\"2\"}}}",
       "accepted"},
      {"{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: l}, spec: {holderIdentity: a, "
       "leaseDurationSeconds: 15}}",
       "accepted"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.yaml);
    CHECK(causes(door.create(c.yaml)) == c.causes);
  }
}

TEST_CASE("admission: the message of one bad field and of many") {
  Door door;
  const auto one = door.create(deployment(", replicas: -1"));
  CHECK(one.error().error.message ==
        "Deployment.apps \"d\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal "
        "to 0");
  CHECK(one.error().error.reason == "invalid_object");
  CHECK(one.error().error.field == "spec.replicas");
  const auto two = door.create("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{}]}}");
  CHECK(two.error().error.message ==
        "Pod \"p\" is invalid: [spec.containers[0].name: Required value, spec.containers[0].image: Required "
        "value]");
  // Bounded, however much is wrong.
  std::string many;
  for (int i = 0; i < 500; ++i) many += fmt::format("{}k{}: 1", i ? ", " : "", i);
  CHECK(door.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {" + many + "}}")
            .error()
            .causes.size() == 100);
}

TEST_CASE("admission: an update tells each bad mark as often as upstream checks it, and says it once") {
  Door door;
  REQUIRE(door.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}", {}));
  REQUIRE(door.create(deployment(""), {}));
  const auto mark = [&](const char* resource, const char* name) {
    return door.objects.modify(Identity::owner_of_this_machine(), *kinds::find_resource(resource),
                               {resource, "default", name}, false, [](Json object) -> Admitted<Json> {
                                 object["metadata"]["labels"]["a"] = "-";
                                 return object;
                               });
  };
  const auto map = mark("configmaps", "c"), workload = mark("deployments.apps", "d");
  REQUIRE_FALSE(map);
  REQUIRE_FALSE(workload);
  CHECK(map.error().causes.size() == 4);
  CHECK(workload.error().causes.size() == 3);
  CHECK(map.error().error.message.starts_with(
      "ConfigMap \"c\" is invalid: metadata.labels: Invalid value: \"-\": a valid"));
}

TEST_CASE(
    "admission: what is empty is not kept of Kubernetes' own kinds, as their Go types do not write it") {
  Door door;
  const auto map = door.create(
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, labels: {}}, data: {}, binaryData: {}}");
  REQUIRE(map);
  CHECK_FALSE(map->object->json().contains("data"));
  CHECK_FALSE(map->object->json()["metadata"].contains("labels"));
  const Json spec = door.create(pod("name: c, image: i, command: [], resources: {limits: {}}",
                                    "nodeSelector: {}, volumes: [{name: v, emptyDir: {}}], "))
                        ->object->json()["spec"];
  CHECK_FALSE(spec.contains("nodeSelector"));
  CHECK(spec["volumes"][0]["emptyDir"].is_object());
  CHECK_FALSE(spec["containers"][0].contains("command"));
  CHECK(spec["containers"][0]["resources"].dump() == "{}");
}

TEST_CASE("admission: unknown fields are dropped and told, or refused when strict; nulls are not given") {
  Door door;
  const std::string yaml = pod("name: c, image: i, imge: j, env: null", "replicas: 2, nodeSelector: null, ");
  const auto warned = door.create(yaml);
  REQUIRE(warned);
  CHECK(warned->warnings == std::vector<std::string>{"unknown field \"spec.containers[0].imge\"",
                                                     "unknown field \"spec.replicas\""});
  const Json object = warned->object->json();
  CHECK_FALSE(object["spec"].contains("replicas"));
  CHECK_FALSE(object["spec"].contains("nodeSelector"));
  CHECK_FALSE(object["spec"]["containers"][0].contains("imge"));
  const auto ignored = door.create(yaml, {.dry_run = true, .field_validation = FieldValidation::kIgnore});
  REQUIRE(ignored);
  CHECK(ignored->warnings.empty());
  const auto strict = door.create(yaml, {.dry_run = true, .field_validation = FieldValidation::kStrict});
  REQUIRE_FALSE(strict);
  CHECK(strict.error().error.reason == "strict_decoding");
  CHECK(strict.error().error.message ==
        "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field "
        "\"spec.containers[0].imge\", unknown "
        "field \"spec.replicas\"");
  // Free-form parts keep everything.
  const auto free = door.create(
      "{apiVersion: v1, kind: Node, metadata: {name: n}, status: {nodeInfo: {anything: {goes: [null, 1]}}}}",
      {.dry_run = true, .field_validation = FieldValidation::kStrict});
  REQUIRE(free);
}

TEST_CASE("admission: defaults, also those that follow from other fields") {
  Door door;
  const auto made = door.create(
      pod("name: c, image: \"repo:5000/i\", ports: [{containerPort: 80}], resources: {limits: {cpu: 2}}, "
          "readinessProbe: {httpGet: {port: 80}}"));
  REQUIRE(made);
  const Json spec = made->object->json()["spec"];
  const Json& container = spec["containers"][0];
  CHECK(container["imagePullPolicy"].text() == "Always");
  CHECK(container["ports"][0]["protocol"].text() == "TCP");
  CHECK(container.at({"resources", "limits", "cpu"}).text() == "2");
  CHECK(container.at({"resources", "requests", "cpu"}).text() == "2");
  CHECK(container.at({"readinessProbe", "periodSeconds"}).integer() == 10);
  CHECK(container.at({"readinessProbe", "httpGet", "scheme"}).text() == "HTTP");
  CHECK(spec["terminationGracePeriodSeconds"].integer() == 30);
  CHECK(spec["securityContext"].is_object());
  const auto secret = door.create("{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {k: v}}");
  REQUIRE(secret);
  CHECK(secret->object->json().at({"data", "k"}).text() == "dg==");
  CHECK_FALSE(secret->object->json().contains("stringData"));
  const auto service = door.create(predictor("containers: [{image: i}], model: {modelFormat: {name: onnx}}"));
  REQUIRE(service);
  const Json predictor_spec = service->object->json().at({"spec", "predictor"});
  CHECK(predictor_spec["containers"][0]["name"].text() == "kserve-container");
  CHECK_FALSE(predictor_spec.contains("restartPolicy"));  // only the Pods made from it have one
}

TEST_CASE("admission: what of a Pod may change") {
  Door door;
  REQUIRE(door.create(pod("name: c, image: \"i:1\""), {}));
  const kinds::Kind& kind = *kinds::find_resource("pods");
  const Identity who = Identity::owner_of_this_machine();
  const auto change = [&](const std::function<void(Json&)>& edit) {
    return door.objects.modify(who, kind, {"pods", "default", "p"}, false,
                               [&](Json object) -> Admitted<Json> {
                                 edit(object);
                                 return object;
                               });
  };
  CHECK(causes(change([](Json& p) { p["spec"]["containers"][0]["image"] = "i:2"; })) == "accepted");
  CHECK(causes(change([](Json& p) { p["spec"]["nodeName"] = "n1"; })) == "accepted");
  CHECK(causes(change([](Json& p) { p["metadata"]["labels"]["a"] = "b"; })) == "accepted");
  for (const auto& edit : std::vector<std::function<void(Json&)>>{
           [](Json& p) { p["spec"]["nodeName"] = "n2"; },
           [](Json& p) { p["spec"]["containers"][0]["args"] = Json::array({"x"}); },
           [](Json& p) { p["spec"]["restartPolicy"] = "Never"; }}) {
    CHECK(
        causes(change(edit))
            .starts_with(
                "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"));
  }
}

namespace {

// Calls `use` with `root` once for every value in it and every replacement, that value replaced.
void mutate(Json& root, Json& here, const std::vector<Json>& replacements,
            const std::function<void(const Json&)>& use) {
  const Json kept = here;
  for (const Json& other : replacements) {
    here = other;
    use(root);
  }
  here = kept;
  if (here.is_array())
    for (Json& item : here.items()) mutate(root, item, replacements, use);
  if (here.is_object())
    for (auto& [key, item] : here.members()) mutate(root, item, replacements, use);
}

}  // namespace

TEST_CASE(
    "admission: any type anywhere is answered, never a crash; and what is accepted once is accepted again") {
  Door door;
  const Identity who = Identity::owner_of_this_machine();
  std::vector<Json> replacements;
  for (const char* text : {"null", "1", "-1", "1.5", "1e300", "\"x\"", "\"\"", "true", "[]", "[1]", "[null]",
                           "[{}]", "{}", "{\"a\":1}", "{\"\":{}}", "[[[]]]"})
    replacements.push_back(Json::parse(text).value());
  const std::string samples[] = {
      pod("name: c, image: i, env: [{name: A, valueFrom: {fieldRef: {fieldPath: a}}}], ports: "
          "[{containerPort: 80, name: p}], "
          "resources: {limits: {cpu: 1}, requests: {cpu: 1}}, livenessProbe: {httpGet: {port: 80}}, "
          "volumeMounts: [{name: v, mountPath: /a, subPath: b}]",
          "serviceAccountName: s, initContainers: [{name: i, image: i}], volumes: [{name: v, hostPath: "
          "{path: /x}}], "),
      deployment(", strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}"),
      predictor("model: {modelFormat: {name: onnx}, storageUri: \"models:/a/1\"}, containers: [{image: i}], "
                "minReplicas: 1"),
      "{apiVersion: v1, kind: Secret, metadata: {name: s, labels: {a: b}, annotations: {a: b}, finalizers: "
      "[a.b/c], "
      "ownerReferences: [{apiVersion: v1, kind: A, name: b, uid: c, controller: true}]}, stringData: {a: b}, "
      "data: {c: dg==}}",
      "{apiVersion: v1, kind: Namespace, metadata: {name: n, labels: {a: b}}, spec: {finalizers: [a]}, "
      "status: {phase: Active}}",
      "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 80, targetPort: a}], "
      "selector: {a: b}}}",
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, generateName: g}, data: {a: b}, binaryData: {c: "
      "dg==}, immutable: true}",
      "{apiVersion: v1, kind: Event, metadata: {name: e}, involvedObject: {kind: Pod, name: p}, count: 1}",
      "{apiVersion: modelkit.dev/v1, kind: Image, metadata: {name: i}, spec: {name: x, path: /p}}",
  };
  size_t answered = 0;
  for (const std::string& sample : samples) {
    Json object = parse_yaml(sample).value().front();
    const kinds::Kind& kind = *kinds::find_kind_of(object);
    const std::string space = kind.namespaced ? "default" : "";
    const auto use = [&](const Json& changed) {
      ++answered;
      const auto made = door.objects.create(who, kind, space, changed, {.dry_run = true});
      if (made) {
        Json again = made->object->json();
        for (const char* field : {"uid", "resourceVersion"}) again["metadata"].erase(field);
        const auto twice = door.objects.create(who, kind, space, again, {.dry_run = true});
        CHECK_MESSAGE(twice, changed.dump(), " ", twice ? "" : twice.error().error.message);
        return;
      }
      CHECK(made.error().error.code != Code::kInternal);
      CHECK_FALSE(made.error().error.message.empty());
    };
    mutate(object, object, replacements, use);
    // The same as changes of an object that exists, and of its status.
    const auto stored = door.objects.create(who, kind, space, object);
    REQUIRE_MESSAGE(stored, sample, " ", stored ? "" : stored.error().error.message);
    Json current = stored->object->json();
    current["metadata"].erase("resourceVersion");
    mutate(current, current, replacements, [&](const Json& changed) {
      ++answered;
      const auto updated = door.objects.update(who, kind, changed, {.dry_run = true});
      if (!updated) CHECK(updated.error().error.code != Code::kInternal);
      if (kind.status_subresource) (void)door.objects.update_status(who, kind, changed, {.dry_run = true});
      (void)door.objects.modify(who, kind, stored->object->key, false,
                                [&](const Json&) -> Admitted<Json> { return changed; }, {.dry_run = true});
    });
  }
  CHECK(answered > 5000);
}

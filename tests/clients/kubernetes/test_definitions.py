"""CustomResourceDefinitions that users bring, by kubectl and the Python client."""
import copy
import json
import time

import pytest
import yaml
from modelkit import KUBECTL

OLD_KUBECTL = KUBECTL.with_name("kubectl-1.20")

CRD = yaml.safe_load("""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wg], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.count, statusReplicasPath: .status.made, labelSelectorPath: .status.selector}
    additionalPrinterColumns:
    - {name: Color, type: string, jsonPath: .spec.color}
    - {name: Ready, type: string, jsonPath: ".status.conditions[?(@.type=='Ready')].status"}
    - {name: Size, type: integer, jsonPath: .spec.size.width, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            description: What the widget should be.
            required: [color]
            properties:
              color: {type: string, enum: [red, green], description: Its color.}
              count: {type: integer, minimum: 0, maximum: 10, default: 1}
              size:
                type: object
                default: {}
                properties:
                  width: {type: integer, default: 7}
              code: {type: string, pattern: "^[a-z]{2}-[0-9]+$"}
              port: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
              tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
            x-kubernetes-validations:
            - {rule: "self.count < 5 || self.color == 'red'", message: only red ones}
          status:
            type: object
            x-kubernetes-preserve-unknown-fields: true
  - name: v1alpha1
    served: true
    storage: false
    deprecated: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              color: {type: string}
              note: {type: string, default: old}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
""")


def widget(name, version="v1", **spec):
    return {"apiVersion": f"shop.example.com/{version}", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module", autouse=True)
def shop(kubectl):
    code, out, err = kubectl.run("create", "-f", "-", input=json.dumps(CRD))
    assert code == 0, err
    assert "kept but not enforced" in err and "spec" in err  # the CEL rule
    kubectl("wait", "--for=condition=Established", "crd/widgets.shop.example.com", "--timeout=10s")


def test_conditions_and_names(kubectl):
    crd = kubectl.json("get", "crd", "widgets.shop.example.com")
    conditions = {c["type"]: c for c in crd["status"]["conditions"]}
    assert conditions["NamesAccepted"]["status"] == "True" and conditions["Established"]["status"] == "True"
    assert conditions["ValidationRulesEnforced"]["status"] == "False"
    assert crd["status"]["storedVersions"] == ["v1"]
    assert crd["status"]["acceptedNames"]["listKind"] == "WidgetList"
    assert crd["spec"]["names"]["singular"] == "widget"
    assert crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"]


def test_discovery_and_explain(kubectl, raw):
    assert "widgets" in kubectl("api-resources", "--api-group=shop.example.com") and "wg" in kubectl("api-resources")
    _, group, _ = raw("GET", "/apis/shop.example.com")
    assert [v["version"] for v in group["versions"]] == ["v1", "v1alpha1"]
    _, listed, _ = raw("GET", "/apis/shop.example.com/v1")
    assert {r["name"] for r in listed["resources"]} == {"widgets", "widgets/status", "widgets/scale"}
    assert "Its color" in kubectl("explain", "widget.spec.color")


def test_openapi_has_the_program_own_kinds_and_those_that_users_bring(kubectl, raw, server, kubectl_for, tmp_path):
    _, index, _ = raw("GET", "/openapi/v3")
    paths = index["paths"]
    assert "apis/shop.example.com/v1" in paths and "apis/apps/v1" in paths
    status, document, headers = raw("GET", paths["apis/shop.example.com/v1"]["serverRelativeURL"])
    assert status == 200 and any(name.endswith(".Widget") for name in document["components"]["schemas"])
    assert "immutable" in headers["Cache-Control"] and headers["ETag"].strip('"') in paths["apis/shop.example.com/v1"]["serverRelativeURL"]
    # An index that is older than the kinds names what is not there any more: the client is sent on.
    status, _, headers = raw("GET", "/openapi/v3/apis/shop.example.com/v1?hash=OLD")
    assert status == 301 and headers["Location"] == paths["apis/shop.example.com/v1"]["serverRelativeURL"]
    _, swagger, headers = raw("GET", "/openapi/v2")
    names = set(swagger["definitions"])
    assert {"io.k8s.api.apps.v1.Deployment", "com.example.shop.v1.Widget", "com.example.shop.v1alpha1.Widget"} <= names
    assert "/apis/shop.example.com/v1/namespaces/{namespace}/widgets" in swagger["paths"] and "/api/v1/nodes" in swagger["paths"]
    assert raw("GET", "/openapi/v2", headers={"If-None-Match": headers["ETag"]})[0] == 304
    if OLD_KUBECTL.exists():  # reads v2 as protobuf and nothing else
        old = kubectl_for(server, tmp_path, OLD_KUBECTL)
        assert "Its color" in old("explain", "widget.spec.color") and "replicas" in old("explain", "deployment.spec")


def test_defaults_pruning_and_validation(kubectl, space):
    kubectl.apply(widget("a", color="red", port="http", tags=["x"], free={"any": 1}), namespace=space)
    spec = kubectl.json("get", "widget", "a", "-n", space)["spec"]
    assert spec == {"color": "red", "count": 1, "size": {"width": 7}, "port": "http", "tags": ["x"], "free": {"any": 1}}
    refused = {
        "spec.color": widget("b", color="blue"),
        "spec.count": widget("b", color="red", count=11),
        "spec.code": widget("b", color="red", code="nope"),
        "spec.tags[1]": widget("b", color="red", tags=["x", "x"]),
        "spec.size.width": widget("b", color="red", size={"width": "wide"}),
    }
    for field, body in refused.items():
        err = kubectl.refused("create", "-n", space, "-f", "-", input=json.dumps(body))
        assert field in err, err
    err = kubectl.refused("create", "-n", space, "-f", "-", input=json.dumps(widget("b")))
    assert "spec.color: Required value" in err
    err = kubectl.refused("create", "-n", space, "-f", "-", input=json.dumps(widget("b", color="red", colour="x")))
    assert 'unknown field "spec.colour"' in err


def test_columns_categories_and_short_names(kubectl, space):
    kubectl.apply(widget("a", color="green"), namespace=space)
    lines = kubectl("get", "wg", "-n", space).splitlines()
    assert lines[0].split() == ["NAME", "COLOR", "READY", "AGE"] and lines[1].split()[:2] == ["a", "green"]
    assert "SIZE" in kubectl("get", "wg", "-n", space, "-o", "wide")
    assert "widget.shop.example.com/a" in kubectl("get", "all", "-n", space)


def test_status_and_scale(kubectl, space):
    kubectl.apply(widget("a", color="red", count=2), namespace=space)
    kubectl("patch", "widget", "a", "-n", space, "--subresource=status", "--type=merge",
            "-p", '{"spec":{"color":"green"},"status":{"made":2,"selector":"app=x"}}')
    body = kubectl.json("get", "widget", "a", "-n", space)
    assert body["spec"]["color"] == "red" and body["status"]["made"] == 2 and body["metadata"]["generation"] == 1
    kubectl("scale", "widget", "a", "-n", space, "--replicas=4")
    body = kubectl.json("get", "widget", "a", "-n", space)
    assert body["spec"]["count"] == 4 and body["metadata"]["generation"] == 2


def test_versions(kubectl, raw, space):
    kubectl.apply(widget("a", color="red"), namespace=space)
    path = f"/apis/shop.example.com/v1alpha1/namespaces/{space}/widgets/a"
    _, body, headers = raw("GET", path)
    assert body["apiVersion"] == "shop.example.com/v1alpha1" and body["spec"] == {"color": "red", "note": "old"}
    assert "deprecated" in headers["Warning"]
    events = raw.watch(f"/apis/shop.example.com/v1alpha1/namespaces/{space}/widgets")
    assert [e["object"]["apiVersion"] for e in events] == ["shop.example.com/v1alpha1"]


def test_watch_with_the_python_client(kubectl, server, space):
    from kubernetes import client, config, watch
    config.load_kube_config(str(server.kubeconfig))
    api = client.CustomObjectsApi()
    where = ("shop.example.com", "v1", space, "widgets")
    api.create_namespaced_custom_object(*where, widget("a", color="red"))
    api.patch_namespaced_custom_object(*where, "a", {"spec": {"count": 3}})
    api.delete_namespaced_custom_object(*where, "a")
    api.create_namespaced_custom_object(*where, widget("b", color="green"))
    seen = []
    for event in watch.Watch().stream(api.list_namespaced_custom_object, *where, timeout_seconds=5):
        seen.append((event["type"], event["object"]["metadata"]["name"]))
        break
    assert seen == [("ADDED", "b")]
    assert [o["metadata"]["name"] for o in api.list_namespaced_custom_object(*where)["items"]] == ["b"]


def test_owners_and_namespaces_know_them(kubectl):
    kubectl("create", "namespace", "crd-ends")
    kubectl.apply(widget("owner", color="red"), namespace="crd-ends")
    uid = kubectl.json("get", "wg", "owner", "-n", "crd-ends")["metadata"]["uid"]
    child = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "child", "ownerReferences": [
        {"apiVersion": "shop.example.com/v1", "kind": "Widget", "name": "owner", "uid": uid}]}}
    kubectl.apply(child, namespace="crd-ends")
    kubectl("delete", "wg", "owner", "-n", "crd-ends", "--cascade=foreground", "--timeout=20s")
    assert "not found" in kubectl.refused("get", "cm", "child", "-n", "crd-ends")
    kubectl.apply(widget("left", color="red"), namespace="crd-ends")
    kubectl("delete", "namespace", "crd-ends", "--timeout=20s")


def changed(path, value, name="things"):
    crd = copy.deepcopy(CRD)
    crd["metadata"]["name"] = f"{name}.shop.example.com"
    crd["spec"]["names"] = {"plural": name, "kind": name.capitalize(), "listKind": f"{name.capitalize()}List"}
    *parents, last = path
    here = crd
    for key in parents:
        here = here[key]
    here[last] = value
    return crd


SCHEMA = ("spec", "versions", 0, "schema", "openAPIV3Schema")
BAD = [
    ("no schema", ("spec", "versions", 0, "schema"), {}, "schemas are required"),
    ("no storage version", ("spec", "versions", 0, "storage"), False, "exactly one version marked as storage"),
    ("two of one name", ("spec", "versions", 1, "name"), "v1", "Duplicate value"),
    ("another name", ("metadata", "name"), "other.shop.example.com", "spec.names.plural"),
    ("a group without a dot", ("spec", "group"), "shop", "at least one dot"),
    ("a property without a type", SCHEMA + ("properties", "spec", "properties", "x"), {"description": "?"}, "type: Required value"),
    ("a pattern that is none", SCHEMA + ("properties", "spec", "properties", "x"), {"type": "string", "pattern": "("}, "valid regular expression"),
    ("a reference", SCHEMA + ("properties", "spec"), {"$ref": "PodSpec"}, "$ref"),
    ("a default of another type", SCHEMA + ("properties", "spec", "properties", "x"), {"type": "string", "default": 7}, "must be of type string"),
    ("a structure in anyOf", SCHEMA + ("properties", "spec", "properties", "x"), {"type": "string", "anyOf": [{"default": "x"}]}, "must be empty to be structural"),
    ("a webhook", ("spec", "conversion"), {"strategy": "Webhook"}, 'supported values: "None"'),
    ("a bad column", ("spec", "versions", 0, "additionalPrinterColumns"), [{"name": "x", "type": "string", "jsonPath": "a[["}], "jsonPath"),
    ("a bad scale", ("spec", "versions", 0, "subresources"), {"scale": {"specReplicasPath": "x", "statusReplicasPath": ".status.x"}}, "under .spec"),
]


@pytest.mark.parametrize("path,value,why", [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_definitions(kubectl, path, value, why):
    err = kubectl.refused("create", "-f", "-", input=json.dumps(changed(path, value)))
    assert why in err, err


def test_names_that_are_taken(kubectl):
    rival = changed(("spec", "names"), {"plural": "rivals", "kind": "Rival", "shortNames": ["wg"]}, name="rivals")
    kubectl("create", "-f", "-", input=json.dumps(rival))
    kubectl("wait", "--for=condition=NamesAccepted=false", "crd/rivals.shop.example.com", "--timeout=10s")
    assert "rivals" not in kubectl("api-resources", "--api-group=shop.example.com")
    kubectl("delete", "crd", "rivals.shop.example.com", "--timeout=10s")


def test_a_kind_that_is_built_in_stays_ours(kubectl):
    crd = changed(("spec", "group"), "serving.kserve.io")
    crd["metadata"]["name"] = "inferenceservices.serving.kserve.io"
    crd["spec"]["names"] = {"plural": "inferenceservices", "kind": "InferenceService", "shortNames": ["isvc"]}
    kubectl("create", "-f", "-", input=json.dumps(crd))
    kubectl("wait", "--for=condition=Established", "crd/inferenceservices.serving.kserve.io", "--timeout=10s")
    assert "inferenceservices" in kubectl("api-resources", "--api-group=serving.kserve.io")
    kubectl("delete", "crd", "inferenceservices.serving.kserve.io", "--timeout=10s")
    kubectl("get", "isvc", "-A")


def large_definition():
    """About 1 MB, as KServe's and Argo's definitions are: the same PodSpec-like tree many times over."""
    leaf = {f"field{i}": {"type": "string", "description": "Words that describe what this field is for. " * 3} for i in range(40)}
    group = {"type": "object", "properties": {f"part{i}": {"type": "object", "properties": leaf} for i in range(12)}}
    crd = changed(("spec", "scope"), "Cluster", name="bigs")
    crd["spec"]["versions"] = crd["spec"]["versions"][:1]
    crd["spec"]["versions"][0]["subresources"] = {"status": {}}
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = {
        "type": "object", "properties": {"spec": {"type": "object", "properties": {f"section{i}": group for i in range(12)}},
                                         "status": {"type": "object"}}}
    return crd


def test_a_large_definition(kubectl, raw):
    body = json.dumps(large_definition())
    assert len(body) > 1_000_000
    start = time.monotonic()
    status, answer, _ = raw("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body,
                            {"Content-Type": "application/json"})
    assert status == 201, answer
    # Served at once, and the schema is at work.
    path = "/apis/shop.example.com/v1/bigs"
    status, answer, _ = raw("POST", path, {"apiVersion": "shop.example.com/v1", "kind": "Bigs", "metadata": {"name": "b"},
                                           "spec": {"section3": {"part2": {"field1": "x", "nope": 1}}}})
    assert status == 201 and answer["spec"] == {"section3": {"part2": {"field1": "x"}}}, answer
    assert time.monotonic() - start < 10
    assert "what this field is for" in kubectl("explain", "bigs.spec.section1.part1.field1")
    kubectl("delete", "crd", "bigs.shop.example.com", "--timeout=20s")


def test_survives_a_restart_and_ends_with_its_objects(modelkit_for_definitions):
    server, kubectl = modelkit_for_definitions
    kubectl("create", "-f", "-", input=json.dumps(CRD))
    kubectl.apply(widget("a", color="red"))
    server.kill()
    server.start()
    assert kubectl.json("get", "wg", "a")["spec"]["size"] == {"width": 7}
    kubectl("patch", "wg", "a", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/hold"]}}')
    kubectl("delete", "crd", "widgets.shop.example.com", "--wait=false")
    kubectl("wait", "--for=condition=Terminating", "crd/widgets.shop.example.com", "--timeout=10s")
    err = kubectl.refused("create", "-f", "-", input=json.dumps(widget("late", color="red")))
    assert "terminating" in err, err
    kubectl("patch", "wg", "a", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    kubectl("wait", "--for=delete", "crd/widgets.shop.example.com", "--timeout=20s")
    assert "could not find the requested resource" in kubectl.refused("get", "widgets")  # from kubectl's own cache


@pytest.fixture
def modelkit_for_definitions(tmp_path, kubectl_for):
    import modelkit
    server = modelkit.Modelkit(tmp_path / "data")
    yield server, kubectl_for(server, tmp_path / "home")
    server.stop()

"""Whatever is sent: the answer is a Status of a user's mistake, never a 500, and the server lives on."""
import json

import pytest
from objects import config_map, deployment

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
JSON = {"Content-Type": "application/json"}
MERGE = {"Content-Type": "application/merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}


def named(**metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


BAD = [
    # what, method, path, body, headers, status
    ("no body", "POST", MAPS, "", JSON, 400),
    ("not JSON", "POST", MAPS, "{", JSON, 400),
    ("a list", "POST", MAPS, "[]", JSON, 400),
    ("a string", "POST", MAPS, '"x"', JSON, 400),
    ("duplicate keys, strict", "POST", MAPS + "?fieldValidation=Strict",
     '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1","a":"2"}}', JSON, 400),
    ("invalid UTF-8", "POST", MAPS, b'{"kind":"\xff"}', JSON, 400),
    ("deep nesting", "POST", MAPS, '{"a":' * 5000 + "1" + "}" * 5000, JSON, 400),
    ("deep nesting in data", "POST", MAPS, json.dumps(named(name="x"))[:-1] + ',"data":' + '{"a":' * 100 + "1" + "}" * 101, JSON, 400),
    ("bad YAML", "POST", MAPS, "a: [b", {"Content-Type": "application/yaml"}, 400),
    ("two YAML documents", "POST", MAPS, "a: 1\n---\na: 2", {"Content-Type": "application/yaml"}, 400),
    ("YAML aliases that explode", "POST", MAPS,
     "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi")),
     {"Content-Type": "application/yaml"}, 400),
    ("bad protobuf", "POST", MAPS, b"k8s\0\x0a\xff", {"Content-Type": "application/vnd.kubernetes.protobuf"}, 400),
    ("protobuf without an envelope", "POST", MAPS, b"\x0a\x02", {"Content-Type": "application/vnd.kubernetes.protobuf"}, 400),
    ("CBOR", "POST", MAPS, b"\xa0", {"Content-Type": "application/cbor"}, 415),
    ("a form", "POST", MAPS, "a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ("another kind", "POST", MAPS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}, None, 400),
    ("another version", "POST", MAPS, {"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "x"}}, None, 400),
    ("kind is a number", "POST", MAPS, {"apiVersion": "v1", "kind": 7}, None, 400),
    ("metadata is a string", "POST", MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": "x"}, None, 400),
    ("metadata is a list", "POST", MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": []}, None, 400),
    ("no name", "POST", MAPS, named(), None, 422),
    ("name is a number", "POST", MAPS, named(name=7), None, (400, 422)),
    ("bad name", "POST", MAPS, named(name="A b"), None, 422),
    ("name with a slash", "POST", MAPS, named(name="../x"), None, 422),
    ("huge name", "POST", MAPS, named(name="x" * 300), None, 422),
    ("labels are a list", "POST", MAPS, named(name="x", labels=["a"]), None, (400, 422)),
    ("label is a number", "POST", MAPS, named(name="x", labels={"a": 1}), None, (400, 422)),
    ("bad label", "POST", MAPS, named(name="x", labels={"a b": "c d"}), None, 422),
    ("owner without uid", "POST", MAPS, named(name="x", ownerReferences=[{"name": "y"}]), None, 422),
    ("finalizers are a string", "POST", MAPS, named(name="x", finalizers="f"), None, (400, 422)),
    ("data is a list", "POST", MAPS, dict(named(name="x"), data=["a"]), None, (400, 422)),
    ("data has a number", "POST", MAPS, dict(named(name="x"), data={"a": 1}), None, (400, 422)),
    ("foreign namespace", "POST", MAPS, named(name="x", namespace="kube-system"), None, 400),
    ("missing namespace", "POST", "/api/v1/namespaces/nope/configmaps", named(name="x"), None, 404),
    ("unknown field, strict", "POST", MAPS + "?fieldValidation=Strict", dict(named(name="x"), datta={}), None, (400, 422)),
    ("bad dryRun", "POST", MAPS + "?dryRun=Perhaps", named(name="x"), None, 422),
    ("bad fieldValidation", "POST", MAPS + "?fieldValidation=Loose", named(name="x"), None, 422),
    ("replicas is a string", "POST", DEPLOYMENTS, {**deployment("x"), "spec": {"replicas": "two"}}, None, (400, 422)),
    ("empty spec", "POST", DEPLOYMENTS, {**deployment("x"), "spec": {}}, None, 422),
    ("spec is null", "POST", DEPLOYMENTS, {**deployment("x"), "spec": None}, None, 422),
    ("containers is an object", "POST", DEPLOYMENTS,
     {**deployment("x"), "spec": {"template": {"spec": {"containers": {}}}}}, None, (400, 422)),
    ("put of another name", "PUT", MAPS + "/there", named(name="other"), None, 400),
    ("put of what is not there", "PUT", MAPS + "/nope", named(name="nope"), None, 404),
    ("put of a bad version", "PUT", MAPS + "/there", named(name="there", resourceVersion="abc"), None, (400, 409, 422)),
    ("put of an old version", "PUT", MAPS + "/there", named(name="there", resourceVersion="1"), None, 409),
    ("put of another uid", "PUT", MAPS + "/there", named(name="there", uid="other"), None, (409, 422)),
    ("patch without a type", "PATCH", MAPS + "/there", "{}", {}, 415),
    ("patch of a plain type", "PATCH", MAPS + "/there", "{}", JSON, 415),
    ("apply without a manager", "PATCH", MAPS + "/there", "{}", APPLY, 422),
    ("apply of a list", "PATCH", MAPS + "/there?fieldManager=x", "[]", APPLY, 400),
    ("apply of bad YAML", "PATCH", MAPS + "/there?fieldManager=x", "a: [", APPLY, 400),
    ("apply of two documents", "PATCH", MAPS + "/there?fieldManager=x", "a: 1\n---\nb: 1", APPLY, 400),
    ("apply of another name", "PATCH", MAPS + "/there?fieldManager=x", json.dumps(named(name="other")), APPLY, 400),
    ("apply with managedFields", "PATCH", MAPS + "/there?fieldManager=x",
     json.dumps(named(managedFields=[{"manager": "x"}])), APPLY, 400),
    ("apply with an unknown field, strict", "PATCH", MAPS + "/there?fieldManager=x&fieldValidation=Strict",
     json.dumps(dict(named(), datta={})), APPLY, 400),
    ("apply of an old version", "PATCH", MAPS + "/there?fieldManager=x", json.dumps(named(resourceVersion="1")), APPLY, 409),
    ("apply of a number", "PATCH", MAPS + "/there?fieldManager=x&force=true", json.dumps(dict(named(), data=7)), APPLY, 422),
    ("apply of two items with one key", "PATCH", DEPLOYMENTS + "/there?fieldManager=x&force=true",
     '{"spec":{"template":{"spec":{"containers":[{"name":"a"},{"name":"a"}]}}}}', APPLY, 400),
    ("apply to the status of what is not there", "PATCH", DEPLOYMENTS + "/nope/status?fieldManager=x", '{"status":{}}', APPLY, 404),
    ("apply of a uid that is not there", "PATCH", MAPS + "/nope?fieldManager=x", json.dumps(named(uid="u")), APPLY, 409),
    ("force without apply", "PATCH", MAPS + "/there?force=true", "{}", MERGE, 422),
    ("a manager with a long name", "PATCH", MAPS + "/there?fieldManager=" + "x" * 129, "{}", APPLY, 422),
    ("merge patch that is a list", "PATCH", MAPS + "/there", "[]", MERGE, 400),
    ("merge patch that is no JSON", "PATCH", MAPS + "/there", "{", MERGE, 400),
    ("merge patch of the name", "PATCH", MAPS + "/there", '{"metadata":{"name":"other"}}', MERGE, 400),
    ("merge patch of the namespace", "PATCH", MAPS + "/there", '{"metadata":{"namespace":"kube-system"}}', MERGE, 400),
    ("merge patch of the metadata", "PATCH", MAPS + "/there", '{"metadata":7}', MERGE, 400),
    ("merge patch of an old version", "PATCH", MAPS + "/there", '{"metadata":{"resourceVersion":"1"}}', MERGE, 409),
    ("merge patch of data", "PATCH", MAPS + "/there", '{"data":7}', MERGE, 422),
    ("JSON patch that is an object", "PATCH", MAPS + "/there", "{}", JSON_PATCH, 400),
    ("JSON patch of nothing", "PATCH", MAPS + "/there", '[{"op":"remove","path":"/data/nope"}]', JSON_PATCH, 422),
    ("JSON patch that removes all", "PATCH", MAPS + "/there", '[{"op":"replace","path":"","value":7}]', JSON_PATCH, 400),
    ("JSON patch without an operation", "PATCH", MAPS + "/there", "[7]", JSON_PATCH, 400),
    ("too many operations", "PATCH", MAPS + "/there", json.dumps([{"op": "test", "path": "/kind", "value": "ConfigMap"}] * 10001), JSON_PATCH, 413),
    ("strategic patch of a custom kind", "PATCH", "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/m", "{}", STRATEGIC, (404, 415)),
    ("strategic patch without a key", "PATCH", DEPLOYMENTS + "/there", '{"spec":{"template":{"spec":{"containers":[{}]}}}}', STRATEGIC, 400),
    ("unknown directive", "PATCH", DEPLOYMENTS + "/there", '{"spec":{"$patch":"explode"}}', STRATEGIC, 400),
    ("patch of what is not there", "PATCH", MAPS + "/nope", "{}", MERGE, 404),
    ("negative scale", "PATCH", DEPLOYMENTS + "/there/scale", '{"spec":{"replicas":-1}}', MERGE, 422),
    ("scale of text", "PATCH", DEPLOYMENTS + "/there/scale", '{"spec":{"replicas":"x"}}', MERGE, 422),
    ("scale that is a list", "PUT", DEPLOYMENTS + "/there/scale", "[]", JSON, 400),
    ("scale of a spec that is text", "PUT", DEPLOYMENTS + "/there/scale", '{"spec":"x"}', JSON, (400, 422)),
    ("delete of what is not there", "DELETE", MAPS + "/nope", None, None, 404),
    ("delete of another uid", "DELETE", MAPS + "/there", {"preconditions": {"uid": "other"}}, None, 409),
    ("delete with a bad policy", "DELETE", MAPS + "/there", {"propagationPolicy": "Sideways"}, None, 422),
    ("delete with bad grace", "DELETE", MAPS + "/there", {"gracePeriodSeconds": -1}, None, 400),
    ("delete with a broken body", "DELETE", MAPS + "/there", "{", JSON, 400),
    ("bad label selector", "GET", MAPS + "?labelSelector=a%20b%20c", None, None, 400),
    ("bad field selector", "GET", MAPS + "?fieldSelector=nothing", None, None, 400),
    ("unknown field selector", "GET", MAPS + "?fieldSelector=data.x%3D1", None, None, 400),
    ("huge selector", "GET", MAPS + "?labelSelector=" + "a," * 9000, None, None, 400),
    ("bad limit", "GET", MAPS + "?limit=few", None, None, 400),
    ("bad continue", "GET", MAPS + "?continue=%00%ff", None, None, 400),
    ("bad version", "GET", MAPS + "?resourceVersion=abc", None, None, 400),
    ("version of the future", "GET", MAPS + "?resourceVersion=999999999", None, None, 504),
    ("bad escape in the query", "GET", MAPS + "?labelSelector=%zz", None, None, 400),
    ("bad watch", "GET", MAPS + "?watch=1&timeoutSeconds=x", None, None, 400),
    ("watch list without a match", "GET", MAPS + "?watch=1&sendInitialEvents=true", None, None, 422),
    ("only protobuf accepted", "GET", MAPS, None, {"Accept": "application/vnd.kubernetes.protobuf"}, 406),
    ("unknown resource", "GET", "/api/v1/unicorns", None, None, 404),
    ("unknown subresource", "GET", MAPS + "/there/nope", None, None, 404),
    ("post to all namespaces", "POST", "/api/v1/configmaps", named(name="x"), None, 405),
    ("put of a collection", "PUT", MAPS, named(name="x"), None, 405),
    ("dots in the path", "GET", "/api/v1/namespaces/../../etc", None, None, 404),
    ("an encoded slash in a name", "GET", MAPS + "/a%2Fb", None, None, 404),
    ("a NUL in a name", "GET", MAPS + "/a%00b", None, None, (400, 404)),
    ("exec into what is not there", "POST", "/api/v1/namespaces/default/pods/p/exec", None, None, 404),
    ("log of no pod", "GET", "/api/v1/namespaces/default/pods/nope/log", None, None, 404),
    ("review that is no object", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "[]", JSON, 400),
    ("review of another kind", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"kind": "Pod"}, None, 400),
]


@pytest.fixture(scope="module", autouse=True)
def there(kubectl):
    kubectl.apply(config_map("there", a="1"), deployment("there"))


@pytest.mark.parametrize("method,path,body,headers,status", [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_refused(raw, method, path, body, headers, status):
    got, answer, _ = raw(method, path, body, headers)
    assert got in (status if isinstance(status, tuple) else (status,)), answer
    assert isinstance(answer, dict) and answer["kind"] == "Status" and answer["code"] == got, answer
    assert answer["message"] and answer["status"] == "Failure"


def test_a_body_that_is_too_large(raw):
    status, answer, _ = raw("POST", MAPS, json.dumps(config_map("big", x="y" * (4 << 20))), JSON)
    assert status == 413 and answer["reason"] == "RequestEntityTooLarge", answer


def test_what_was_refused_left_nothing_behind(raw):
    _, maps, _ = raw("GET", MAPS + "?fieldSelector=metadata.name!%3Dkube-root-ca.crt")
    assert [m["metadata"]["name"] for m in maps["items"]] == ["there"]
    assert maps["items"][0]["data"] == {"a": "1"}


def test_several_mistakes_are_all_named(raw):
    bad = deployment("many")
    bad["spec"]["replicas"] = -1
    bad["spec"]["template"]["spec"]["containers"] = [{"name": "Bad Name", "image": "x", "ports": [{"containerPort": 99999}]}]
    status, answer, _ = raw("POST", DEPLOYMENTS, bad)
    fields = {cause["field"] for cause in answer["details"]["causes"]}
    assert status == 422
    assert "spec.replicas" in fields
    assert any(field.startswith("spec.template.spec.containers[0]") for field in fields), fields


def test_warnings_come_as_headers(raw):
    status, _, headers = raw("POST", MAPS + "?dryRun=All&fieldValidation=Warn", dict(named(name="w"), datta={"a": "b"}))
    assert status == 201
    assert headers["Warning"] == '299 - "unknown field \\"datta\\""'


def test_keys_that_come_twice_are_told(raw):
    body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"twice"},"data":{"a":"1","a":"2"},"more":1}'
    status, answer, _ = raw("POST", MAPS + "?dryRun=All&fieldValidation=Strict", body, JSON)
    assert status == 400
    assert 'strict decoding error: duplicate field "data.a", unknown field "more"' in answer["message"]
    status, answer, headers = raw("POST", MAPS + "?dryRun=All", body, JSON)
    assert status == 201 and answer["data"] == {"a": "2"}
    assert headers.get_all("Warning") == ['299 - "duplicate field \\"data.a\\""', '299 - "unknown field \\"more\\""']
    status, _, headers = raw("POST", MAPS + "?dryRun=All&fieldValidation=Ignore", body, JSON)
    assert status == 201 and headers.get_all("Warning") is None

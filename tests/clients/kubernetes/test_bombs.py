"""Bodies made to cost much: each is refused, and costs the server less than 50 ms of a processor (measured as such, so that a
busy machine does not matter)."""
import json
import os
from pathlib import Path

import pytest
from objects import config_map, deployment

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
TRIES = 4
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
JSON, YAML = {"Content-Type": "application/json"}, {"Content-Type": "application/yaml"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
MB = 1 << 20


def doubled(first, letters="abcdefghijkl"):
    """YAML of a few hundred bytes that means nine to the power of its letters."""
    return f"a: &a [{first}]\n" + "".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip(letters, letters[1:]))


def containers(count, name):
    return json.dumps({"spec": {"template": {"spec": {"containers": [{"name": name(i)} for i in range(count)]}}}})


def managed(fields):
    return json.dumps(dict(config_map("there", a="1"), metadata={"name": "there", "managedFields": [
        {"manager": "x", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields}], "resourceVersion": "1"}))


BOMBS = {
    "deep JSON": ("POST", MAPS, "[" * 100_000 + "]" * 100_000, JSON),
    "deep JSON objects": ("POST", MAPS, '{"a":' * 100_000 + "1" + "}" * 100_000, JSON),
    "many values": ("POST", MAPS, "[" + "1," * 700_000 + "1]", JSON),
    "many keys that are the same": ("POST", MAPS + "?fieldValidation=Strict", "{" + '"a":1,' * 190_000 + '"a":1}', JSON),
    "YAML aliases": ("POST", MAPS, doubled("x"), YAML),
    "YAML aliases in an apply": ("PATCH", MAPS + "/there?fieldManager=x", doubled("x"), APPLY),
    "deep YAML": ("POST", MAPS, "[" * 20_000, YAML),
    "deep YAML in an apply": ("PATCH", MAPS + "/there?fieldManager=x", "{a: " * 20_000, APPLY),
    "a body that is too large": ("POST", MAPS, json.dumps(config_map("big", x="y" * (4 * MB))), JSON),
    "deep protobuf": ("POST", MAPS, b"k8s\0" + b"\x0a\x80\x80\x01" * 1000, {"Content-Type": "application/vnd.kubernetes.protobuf"}),
    "an apply of one item many times": ("PATCH", DEPLOYMENTS + "/there?fieldManager=x", containers(30_000, lambda i: "same"), APPLY),
    "a strategic patch of many items": ("PATCH", DEPLOYMENTS + "/there", containers(30_000, lambda i: f"c{i}"), STRATEGIC),
    "copies of copies": ("PATCH", MAPS + "/there", json.dumps(
        [{"op": "add", "path": "/data", "value": {"a": "x" * 1000}}] +
        [{"op": "copy", "from": "/data", "path": f"/data/c{i}"} for i in range(40)]), JSON_PATCH),
    "deep managedFields": ("PUT", MAPS + "/there", managed(json.loads('{"f:a":' * 55 + "{}" + "}" * 55)), JSON),
    "wide managedFields": ("PUT", MAPS + "/there", managed({f"f:{i}": {} for i in range(20_000)}), JSON),
    "a long selector": ("GET", MAPS + "?labelSelector=" + "a," * 4000, None, None),
    "a deep field": ("POST", DEPLOYMENTS, json.dumps(dict(deployment("x"), spec=json.loads('{"template":' * 55 + "1" + "}" * 55))), JSON),
}


@pytest.fixture(scope="module", autouse=True)
def there(kubectl):
    kubectl.apply(config_map("there", a="1"), deployment("there"))


def processor_ms(server):
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_MS


@pytest.mark.parametrize("name", BOMBS)
def test_bomb(server, raw, name):
    method, path, body, headers = BOMBS[name]
    before = processor_ms(server)
    for _ in range(TRIES):
        status, answer, _ = raw(method, path, body, headers)
        assert 400 <= status < 500, answer
        assert answer["kind"] == "Status" and answer["message"], answer
        assert len(json.dumps(answer)) < 200_000
    # One tick of the clock may belong to something else.
    assert (processor_ms(server) - before - TICK_MS) / TRIES < 50

"""kubectl top, new and old: what Pods that burn and hold something use, and the machine."""
import json
import time

import pytest
from modelkit import KUBECTL
from objects import deployment
from test_pods import PYTHON, pod, until

OLD = KUBECTL.with_name("kubectl-1.20")
BURN = f"exec {PYTHON} -c 'x = bytearray(96 << 20)\nwhile True: pass'"
HOLD = f"exec {PYTHON} -c 'import time\nx = bytearray(32 << 20)\ntime.sleep(3600)'"


@pytest.fixture(scope="module")
def world(server, kubectl):
    server.run("image", "map", "tools", "env")
    kubectl("create", "namespace", "busy")
    burning = pod("burns", BURN, container={"resources": {"limits": {"cpu": "1"}}})
    burning["metadata"] |= {"namespace": "busy", "labels": {"a": "b"}}
    burning["spec"]["containers"].append({"name": "side", "image": "tools:1", "command": ["sh", "-c", HOLD]})
    kubectl.apply(burning, pod("holds", HOLD), deployment("none", "busy", replicas=0))
    kubectl("wait", "pod/burns", "-n", "busy", "--for=condition=Ready", "--timeout=60s")
    kubectl("wait", "pod/holds", "--for=condition=Ready", "--timeout=60s")
    return server, kubectl


def millicores(word):
    assert word.endswith("m")
    return int(word[:-1])


def mebibytes(word):
    assert word.endswith("Mi")
    return int(word[:-2])


def rows(text):
    lines = [line.split() for line in text.splitlines()]
    return lines[0], lines[1:]


@pytest.fixture(params=["new", "old"])
def top(request, world, kubectl_for, tmp_path):
    if request.param == "old" and not OLD.exists():
        pytest.skip("./x setup has not unpacked kubectl 1.20 here")
    caller = kubectl_for(world[0], tmp_path, KUBECTL if request.param == "new" else OLD)
    return lambda *words: caller("top", *words)


def test_pods(top):
    def burns():
        head, found = rows(top("pods", "-n", "busy"))
        assert head[:3] == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
        return found and found[0][0] == "burns" and millicores(found[0][1]) > 20 and mebibytes(found[0][2]) >= 128
    assert until(burns, 60)
    head, found = rows(top("pods", "-n", "busy", "--containers"))
    by_container = {row[1]: (millicores(row[2]), mebibytes(row[3])) for row in found}
    assert head[:2] == ["POD", "NAME"] and set(by_container) == {"main", "side"}
    assert 96 <= by_container["main"][1] < 200 and 32 <= by_container["side"][1] < 96
    assert by_container["main"][0] > by_container["side"][0]
    names = {tuple(row[:2]) for row in rows(top("pods", "-A"))[1]}
    assert {("busy", "burns"), ("default", "holds")} <= names
    assert len(rows(top("pods", "-A", "-l", "a=b"))[1]) == 1
    assert rows(top("pod", "holds"))[1][0][0] == "holds"


def test_nodes(top, world):
    _, kubectl = world
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    head, found = rows(top("nodes"))
    assert head[0] == "NAME" and [row[0] for row in found] == [node]
    assert millicores(found[0][1]) > 0 and mebibytes(found[0][3]) > 128
    assert 0 < int(found[0][4].rstrip("%")) <= 100
    assert rows(top("node", node))[1][0][0] == node


def test_what_the_figures_are(world):
    """A mean over the time that is said: while one core burns, about one core at most, and no more memory than there is."""
    _, kubectl = world
    assert "metrics.k8s.io/v1beta1" in kubectl("api-versions")
    listed = kubectl("api-resources", "--api-group=metrics.k8s.io")
    assert "PodMetrics" in listed and "NodeMetrics" in listed

    def asked():
        return json.loads(kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/busy/pods/burns"))
    first = asked()
    assert first["kind"] == "PodMetrics" and first["metadata"]["labels"] == {"a": "b"} and first["window"].endswith("s")
    time.sleep(1)  # a window that is long enough for the kernel's clock ticks
    usage = next(c["usage"] for c in asked()["containers"] if c["name"] == "main")
    assert 0 < int(usage["cpu"].removesuffix("n")) < 1.3e9
    nodes = json.loads(kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"))
    assert nodes["kind"] == "NodeMetricsList" and len(nodes["items"]) == 1


def test_what_does_not_run(world):
    _, kubectl = world
    assert "NotFound" in kubectl.refused("top", "pod", "nobody")
    assert "NotFound" in kubectl.refused("top", "node", "nobody")
    assert 'podmetrics.metrics.k8s.io "default/nobody" not found' in kubectl.refused(
        "get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/nobody")
    assert "No resources found in kube-system namespace." in kubectl.run("top", "pods", "-n", "kube-system")[2]
    assert "cannot be watched" in kubectl.refused("get", "--raw", "/apis/metrics.k8s.io/v1beta1/pods?watch=true")


def test_who_may_ask(world, tmp_path):
    server, kubectl = world
    server.run("user", "add", "tess")
    kubectl("create", "rolebinding", "tess", "--clusterrole=view", "--user=tess", "-n", "busy")
    assert "burns" in kubectl("top", "pods", "-n", "busy", "--as=tess")
    for words in (["pods"], ["pods", "-A"], ["nodes"], ["pod", "holds"], ["pod", "nobody"]):
        assert "Forbidden" in kubectl.refused("top", *words, "--as=tess")
    mine = json.loads(kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/pods?visible=true", "--as=tess"))
    assert [item["metadata"]["name"] for item in mine["items"]] == ["burns"]

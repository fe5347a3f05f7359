"""kubectl 1.20.2 as Debian 12 has it: no aggregated discovery, no OpenAPI v3, and v2 as protobuf only."""
import json
import time

import conftest
import pytest
from objects import OURS, config_map, deployment, inference_service

OLD = conftest.KUBECTL.with_name("kubectl-1.20")
pytestmark = pytest.mark.skipif(not OLD.exists(), reason="./x setup has not unpacked kubectl 1.20 here")


@pytest.fixture(scope="module")
def kubectl(server, tmp_path_factory):
    return conftest.Kubectl(server, tmp_path_factory.mktemp("home"), OLD)


def test_apply_in_both_ways(kubectl, space):
    objects = [config_map("a", space, x="1"), deployment("web", space, replicas=0), inference_service("m", space)]
    made = kubectl.apply(*objects)
    assert made.count("created") == 3
    assert kubectl.apply(*objects).count("unchanged") == 3
    objects[1]["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    assert "configured (server dry run)" in kubectl.apply(objects[1], dry_run="server")
    assert "deployment.apps/web configured" in kubectl.apply(*objects)
    code, difference, _ = kubectl.run("diff", "-f", "-", input=json.dumps(config_map("a", space, x="2")))
    assert code == 1 and '\n+  x: "2"' in difference
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", input=json.dumps(config_map("b", space, x="1")))


def test_checks_before_it_sends(kubectl, space):
    bad = deployment("web", space)
    bad["spec"]["repliccas"] = 1
    assert 'unknown field "repliccas"' in kubectl.refused("apply", "-f", "-", input=json.dumps(bad))


def test_explains(kubectl):
    assert "KIND:     Deployment" in kubectl("explain", "deployments.spec.template.spec.containers")
    assert "storageUri" in kubectl("explain", "isvc.spec.predictor", "--recursive")


def test_reads_waits_deletes(kubectl, space):
    kubectl.apply(deployment("web", space, replicas=0), config_map("a", space))
    assert kubectl("get", "deploy,cm", "-n", space, "-o", "name", OURS).split() == ["deployment.apps/web", "configmap/a"]
    assert "web" in kubectl("get", "deploy", "-n", space)
    assert "Name:" in kubectl("describe", "deploy", "web", "-n", space)
    kubectl("label", "cm", "a", "-n", space, "l=1")
    kubectl("scale", "deploy/web", "-n", space, "--replicas=1")
    kubectl("patch", "deploy", "web", "-n", space, "-p", '{"spec":{"replicas":0}}')
    kubectl("create", "configmap", "c", "-n", space, "--from-literal=a=1")
    waiting = kubectl.start("wait", "--for=delete", "cm/c", "-n", space, "--timeout=20s")
    time.sleep(0.5)  # it must have seen the object
    kubectl("delete", "cm", "c", "-n", space)
    assert waiting.wait(timeout=20) == 0
    assert kubectl("delete", "deploy", "web", "-n", space) == 'deployment.apps "web" deleted\n'
    assert kubectl("auth", "can-i", "create", "pods").strip() == "yes"

"""kubectl's generators of objects, and patches of every kind on every part."""
import base64
import json
import subprocess

import pytest
from objects import config_map, deployment, inference_service


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                    "-out", cert, "-subj", "/CN=test", "-days", "1"], check=True, capture_output=True)
    return key, cert


def test_secrets(kubectl, space, certificate):
    key, cert = certificate
    kubectl("create", "secret", "tls", "t", "-n", space, f"--key={key}", f"--cert={cert}")
    made = kubectl.json("get", "secret", "t", "-n", space)
    assert made["type"] == "kubernetes.io/tls" and base64.b64decode(made["data"]["tls.crt"]) == cert.read_bytes()
    kubectl("create", "secret", "docker-registry", "d", "-n", space, "--docker-username=u", "--docker-password=p")
    made = kubectl.json("get", "secret", "d", "-n", space)
    assert made["type"] == "kubernetes.io/dockerconfigjson" and list(made["data"]) == [".dockerconfigjson"]
    kubectl("create", "secret", "generic", "g", "-n", space, f"--from-file=key={key}", "--type=example.com/x")
    assert kubectl.json("get", "secret", "g", "-n", space)["type"] == "example.com/x"


def test_services(kubectl, space):
    kubectl("create", "service", "nodeport", "n", "-n", space, "--tcp=80:8080")
    kubectl("create", "service", "loadbalancer", "l", "-n", space, "--tcp=80:8080")
    kubectl("create", "service", "externalname", "e", "-n", space, "--external-name=example.com")
    found = {s["metadata"]["name"]: s["spec"] for s in kubectl.json("get", "svc", "-n", space)["items"]}
    assert {name: spec["type"] for name, spec in found.items()} == {"n": "NodePort", "l": "LoadBalancer", "e": "ExternalName"}
    assert found["e"]["externalName"] == "example.com"
    kubectl.apply(deployment("web", space, replicas=0))
    kubectl("expose", "deployment", "web", "-n", space, "--port=80", "--target-port=8080", "--name=exposed")
    assert kubectl.json("get", "svc", "exposed", "-n", space)["spec"]["selector"] == {"app": "web"}


def test_a_dry_run_says_what_would_be(kubectl, space):
    text = kubectl("create", "deployment", "d", "-n", space, "--image=nginx:1", "--dry-run=server", "-o", "yaml")
    assert "revisionHistoryLimit: 10" in text and "uid:" in text
    assert kubectl("get", "deploy", "-n", space, "-o", "name") == ""


def test_patches_of_the_status(kubectl, space):
    kubectl.apply(deployment("x", space), inference_service("m", space))
    at = ("patch", "deployment", "x", "-n", space, "--subresource=status")

    def conditions():
        return kubectl.json("get", "deployment", "x", "-n", space, "--subresource=status")["status"]["conditions"]

    def tested():
        return next(c for c in conditions() if c["type"] == "Tested")

    kubectl(*at, "-p", json.dumps({"status": {"conditions": [{"type": "Tested", "status": "True"}]},
                                   "metadata": {"labels": {"no": "way"}}}))
    assert tested()["status"] == "True"
    assert "no" not in kubectl.json("get", "deployment", "x", "-n", space)["metadata"]["labels"]
    kubectl(*at, "-p", json.dumps({"status": {"conditions": [{"type": "Tested", "reason": "Because"}]}}))
    assert (tested()["status"], tested()["reason"]) == ("True", "Because")
    place = [c["type"] for c in conditions()].index("Tested")
    kubectl(*at, "--type=json", "-p", json.dumps([
        {"op": "test", "path": f"/status/conditions/{place}/type", "value": "Tested"},
        {"op": "replace", "path": f"/status/conditions/{place}/status", "value": "False"}]))
    assert tested()["status"] == "False"
    kubectl(*at, "--type=merge", "-p", json.dumps({"status": {"collisionCount": 3}}))
    assert kubectl.json("get", "deployment", "x", "-n", space)["status"]["collisionCount"] == 3
    assert "application/strategic-merge-patch+json is not supported by serving.kserve.io/v1beta1" in kubectl.refused(
        "patch", "isvc", "m", "-n", space, "--subresource=status", "--type=strategic", "-p", "{}")


def test_scale_by_every_patch(kubectl, space):
    kubectl.apply(deployment("x", space))
    at = ("patch", "deployment", "x", "-n", space, "--subresource=scale")
    for kind, patch, replicas in (("merge", {"spec": {"replicas": 3}}, 3), ("strategic", {"spec": {"replicas": 4}}, 4),
                                  ("json", [{"op": "replace", "path": "/spec/replicas", "value": 5}], 5)):
        kubectl(*at, f"--type={kind}", "-p", json.dumps(patch))
        assert kubectl.json("get", "deploy", "x", "-n", space)["spec"]["replicas"] == replicas


def test_scale_by_apply(kubectl, space, raw):
    kubectl.apply(deployment("x", space))
    path = f"/apis/apps/v1/namespaces/{space}/deployments/x/scale?fieldManager=scaler"
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "x"}, "spec": {"replicas": 6}}
    headers = {"Content-Type": "application/apply-patch+yaml"}
    assert raw("PATCH", path, json.dumps(scale), headers)[0] == 409
    status, answer, _ = raw("PATCH", path + "&force=true", json.dumps(scale), headers)
    assert (status, answer["kind"], answer["spec"]["replicas"]) == (200, "Scale", 6)


def test_rollout_is_paused_and_restarted(kubectl, space):
    wanted = deployment("web", space, replicas=0)
    wanted["spec"]["paused"] = False
    kubectl.apply(wanted)
    assert "paused" in kubectl("rollout", "pause", "deploy/web", "-n", space)
    assert "already paused" in kubectl.refused("rollout", "pause", "deploy/web", "-n", space)
    assert "resumed" in kubectl("rollout", "resume", "deploy/web", "-n", space)
    kubectl("rollout", "restart", "deploy/web", "-n", space)
    template = kubectl.json("get", "deploy", "web", "-n", space)["spec"]["template"]
    assert "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"]


def test_explains_everything(kubectl):
    kinds = {line.split()[0] for line in kubectl("api-resources", "--no-headers", "--verbs=list", "-o", "name").splitlines()}
    assert len(kinds) > 10
    for kind in sorted(kinds):
        if kind in ("events.events.k8s.io", "nodes.metrics.k8s.io", "pods.metrics.k8s.io"):
            continue  # kubectl takes what follows the first word for fields of the kind of that name in v1
        text = kubectl("explain", kind, "--recursive")
        assert "FIELDS:" in text and "metadata" in text, kind


def test_a_list_is_applied_and_edited_at_once(kubectl, space):
    kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": [
        config_map("a", space, x="1"), config_map("b", space, x="1")]}))
    kubectl("label", "cm", "a", "b", "-n", space, "tier=front")
    assert kubectl("get", "cm", "-n", space, "-l", "tier=front", "-o", "name").split() == ["configmap/a", "configmap/b"]
    kubectl("annotate", "cm", "-l", "tier=front", "-n", space, "note=1", "--overwrite")
    assert kubectl.json("get", "cm", "b", "-n", space)["metadata"]["annotations"]["note"] == "1"

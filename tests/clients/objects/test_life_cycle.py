"""How objects are refused, live and end, seen through unmodified kubectl and the Python client."""
import json
import subprocess
import time
from pathlib import Path

import pytest
from kubernetes import client, config

KUBECTL = Path(__file__).resolve().parents[3] / ".venv/bin/kubectl"


@pytest.fixture(scope="module")
def kubectl(server):
    def run(*words, text=None, check=True):
        done = subprocess.run([KUBECTL, "--kubeconfig", server.kubeconfig, *words], input=text, capture_output=True, text=True,
                              timeout=60)
        if check:
            assert done.returncode == 0, done.stderr
            return done.stdout
        return done

    return run


@pytest.fixture(scope="module")
def core(server):
    return client.CoreV1Api(config.new_client_from_config(str(server.kubeconfig)))


def until(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


REFUSED = [
    # (what is applied, the sentence that kubectl shows)
    ({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
      "spec": {"replicas": -1, "selector": {"matchLabels": {"a": "b"}},
               "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}},
     'The Deployment "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'),
    ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
      "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 70000}],
                               "volumeMounts": [{"name": "v", "mountPath": "/v"}]}], "restartPolicy": "Sometimes"}},
     'Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'),
    ({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "s"},
      "spec": {"predictor": {"minReplicas": 1}}},
     "spec.predictor: Required value: one of model or containers is needed"),
    ({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "s"},
      "spec": {"predictor": {"model": {"modelFormat": {"name": "onnx"}, "storageUrl": "models:/a/1"}}}},
     'strict decoding error: unknown field "spec.predictor.model.storageUrl"'),
    ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "Bad_Name"}},
     "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters"),
    ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "nowhere"}}, 'namespaces "nowhere" not found'),
]


@pytest.mark.parametrize("manifest,sentence", REFUSED)
def test_refusals_name_the_field(kubectl, manifest, sentence):
    done = kubectl("apply", "-f", "-", text=json.dumps(manifest), check=False)
    assert done.returncode == 1
    assert sentence in done.stderr


def test_a_namespace_takes_its_content_along(kubectl, core):
    kubectl("create", "namespace", "team")
    for i in range(20):
        core.create_namespaced_config_map("team", {"metadata": {"generateName": "c-"}, "data": {"i": str(i)}})
    assert len([c for c in core.list_namespaced_config_map("team").items if c.metadata.name.startswith("c-")]) == 20
    kubectl("delete", "namespace", "team", "--timeout=20s")
    assert core.list_namespaced_config_map("team").items == []
    assert "NotFound" in kubectl("get", "namespace", "team", check=False).stderr
    assert "may not be deleted" in kubectl("delete", "namespace", "default", check=False).stderr


def test_a_namespace_says_why_it_does_not_end(kubectl, core):
    kubectl("create", "namespace", "stuck")
    core.create_namespaced_config_map("stuck", {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
    kubectl("delete", "namespace", "stuck", "--wait=false")

    def conditions():
        return {c.type: c for c in core.read_namespace("stuck").status.conditions or []}

    until(lambda: "NamespaceFinalizersRemaining" in conditions())
    assert core.read_namespace("stuck").status.phase == "Terminating"
    assert "configmaps has 1 resource instances" in conditions()["NamespaceContentRemaining"].message
    assert "example.com/hold in 1" in conditions()["NamespaceFinalizersRemaining"].message
    assert "being terminated" in kubectl("create", "configmap", "late", "-n", "stuck", check=False).stderr
    core.patch_namespaced_config_map("held", "stuck", {"metadata": {"finalizers": None}})
    kubectl("wait", "--for=delete", "namespace/stuck", "--timeout=20s")


@pytest.mark.parametrize("how", ["background", "foreground", "orphan"])
def test_owners_take_what_they_own_along(kubectl, core, how):
    owner = core.create_namespaced_config_map("default", {"metadata": {"name": f"owner-{how}"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner.metadata.name, "uid": owner.metadata.uid,
                 "blockOwnerDeletion": True}
    name = f"owned-{how}"
    core.create_namespaced_config_map("default", {"metadata": {"name": name, "ownerReferences": [reference]}})
    kubectl("delete", "configmap", owner.metadata.name, f"--cascade={how}", "--timeout=20s")

    def names():
        return {c.metadata.name for c in core.list_namespaced_config_map("default").items}

    until(lambda: owner.metadata.name not in names())
    if how == "orphan":
        assert core.read_namespaced_config_map(name, "default").metadata.owner_references is None
    else:
        until(lambda: name not in names())


def test_finalizers_hold_a_deletion_back(kubectl, core):
    core.create_namespaced_config_map("default", {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
    kubectl("delete", "configmap", "held", "--wait=false")
    held = core.read_namespaced_config_map("held", "default")
    assert held.metadata.deletion_timestamp is not None
    core.patch_namespaced_config_map("held", "default", {"metadata": {"finalizers": None}})
    assert "NotFound" in kubectl("get", "configmap", "held", check=False).stderr


def test_a_stale_version_is_a_conflict(core):
    made = core.create_namespaced_config_map("default", {"metadata": {"name": "versions"}, "data": {"a": "1"}})
    core.patch_namespaced_config_map("versions", "default", {"data": {"a": "2"}})
    made.data = {"a": "3"}
    with pytest.raises(client.ApiException) as refused:
        core.replace_namespaced_config_map("versions", "default", made)
    assert refused.value.status == 409
    assert "the object has been modified" in refused.value.body
    assert core.read_namespaced_config_map("versions", "default").data == {"a": "2"}


def test_what_was_acknowledged_survives_a_kill(make_server):
    server = make_server()
    core = client.CoreV1Api(config.new_client_from_config(str(server.kubeconfig)))
    uids = [core.create_namespaced_config_map("default", {"metadata": {"name": f"c{i}"}}).metadata.uid for i in range(50)]
    server.kill()
    server.start()
    core = client.CoreV1Api(config.new_client_from_config(str(server.kubeconfig)))
    assert [core.read_namespaced_config_map(f"c{i}", "default").metadata.uid for i in range(50)] == uids

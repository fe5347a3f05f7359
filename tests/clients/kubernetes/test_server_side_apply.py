"""Server-side apply and metadata.managedFields, as kubectl 1.37 and the Python client use them."""
import json

import pytest
from kubernetes import client, dynamic
from objects import config_map, deployment, inference_service


def apply(kubectl, obj, *words):
    return kubectl("apply", "--server-side", "-f", "-", *words, input=json.dumps(obj))


def managers(kubectl, kind, name, space):
    found = kubectl.json("get", kind, name, "-n", space, "--show-managed-fields")
    return {(m["operation"], m["manager"]): m for m in found["metadata"].get("managedFields", [])}


@pytest.mark.parametrize("make", [config_map, deployment, inference_service], ids=["configmap", "deployment", "isvc"])
def test_makes_and_keeps(kubectl, space, make):
    wanted = make("web", space)
    assert "serverside-applied (server dry run)" in apply(kubectl, wanted, "--dry-run=server")
    assert "not found" in kubectl.refused("get", wanted["kind"], "web", "-n", space)
    assert "serverside-applied" in apply(kubectl, wanted)
    before = kubectl.json("get", wanted["kind"], "web", "-n", space)
    assert kubectl.run("diff", "--server-side", "-f", "-", input=json.dumps(wanted))[0] == 0
    apply(kubectl, wanted)
    after = kubectl.json("get", wanted["kind"], "web", "-n", space)
    assert after["metadata"].get("generation") == before["metadata"].get("generation")
    applied, *others = managers(kubectl, wanted["kind"], "web", space)
    assert applied == ("Apply", "kubectl") and others in ([], [("Update", "controller-manager")])


def test_fields_that_are_given_up_go(kubectl, space):
    wanted = deployment("web", space)
    container = wanted["spec"]["template"]["spec"]["containers"][0]
    container["env"].append({"name": "B", "value": "2"})
    apply(kubectl, wanted)
    kubectl("set", "env", "deploy/web", "-n", space, "C=3", "--field-manager=somebody")
    container["env"] = [{"name": "B", "value": "4"}]
    del container["ports"]
    apply(kubectl, wanted)
    found = kubectl.json("get", "deploy", "web", "-n", space)["spec"]["template"]["spec"]["containers"][0]
    assert {e["name"]: e["value"] for e in found["env"]} == {"B": "4", "C": "3"}
    assert "ports" not in found
    wanted["spec"].pop("replicas")
    apply(kubectl, wanted)
    assert kubectl.json("get", "deploy", "web", "-n", space)["spec"]["replicas"] == 1  # the default again


def test_conflicts(kubectl, space, raw):
    apply(kubectl, deployment("web", space))
    kubectl("scale", "deploy/web", "-n", space, "--replicas=5")
    changed = deployment("web", space, replicas=3)
    error = kubectl.refused("apply", "--server-side", "-f", "-", input=json.dumps(changed))
    assert 'conflict with "kubectl" with subresource "scale" using' in error and ".spec.replicas" in error, error
    assert "--force-conflicts" in error
    path = f"/apis/apps/v1/namespaces/{space}/deployments/web?fieldManager=other"
    status, answer, _ = raw("PATCH", path, json.dumps({"spec": {"paused": False, "replicas": 9}}),
                            {"Content-Type": "application/apply-patch+yaml"})
    assert (status, answer["reason"]) == (409, "Conflict")
    causes = {c["field"]: (c["reason"], c["message"]) for c in answer["details"]["causes"]}
    assert causes[".spec.paused"] == ("FieldManagerConflict", 'conflict with "kubectl"')
    assert answer["message"].startswith("Apply failed with 2 conflicts: conflicts with")
    assert kubectl.json("get", "deploy", "web", "-n", space)["spec"]["replicas"] == 5
    apply(kubectl, changed, "--force-conflicts")
    assert kubectl.json("get", "deploy", "web", "-n", space)["spec"]["replicas"] == 3


def test_two_appliers_share(kubectl, space):
    wanted = config_map("shared", space, a="1", b="2")
    apply(kubectl, wanted, "--field-manager=one")
    apply(kubectl, config_map("shared", space, b="2", c="3"), "--field-manager=two")
    apply(kubectl, config_map("shared", space, a="1"), "--field-manager=one")
    assert kubectl.json("get", "cm", "shared", "-n", space)["data"] == {"a": "1", "b": "2", "c": "3"}
    apply(kubectl, config_map("shared", space, c="3"), "--field-manager=two")
    assert kubectl.json("get", "cm", "shared", "-n", space)["data"] == {"a": "1", "c": "3"}


def test_after_client_side_apply(kubectl, space):
    """kubectl moves what client-side apply managed to the server-side manager, and both ways keep working."""
    wanted = deployment("web", space)
    kubectl.apply(wanted)
    assert ("Update", "kubectl-client-side-apply") in managers(kubectl, "deploy", "web", space)
    wanted["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    wanted["spec"]["template"]["spec"]["containers"][0].pop("ports")
    apply(kubectl, wanted)
    found = managers(kubectl, "deploy", "web", space)
    assert ("Update", "kubectl-client-side-apply") not in found and ("Apply", "kubectl") in found
    live = kubectl.json("get", "deploy", "web", "-n", space)
    container = live["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "nginx:2" and "ports" not in container
    assert "nginx:2" in live["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    wanted["spec"]["replicas"] = 7
    assert "configured" in kubectl.apply(wanted)
    assert kubectl.json("get", "deploy", "web", "-n", space)["spec"]["replicas"] == 7


def test_every_write_is_recorded(kubectl, space, raw):
    kubectl("create", "configmap", "c", "-n", space, "--from-literal=a=1")
    kubectl("label", "cm", "c", "-n", space, "l=1")
    kubectl("patch", "cm", "c", "-n", space, "--type=merge", "-p", '{"data":{"b":"2"}}')
    found = managers(kubectl, "cm", "c", space)
    assert found["Update", "kubectl-create"]["fieldsV1"] == {"f:data": {".": {}, "f:a": {}}}
    assert found["Update", "kubectl-label"]["fieldsV1"] == {"f:metadata": {"f:labels": {".": {}, "f:l": {}}}}
    assert found["Update", "kubectl-patch"]["fieldsV1"] == {"f:data": {"f:b": {}}}
    path = f"/api/v1/namespaces/{space}/configmaps/c"
    raw("PATCH", path, '{"data":{"a":"3"}}', {"Content-Type": "application/merge-patch+json", "User-Agent": "robot/2 (x)"})
    found = managers(kubectl, "cm", "c", space)
    assert found["Update", "robot"]["fieldsV1"] == {"f:data": {"f:a": {}}}
    assert found["Update", "kubectl-create"]["fieldsV1"] == {"f:data": {}}
    assert all(m["apiVersion"] == "v1" and m["fieldsType"] == "FieldsV1" and m["time"] for m in found.values())


def test_status_has_managers_of_its_own(kubectl, space):
    apply(kubectl, deployment("web", space))
    status = {"status": {"conditions": [{"type": "Tested", "status": "True"}]}}
    kubectl("patch", "deploy", "web", "-n", space, "--subresource=status", "--type=merge", "-p", json.dumps(status))
    entry = managers(kubectl, "deploy", "web", space)["Update", "kubectl-patch"]
    assert entry["subresource"] == "status" and list(entry["fieldsV1"]) == ["f:status"]


def test_managed_fields_can_be_reset(kubectl, space):
    apply(kubectl, config_map("c", space, a="1"))
    reset = '{"metadata":{"managedFields":[{}]}}'
    kubectl("patch", "cm", "c", "-n", space, "--type=merge", "-p", reset)
    assert managers(kubectl, "cm", "c", space) == {}
    kubectl("label", "cm", "c", "-n", space, "l=1")
    assert managers(kubectl, "cm", "c", space) == {}
    error = kubectl.refused("apply", "--server-side", "-f", "-", input=json.dumps(config_map("c", space, a="2")))
    assert 'conflict with "before-first-apply" using v1: .data.a' in error
    apply(kubectl, config_map("c", space, a="1"))
    assert set(managers(kubectl, "cm", "c", space)) == {("Apply", "kubectl"), ("Update", "before-first-apply")}


def test_edit_and_replace_keep_the_managers(kubectl, space, tmp_path):
    apply(kubectl, config_map("c", space, a="1"))
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/a: \\"1\\"/a: \\"2\\"/" "$1"\n')
    editor.chmod(0o755)
    kubectl("edit", "cm", "c", "-n", space, env={"KUBE_EDITOR": str(editor)})
    assert managers(kubectl, "cm", "c", space)["Update", "kubectl-edit"]["fieldsV1"] == {"f:data": {"f:a": {}}}
    kubectl("replace", "-f", "-", input=json.dumps(config_map("c", space, a="3")))
    assert managers(kubectl, "cm", "c", space)["Update", "kubectl-replace"]["fieldsV1"] == {"f:data": {"f:a": {}}}
    assert "replaced" in kubectl("replace", "--force", "-f", "-", input=json.dumps(config_map("c", space, a="4")))
    assert list(managers(kubectl, "cm", "c", space)) == [("Update", "kubectl-replace")]


def test_by_the_dynamic_client(kubectl, space):
    loader = client.Configuration()
    loader.host = kubectl.url
    api = dynamic.DynamicClient(client.ApiClient(loader))
    maps = api.resources.get(api_version="v1", kind="ConfigMap")
    made = maps.server_side_apply(body=config_map("c", space, a="1"), namespace=space, field_manager="python")
    assert made.data.a == "1" and made.metadata.managedFields[0].manager == "python"
    with pytest.raises(dynamic.exceptions.ConflictError):
        maps.server_side_apply(body=config_map("c", space, a="2"), namespace=space, field_manager="other")
    maps.server_side_apply(body=config_map("c", space, a="2"), namespace=space, field_manager="other", force_conflicts=True)
    assert kubectl.json("get", "cm", "c", "-n", space)["data"] == {"a": "2"}

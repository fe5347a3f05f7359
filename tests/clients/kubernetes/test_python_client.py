"""The official Python client, unmodified."""
import threading

import pytest
from kubernetes import client, config, dynamic, watch
from objects import config_map, deployment, inference_service

GROUP = ("serving.kserve.io", "v1beta1", "default", "inferenceservices")


@pytest.fixture(scope="module")
def api(server):
    return config.new_client_from_config(str(server.kubeconfig))


def test_version(api):
    assert client.VersionApi(api).get_code().git_version.startswith("v1.36")


def test_objects(api):
    core = client.CoreV1Api(api)
    made = core.create_namespaced_config_map("default", config_map("py", a="1"))
    assert made.metadata.uid and made.data == {"a": "1"}
    made.data["a"] = "2"
    assert core.replace_namespaced_config_map("py", "default", made).data["a"] == "2"
    with pytest.raises(client.ApiException) as stale:
        core.replace_namespaced_config_map("py", "default", made)
    assert stale.value.status == 409
    assert core.patch_namespaced_config_map("py", "default", {"data": {"b": "3"}}).data == {"a": "2", "b": "3"}
    assert [c.metadata.name for c in core.list_namespaced_config_map("default", label_selector="!x").items if c.metadata.name == "py"] == ["py"]
    core.delete_namespaced_config_map("py", "default")
    with pytest.raises(client.ApiException) as gone:
        core.read_namespaced_config_map("py", "default")
    assert gone.value.status == 404


def test_deployments(api):
    apps = client.AppsV1Api(api)
    apps.create_namespaced_deployment("default", deployment("py"))
    assert apps.read_namespaced_deployment_scale("py", "default").spec.replicas == 2
    assert apps.patch_namespaced_deployment_scale("py", "default", {"spec": {"replicas": 4}}).spec.replicas == 4
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "nginx:9"}]}}}}
    changed = apps.patch_namespaced_deployment("py", "default", patch)  # a strategic merge: the rest stays
    assert changed.spec.template.spec.containers[0].ports[0].container_port == 80
    assert changed.spec.replicas == 4
    # The controller writes the status too, so only the answer is certain.
    assert apps.patch_namespaced_deployment_status("py", "default", {"status": {"replicas": 4}}).status.replicas == 4
    assert apps.read_namespaced_deployment_status("py", "default").spec.replicas == 4
    apps.delete_collection_namespaced_deployment("default", label_selector="app=py")
    assert apps.list_namespaced_deployment("default").items == []


def test_custom_objects(api):
    custom = client.CustomObjectsApi(api)
    custom.create_namespaced_custom_object(*GROUP, inference_service("py"))
    custom.patch_namespaced_custom_object(*GROUP, "py", {"metadata": {"labels": {"a": "b"}}})
    assert len(custom.list_namespaced_custom_object(*GROUP, label_selector="a=b")["items"]) == 1
    written = custom.patch_namespaced_custom_object_status(*GROUP, "py", {"status": {"url": "http://x"}})
    assert written["status"]["url"] == "http://x"
    assert custom.get_namespaced_custom_object(*GROUP, "py")["metadata"]["labels"] == {"a": "b"}
    custom.delete_namespaced_custom_object(*GROUP, "py")


def test_dynamic_client(api, tmp_path):
    found = dynamic.DynamicClient(api, cache_file=str(tmp_path / "cache"))
    leases = found.resources.get(api_version="coordination.k8s.io/v1", kind="Lease")
    leases.create({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "py"},
                   "spec": {"holderIdentity": "me"}}, namespace="default")
    assert leases.get(name="py", namespace="default").spec.holderIdentity == "me"
    leases.delete(name="py", namespace="default")


def test_watch(api):
    core = client.CoreV1Api(api)
    core.create_namespaced_config_map("default", config_map("there"))

    def change():
        core.create_namespaced_config_map("default", config_map("later"))
        core.patch_namespaced_config_map("later", "default", {"data": {"a": "1"}})
        core.delete_namespaced_config_map("later", "default")

    timer = threading.Timer(0.3, change)
    timer.start()
    seen = []
    for event in watch.Watch().stream(core.list_namespaced_config_map, "default", timeout_seconds=10):
        if event["object"].metadata.name != "kube-root-ca.crt":
            seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 4:
            break
    timer.join()
    core.delete_namespaced_config_map("there", "default")
    assert seen == [("ADDED", "there"), ("ADDED", "later"), ("MODIFIED", "later"), ("DELETED", "later")]

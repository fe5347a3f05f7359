"""The same walk for every kind, by the unmodified kubectl: dry runs, apply, get in every form, watch, describe, wait, delete."""
import json
import queue
import re
import threading
import time

import pytest
from objects import config_map, deployment, inference_service


def namespace(name, _space):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def pod(name, space):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": space},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "main", "image": "nginx:1"}]}}


def event(name, space):
    return {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": space}, "type": "Normal", "reason": "Tested", "message": "one",
            "involvedObject": {"kind": "Pod", "name": "somebody", "namespace": space, "apiVersion": "v1"}, "count": 1,
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z"}


def image(name, _space):
    return {"apiVersion": "modelkit.dev/v1", "kind": "Image", "metadata": {"name": name}, "spec": {"name": "walk/" + name, "path": "/bin/sh"}}


def secret(name, space):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": space}, "data": {"a": "MQ=="}}


def service(name, space):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": space},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}


def runtime(name, space):
    return {"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ServingRuntime", "metadata": {"name": name, "namespace": space},
            "spec": {"supportedModelFormats": [{"name": "onnx"}], "containers": [{"name": "kserve-container", "image": "x:1"}]}}


def label(o):
    o["metadata"].setdefault("labels", {})["edited"] = "yes"


# kind: (how it is made, what is edited, the columns of its table, the path to wait for and its value)
KINDS = {
    "namespaces": (namespace, label, "NAME STATUS AGE", "{.status.phase}=Active"),
    "configmaps": (lambda name, space: config_map(name, space, a="1"), lambda o: o.update(data={"a": "2"}), "NAME DATA AGE", "{.data.a}=2"),
    "pods": (pod, label, "NAME READY STATUS RESTARTS AGE", "{.status.phase}=Pending"),
    "deployments": (deployment, lambda o: o["spec"].update(replicas=3), "NAME READY UP-TO-DATE AVAILABLE AGE", "{.spec.replicas}=3"),
    "events": (event, lambda o: o.update(message="two", count=2), "LAST SEEN TYPE REASON OBJECT MESSAGE", "{.message}=two"),
    "inferenceservices": (inference_service, lambda o: o["spec"]["predictor"].update(canaryTrafficPercent=7),
                          "NAME URL READY PREV LATEST PREVROLLEDOUTREVISION LATESTREADYREVISION AGE",
                          "{.status.modelStatus.transitionStatus}=BlockedByFailedLoad"),
    "images": (image, lambda o: o["spec"].update(path="/bin/true"), None, "{.spec.path}=/bin/true"),
    "secrets": (secret, lambda o: o.update(data={"a": "Mg=="}), "NAME TYPE DATA AGE", "{.data.a}=Mg=="),
    "services": (service, lambda o: o["spec"].update(selector={"app": "api"}), "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE", "{.spec.selector.app}=api"),
    "servingruntimes": (runtime, label, "NAME DISABLED MODELTYPE CONTAINERS AGE", "{.spec.supportedModelFormats[0].name}=onnx"),
}


class Watch:
    """`kubectl get KIND -w`: waits for a line without ever waiting for ever."""

    def __init__(self, kubectl, *words):
        self.process = kubectl.start("get", *words, "-w", "--output-watch-events")
        self.lines, self.seen = queue.Queue(), []
        threading.Thread(target=lambda: [self.lines.put(line.rstrip()) for line in self.process.stdout], daemon=True).start()

    def shows(self, event_type, word):
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                line = self.lines.get(timeout=0.2)
            except queue.Empty:
                continue
            self.seen.append(line)
            if line.startswith(event_type + " ") and word in line:
                return
        pytest.fail(f"no {event_type} {word} in {self.seen}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("kind", KINDS)
def test_walk(kubectl, space, kind):
    make, edit, columns, waited = KINDS[kind]
    name = f"walk-{kind}"
    wanted = make(name, space)
    at = (kind, name, "-n", space)
    word = "somebody" if kind == "events" else name  # an event's row names its object

    assert "(dry run)" in kubectl.apply(wanted, dry_run="client")
    assert "created (server dry run)" in kubectl.apply(wanted, dry_run="server")
    assert "not found" in kubectl.refused("get", *at)
    with Watch(kubectl, kind, "-n", space) as watch:
        if kind in ("namespaces",):
            watch.shows("ADDED", "default")  # the watch stands before anything is made
        else:
            time.sleep(0.7)  # kubectl prints nothing for an empty list, so its start cannot be seen
        assert kubectl.apply(wanted).strip().endswith("created")
        watch.shows("ADDED", word)
        assert kubectl.apply(wanted).strip().endswith("unchanged")

        table = kubectl("get", *at).splitlines()
        if columns:
            assert re.sub(r"\s{2,}", " ", table[0].strip()) == columns
        assert len(table) == 2 and word in table[1]
        assert kubectl("get", *at, "--no-headers").split()[:1] == table[1].split()[:1]
        assert word in kubectl("get", *at, "-o", "wide")
        uid = kubectl.json("get", *at)["metadata"]["uid"]
        assert f"uid: {uid}" in kubectl("get", *at, "-o", "yaml")
        assert kubectl("get", *at, "-o", "name").strip().endswith("/" + name)
        assert kubectl("get", *at, "-o", "jsonpath={.metadata.uid}") == uid
        assert kubectl("get", *at, "-o", "go-template={{.metadata.uid}}") == uid
        assert kubectl("get", *at, "-o", "custom-columns=:metadata.uid", "--no-headers").strip() == uid
        assert uid in kubectl("get", kind, "-n", space, "-o", "json")

        edit(wanted)
        assert "configured (server dry run)" in kubectl.apply(wanted, dry_run="server")
        assert kubectl.apply(wanted).strip().endswith("configured")
        watch.shows("MODIFIED", word)
        assert kubectl.json("get", *at)["metadata"]["uid"] == uid
        kubectl("wait", f"--for=jsonpath={waited}", f"{kind}/{name}", "-n", space, "--timeout=15s")

        described = kubectl("describe", *at)
        assert re.search(rf"^Name: +{name}$", described, re.M), described
        assert f'"{name}" deleted' in kubectl("delete", *at, "--timeout=20s")
        watch.shows("DELETED", word)
    kubectl("wait", "--for=delete", f"{kind}/{name}", "-n", space, "--timeout=5s")
    assert "not found" in kubectl.refused("get", *at)


@pytest.mark.parametrize("kind", KINDS)
def test_the_wrong_apply_names_the_field(kubectl, space, kind):
    make = KINDS[kind][0]
    unknown = dict(make("bad", space), nonsense={"a": 1})
    assert 'unknown field "nonsense"' in kubectl.refused("apply", "-f", "-", input=json.dumps(unknown))
    nameless = make("UPPER case", space)
    error = kubectl.refused("apply", "-f", "-", input=json.dumps(nameless))
    assert "metadata.name" in error and "UPPER case" in error
    labelled = make("bad", space)
    labelled["metadata"]["labels"] = {"a b": "c"}
    assert "metadata.labels" in kubectl.refused("apply", "-f", "-", input=json.dumps(labelled))
    assert "not found" in kubectl.refused("get", kind, "bad", "-n", space)


def test_wait_for_what_people_wait_for(kubectl, space):
    kubectl.apply({"apiVersion": "modelkit.dev/v1", "kind": "Image", "metadata": {"name": "wait-shell"}, "spec": {"name": "wait-shell", "path": "/bin/sh"}})
    web = deployment("web", space, image="wait-shell", replicas=1)
    web["spec"]["paused"] = False
    web["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
    web["spec"]["template"]["spec"]["containers"][0]["command"] = ["/bin/sh", "-c", "echo up; sleep 600"]
    kubectl.apply(web)
    kubectl("wait", "--for=condition=Available", "deploy/web", "-n", space, "--timeout=20s")
    kubectl("wait", "--for=condition=Ready", "pod", "-l", "app=web", "-n", space, "--timeout=20s")
    assert kubectl("logs", "-l", "app=web", "-n", space, "--all-containers", "--prefix").endswith("up\n")
    described = kubectl("describe", "deploy", "web", "-n", space)
    assert "1 desired | 1 updated | 1 total | 1 available | 0 unavailable" in described and "ScalingReplicaSet" in described
    kubectl("delete", "deploy", "web", "-n", space, "--timeout=20s")


def test_containers_of_a_predictor_are_left_as_they_were_written(kubectl, space):
    service = inference_service("own", space)
    service["spec"]["predictor"] = {"containers": [{"name": "kserve-container", "image": "my/own:v1", "ports": [{"containerPort": 8080}],
                                                    "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
                                                    "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}]}
    kubectl.apply(service)
    assert kubectl.apply(service).strip().endswith("unchanged")
    before = kubectl.json("get", "isvc", "own", "-n", space)
    assert before["spec"] == service["spec"]
    assert before["metadata"]["generation"] == 1

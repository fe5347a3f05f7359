"""What people do with kubectl, by the unmodified kubectl 1.37."""
import json
import queue
import re
import threading
import time

import pytest
from objects import OURS, config_map, deployment, inference_service, secret


def lines_of(process):
    """The process's output as a queue of lines, so that a test never waits for ever."""
    lines = queue.Queue()

    def read():
        for line in process.stdout:
            lines.put(line.rstrip())
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def test_says_what_it_is(kubectl):
    assert "Server Version: v1.36" in kubectl("version")
    versions = kubectl("api-versions").split()
    assert {"v1", "apps/v1", "coordination.k8s.io/v1", "serving.kserve.io/v1beta1"} <= set(versions)
    resources = kubectl("api-resources", "--no-headers")
    for word in ("namespaces", "configmaps", "secrets", "pods", "deployments", "replicasets", "services", "events",
                 "nodes", "leases", "inferenceservices", "images"):
        assert re.search(rf"^{word}\s", resources, re.M), word
    assert "is running at" in kubectl("cluster-info")
    assert kubectl("get", "--raw", "/readyz") == "ok"


def test_explains_fields(kubectl):
    assert "KIND:       Deployment" in kubectl("explain", "deployments.spec.template.spec.containers")
    assert "storageUri" in kubectl("explain", "isvc.spec.predictor.model")
    assert "does not exist" in kubectl.refused("explain", "pods.spec.nothing")


@pytest.mark.parametrize("make,edit", [
    (lambda *at: config_map(*at, a="1"), lambda o: o.update(data={"a": "2"})),
    (deployment, lambda o: o["spec"]["template"]["spec"]["containers"][0].update(image="nginx:2")),
    (inference_service, lambda o: o["spec"]["predictor"]["model"].update(storageUri="models:/wine/2")),
], ids=["configmap", "deployment", "isvc"])
def test_apply(kubectl, space, make, edit):
    wanted = make("web", space)
    assert "created (server dry run)" in kubectl.apply(wanted, dry_run="server")
    assert "not found" in kubectl.refused("get", wanted["kind"], "web", "-n", space)
    assert kubectl.apply(wanted).strip().endswith("/web created")
    assert kubectl.apply(wanted).strip().endswith("/web unchanged")
    before = kubectl.json("get", wanted["kind"], "web", "-n", space)
    edit(wanted)
    assert "configured (server dry run)" in kubectl.apply(wanted, dry_run="server")
    assert kubectl.json("get", wanted["kind"], "web", "-n", space)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    code, difference, _ = kubectl.run("diff", "-f", "-", input=json.dumps(wanted))
    assert code == 1 and "\n+" in difference
    assert kubectl.apply(wanted).strip().endswith("/web configured")
    assert kubectl.apply(wanted).strip().endswith("/web unchanged")
    after = kubectl.json("get", wanted["kind"], "web", "-n", space)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after.get("spec", after.get("data")) != before.get("spec", before.get("data"))


def test_apply_removes_what_the_file_no_longer_has(kubectl, space):
    wanted = deployment("web", space)
    container = wanted["spec"]["template"]["spec"]["containers"][0]
    container["env"].append({"name": "B", "value": "2"})
    kubectl.apply(wanted)
    kubectl("set", "env", "deploy/web", "-n", space, "C=3")  # somebody else's change stays
    container["env"] = [{"name": "B", "value": "4"}]
    kubectl.apply(wanted)
    env = kubectl.json("get", "deploy", "web", "-n", space)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert sorted((e["name"], e["value"]) for e in env) == [("B", "4"), ("C", "3")]


def test_get_in_every_form(kubectl, space):
    kubectl.apply(deployment("web", space), config_map("a", space, x="1"), config_map("b", space))
    kubectl("label", "cm", "a", "-n", space, "tier=front")
    assert re.match(r"NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +0/2 ", kubectl("get", "deploy", "-n", space))
    assert "nginx:1" in kubectl("get", "deploy", "-n", space, "-o", "wide")
    assert kubectl("get", "cm", "-n", space, OURS, "-o", "name").split() == ["configmap/a", "configmap/b"]
    assert "x: \"1\"" in kubectl("get", "cm", "a", "-n", space, "-o", "yaml")
    assert len(kubectl.json("get", "cm", "-n", space, OURS)["items"]) == 2
    assert re.search(rf"^{space} +a +1 ", kubectl("get", "cm", "-A"), re.M)
    for selector, names in {"tier=front": ["a"], "tier!=front": ["b"], "tier in (front,back)": ["a"], "!tier": ["b"]}.items():
        assert kubectl("get", "cm", "-n", space, OURS, "-l", selector, "-o", "name").split() == [f"configmap/{n}" for n in names]
    by_field = ("get", "cm", "-n", space, "--field-selector")
    assert kubectl(*by_field, "metadata.name=b", "-o", "name").split() == ["configmap/b"]
    assert "is not a known field selector" in kubectl.refused(*by_field, "data.x=1")
    assert "parse" in kubectl.refused("get", "cm", "-n", space, "-l", "a b c")
    assert "front" in kubectl("get", "cm", "-n", space, "-L", "tier", "--sort-by=.metadata.name", "--show-labels")
    assert kubectl("get", "deploy", "web", "-n", space, "-o", "jsonpath={.spec.replicas}") == "2"
    assert "not found" in kubectl.refused("get", "cm", "missing", "-n", space)
    assert kubectl("get", "cm", "missing", "-n", space, "--ignore-not-found") == ""
    assert "the server doesn't have a resource type" in kubectl.refused("get", "unicorns")


def test_long_lists_come_in_pages(kubectl, space, raw):
    kubectl.apply(*(secret(f"c{i:02}", space) for i in range(25)))
    assert len(kubectl("get", "secret", "-n", space, "--no-headers", "--chunk-size=4").splitlines()) == 25
    path = f"/api/v1/namespaces/{space}/secrets?limit=10"
    _, first, _ = raw("GET", path)
    assert len(first["items"]) == 10 and first["metadata"]["remainingItemCount"] == 15
    _, second, _ = raw("GET", path + "&continue=" + first["metadata"]["continue"])
    assert second["items"][0]["metadata"]["name"] == "c10"
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_get_watch_prints_each_change(kubectl, space):
    kubectl.apply(config_map("before", space))
    watching = kubectl.start("get", "cm", "-n", space, OURS, "-w", "--output-watch-events")
    lines = lines_of(watching)
    try:
        assert lines.get(timeout=60).split()[:2] == ["EVENT", "NAME"]
        assert lines.get(timeout=60).split()[:2] == ["ADDED", "before"]
        kubectl.apply(config_map("after", space))
        assert lines.get(timeout=60).split()[:3] == ["ADDED", "after", "0"]
        kubectl.apply(config_map("after", space, x="1"))
        assert lines.get(timeout=60).split()[:3] == ["MODIFIED", "after", "1"]
        kubectl("delete", "cm", "after", "-n", space)
        assert lines.get(timeout=60).split()[:2] == ["DELETED", "after"]
    finally:
        watching.kill()
        watching.wait()


def test_wait(kubectl, space):
    kubectl.apply(config_map("c", space, x="1"))
    assert "timed out" in kubectl.refused("wait", "--for=condition=NeverSuch", f"ns/{space}", "--timeout=1s")
    waiting = kubectl.start("wait", "--for=condition=Tested", f"ns/{space}", "--timeout=20s")
    time.sleep(0.3)
    status = {"status": {"conditions": [{"type": "Tested", "status": "True"}]}}
    kubectl("patch", "ns", space, "--subresource=status", "--type=merge", "-p", json.dumps(status))
    assert waiting.wait(timeout=20) == 0, waiting.stdout.read()
    assert "met" in waiting.stdout.read()
    kubectl("wait", "--for=jsonpath={.data.x}=1", "cm/c", "-n", space, "--timeout=5s")
    gone = kubectl.start("wait", "--for=delete", "cm/c", "-n", space, "--timeout=20s")
    time.sleep(0.3)
    kubectl("delete", "cm", "c", "-n", space)
    assert gone.wait(timeout=20) == 0, gone.stdout.read()


def test_delete_waits_for_finalizers(kubectl, space):
    held = config_map("held", space)
    held["metadata"]["finalizers"] = ["example.com/hold"]
    kubectl.apply(held, config_map("free", space))
    assert "deleted" in kubectl("delete", "cm", "free", "-n", space)
    deleting = kubectl.start("delete", "cm", "held", "-n", space, "--timeout=20s")
    time.sleep(0.5)
    assert deleting.poll() is None
    assert kubectl.json("get", "cm", "held", "-n", space)["metadata"]["deletionTimestamp"]
    kubectl("patch", "cm", "held", "-n", space, "--type=json", "-p", '[{"op":"remove","path":"/metadata/finalizers"}]')
    assert deleting.wait(timeout=20) == 0, deleting.stdout.read()
    kubectl.apply(config_map("x", space), config_map("y", space))
    assert kubectl("delete", "cm", OURS, "-n", space).count("deleted") == 2


def test_create_sends_protobuf(kubectl, space):
    kubectl("create", "configmap", "c", "-n", space, "--from-literal=colour=blue")
    kubectl("create", "secret", "generic", "s", "-n", space, "--from-literal=user=ann")
    kubectl("create", "deployment", "d", "-n", space, "--image=nginx:1", "--replicas=0", "--port=80")
    kubectl("create", "service", "clusterip", "svc", "-n", space, "--tcp=80:8080")
    kubectl("create", "serviceaccount", "bot", "-n", space)
    assert "already exists" in kubectl.refused("create", "configmap", "c", "-n", space)
    assert kubectl.json("get", "cm", "c", "-n", space)["data"] == {"colour": "blue"}
    assert kubectl.json("get", "secret", "s", "-n", space)["data"] == {"user": "YW5u"}
    made = kubectl.json("get", "deploy", "d", "-n", space)["spec"]
    assert made["replicas"] == 0 and made["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] == 80
    assert kubectl.json("get", "svc", "svc", "-n", space)["spec"]["ports"][0]["targetPort"] == 8080
    assert "not found" in kubectl.refused("create", "configmap", "c", "-n", "no-such-namespace")


def test_changes_by_every_verb(kubectl, space, tmp_path):
    kubectl.apply(deployment("web", space))
    at = ("deploy", "web", "-n", space)
    kubectl("label", *at, "a=1")
    kubectl("annotate", *at, "note=hello")
    kubectl("label", *at, "a-")
    kubectl("patch", *at, "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"web","tty":true}]}}}}')
    kubectl("patch", *at, "--type=merge", "-p", '{"spec":{"minReadySeconds":3}}')
    kubectl("patch", *at, "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":5}]')
    kubectl("set", "image", *at, "web=nginx:7")
    found = kubectl.json("get", *at)
    assert found["metadata"]["annotations"]["note"] == "hello" and "a" not in found["metadata"]["labels"]
    spec = found["spec"]
    assert (spec["minReadySeconds"], spec["replicas"]) == (3, 5)
    container = spec["template"]["spec"]["containers"][0]
    assert (container["tty"], container["image"], container["env"][0]["name"]) == (True, "nginx:7", "A")
    assert "scaled" in kubectl("scale", *at, "--replicas=1")
    assert "expected replicas" in kubectl.refused("scale", *at, "--replicas=2", "--current-replicas=9").lower()
    assert kubectl.json("get", *at)["spec"]["replicas"] == 1
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/minReadySeconds: 3/minReadySeconds: 4/" "$1"\n')
    editor.chmod(0o755)
    kubectl("edit", *at, env={"KUBE_EDITOR": str(editor)})
    changed = kubectl.json("get", *at)
    assert changed["spec"]["minReadySeconds"] == 4
    stale = dict(changed, metadata=dict(changed["metadata"], resourceVersion="1"))
    assert "Conflict" in kubectl.refused("replace", "-f", "-", input=json.dumps(stale))
    changed["metadata"].pop("resourceVersion")
    changed["spec"]["replicas"] = 0
    assert "replaced" in kubectl("replace", "-f", "-", input=json.dumps(changed))


@pytest.fixture(scope="module")
def shell(kubectl):
    """An image that is this machine's shell."""
    kubectl.apply({"apiVersion": "modelkit.dev/v1", "kind": "Image", "metadata": {"name": "shell"},
                   "spec": {"name": "shell", "path": "/bin/sh"}})
    return "shell"


def test_rollout(kubectl, space, shell):
    wanted = deployment("web", space, image=shell, replicas=1)
    wanted["spec"]["paused"] = False
    wanted["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
    wanted["spec"]["template"]["spec"]["containers"][0]["command"] = ["/bin/sh", "-c", "echo one; sleep 600"]
    at = ("deploy/web", "-n", space)
    kubectl.apply(wanted)
    assert "successfully rolled out" in kubectl("rollout", "status", *at, "--timeout=30s")
    assert kubectl("logs", *at) == "one\n"
    wanted["spec"]["template"]["spec"]["containers"][0]["command"][2] = "echo two; sleep 600"
    kubectl.apply(wanted)
    assert "successfully rolled out" in kubectl("rollout", "status", *at, "--timeout=30s")
    assert kubectl("rollout", "history", *at).split()[-4:] == ["1", "<none>", "2", "<none>"]
    kubectl("rollout", "undo", *at)
    kubectl("rollout", "status", *at, "--timeout=30s")
    command = kubectl.json("get", "deploy", "web", "-n", space)["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[2] == "echo one; sleep 600"
    kubectl("scale", *at, "--replicas=2")
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=2", *at, "--timeout=20s")
    kubectl("delete", *at, "--timeout=20s")


def test_logs(kubectl, space, shell):
    script = "for i in 1 2 3; do echo line $i; done; read x < /dev/null; sleep 1; echo line 4; sleep 600"
    kubectl("run", "talker", "-n", space, "--image", shell, "--restart=Never", "--command", "--", "/bin/sh", "-c", script)
    kubectl("wait", "--for=condition=Ready", "pod/talker", "-n", space, "--timeout=20s")
    following = kubectl.start("logs", "-f", "talker", "-n", space)
    lines = lines_of(following)
    assert [lines.get(timeout=60) for _ in range(4)] == ["line 1", "line 2", "line 3", "line 4"]
    assert following.poll() is None
    assert kubectl("logs", "talker", "-n", space, "--tail=2") == "line 3\nline 4\n"
    assert kubectl("logs", "talker", "-n", space, "--limit-bytes=4") == "line"
    assert re.match(r"\d{4}-\d\d-\d\dT[^ ]+Z line 1\n", kubectl("logs", "talker", "-n", space, "--timestamps"))
    assert kubectl("logs", "talker", "-n", space, "--since=600s").count("line") == 4
    assert "not found" in kubectl.refused("logs", "talker", "-n", space, "--previous")
    assert "is not valid for pod" in kubectl.refused("logs", "talker", "-n", space, "-c", "other")
    kubectl("delete", "pod", "talker", "-n", space, "--grace-period=1", "--timeout=20s")
    assert following.wait(timeout=20) == 0  # the end of the Pod is the end of its log


def test_what_cannot_be_done_says_so(kubectl, space, shell):
    kubectl("run", "sleeper", "-n", space, "--image", shell, "--command", "--", "/bin/sh", "-c", "sleep 600")
    kubectl("wait", "--for=condition=Ready", "pod/sleeper", "-n", space, "--timeout=20s")
    assert "not supported by this server yet" in kubectl.refused("exec", "-n", space, "sleeper", "--", "true")
    assert "doesn't have a resource type" in kubectl.refused("get", "unicorns", "-n", space)
    code, _, err = kubectl.run("create", "job", "j", "-n", space, "--image=x")
    assert code == 0 and "kept but not run" in err, err


def test_describe_shows_events(kubectl, space):
    kubectl.apply(inference_service("m", space), deployment("web", space))
    uid = kubectl.json("get", "deploy", "web", "-n", space)["metadata"]["uid"]
    kubectl.apply({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "web.1", "namespace": space},
                   "involvedObject": {"kind": "Deployment", "name": "web", "namespace": space, "uid": uid,
                                      "apiVersion": "apps/v1"},
                   "type": "Warning", "reason": "Tested", "message": "one clear sentence", "count": 2,
                   "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z"})
    text = kubectl("describe", "deploy", "web", "-n", space)
    assert re.search(r"Warning +Tested .*one clear sentence", text), text
    assert "models:/wine@champion" in kubectl("describe", "isvc", "m", "-n", space)
    assert "Name:         default" in kubectl("describe", "ns", "default")
    assert "Tested" in kubectl("get", "events", "-n", space)
    assert "Tested" in kubectl("events", "-n", space)


def test_who_am_i(kubectl):
    assert kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    assert re.search(r"Username +owner", kubectl("auth", "whoami"))
    assert "*.*" in kubectl("auth", "can-i", "--list")


def test_refusals_name_the_field(kubectl, space):
    bad = deployment("web", space)
    bad["spec"]["replicas"] = "many"
    error = kubectl.refused("apply", "-f", "-", input=json.dumps(bad))
    assert "spec.replicas" in error
    unknown = deployment("web", space)
    unknown["spec"]["repliccas"] = 1
    error = kubectl.refused("apply", "-f", "-", input=json.dumps(unknown))
    assert 'unknown field "spec.repliccas"' in error
    assert "unknown field" in kubectl.run("apply", "--validate=warn", "-f", "-", input=json.dumps(unknown))[2]
    several = deployment("web2", space)
    several["spec"]["replicas"] = -1
    several["spec"]["template"]["spec"]["containers"][0].pop("image")
    several["spec"]["selector"]["matchLabels"] = {"app": "other"}
    error = kubectl.refused("apply", "-f", "-", input=json.dumps(several))
    assert "* spec.replicas" in error or "spec.replicas" in error
    assert "does not match" in kubectl.refused("apply", "-n", "default", "-f", "-", input=json.dumps(config_map("c", space)))


def test_namespace_goes_with_what_is_in_it(kubectl):
    kubectl("create", "namespace", "short-lived")
    kubectl.apply(config_map("c", "short-lived"), deployment("web", "short-lived", replicas=0))
    assert "deleted" in kubectl("delete", "namespace", "short-lived", "--timeout=20s")
    assert "not found" in kubectl.refused("get", "cm", "c", "-n", "short-lived")
    assert "forbidden" in kubectl.refused("delete", "namespace", "default").lower()

"""Pods and Deployments as processes: applied, followed, killed and adopted with the real kubectl."""
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

PYTHON = "/usr/bin/python3"

# What a Pod that means harm would try. Prints one line an attempt.
# ($$ in a Pod's command is one $ for its shell: so Kubernetes has it.)
ATTACK = """
import os, urllib.request
folder, url, pid = os.environ["FOLDER"], os.environ["URL"], int(os.environ["VICTIM"])
def attempt(name, work):
    try:
        work()
        print(name, "works", flush=True)
    except Exception as e:
        print(name, "blocked", flush=True)
attempt("read-database", lambda: open(folder + "/store.db", "rb").read(16))
attempt("read-kubeconfig", lambda: open(folder + "/kubeconfig").read())
attempt("list-folder", lambda: os.listdir(folder).index("store.db"))
attempt("write-folder", lambda: open(folder + "/planted", "w").close())
attempt("ask-as-owner", lambda: urllib.request.urlopen(url + "/api/v1/namespaces", timeout=5).read())
attempt("signal-modelkit", lambda: os.kill(pid, 0))
attempt("read-memory-map", lambda: open(f"/proc/{pid}/maps").read(16))
"""


def pod(name, script, image="tools:1", **more):
    container = {"name": "main", "image": image, "command": ["sh", "-c", script]}
    container.update(more.pop("container", {}))
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"terminationGracePeriodSeconds": 2, "containers": [container], **more}}


def deployment(name, script, replicas=2, **container):
    labels = {"app": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels},
                                  "spec": {"terminationGracePeriodSeconds": 1, "containers": [
                                      {"name": "main", "image": "tools:1", "command": ["sh", "-c", script], **container}]}}}}


def run_state(server, kubectl, name, life=0):
    """What the shim of a Pod's container wrote of it: pids as the machine counts them (the Pod has its own)."""
    uid = kubectl.json("get", "pod", name)["metadata"]["uid"]
    lines = (server.folder / "pods" / uid / "c/main" / str(life) / "state").read_text().splitlines()
    return {key: int(value.split()[0]) for key, _, value in (line.partition(" ") for line in lines) if key in ("shim", "process")}


def family(pid):
    """A process and all its descendants."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def until(check, seconds=90):
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def shows(kubectl, text, *words):
    """The output once it holds `text`."""
    def look():
        out = kubectl.run(*words)[1]
        return out if text in out else None
    return until(look) or pytest.fail(f"kubectl {words} never showed {text!r}:\n{kubectl.run(*words)}")


@pytest.fixture
def world(make_server, kubectl_for, tmp_path):
    """A server whose image `tools` stands for this machine's programs, and a kubectl for it."""
    server = make_server()
    server.run("image", "map", "tools", "env")
    return server, kubectl_for(server, tmp_path / "home")


def test_a_pod_runs_is_followed_described_and_deleted(world):
    _, kubectl = world
    kubectl.apply(pod("hello", "echo hi from $(POD_NAME) at $(POD_IP); echo oops >&2; i=0; while [ $i -lt 20 ]; do "
                               "echo tick $i; i=$((i+1)); sleep 0.05; done; sleep 600"))
    kubectl("wait", "--for=condition=Ready", "pod/hello", "--timeout=15s")
    seen = kubectl.json("get", "pod", "hello")
    assert seen["status"]["phase"] == "Running"
    follow = kubectl.start("logs", "-f", "hello")
    lines = []
    for line in follow.stdout:
        lines.append(line.rstrip())
        if line.startswith("tick 19"):
            break
    assert f"hi from hello at {seen['status']['podIP']}" in lines
    assert [line for line in lines if line.startswith("tick")] == [f"tick {i}" for i in range(20)]
    assert kubectl("logs", "hello", "--tail=2") == "tick 18\ntick 19\n"
    assert re.match(r"^20\d\d-\S+Z tick 19\n$", kubectl("logs", "hello", "--tail=1", "--timestamps"))
    described = shows(kubectl, "Started container main", "describe", "pod", "hello")
    for wanted in ("Successfully assigned default/hello", "Created container: main", "Status:", "Running"):
        assert wanted in described
    kubectl("delete", "pod", "hello")
    # The stream ends with the process.
    assert follow.wait(timeout=60) == 0
    assert "not found" in kubectl.refused("get", "pod", "hello")


def test_kill_9_of_modelkit_stops_nothing_and_loses_nothing(world, tmp_path):
    server, kubectl = world
    gate = tmp_path / "gate"
    gate.mkdir(mode=0o777)
    os.chmod(gate, 0o777)
    mount = {"volumes": [{"name": "gate", "hostPath": {"path": str(gate)}}],
             "container": {"volumeMounts": [{"name": "gate", "mountPath": "/gate"}]}}
    kubectl.apply(pod("long", "i=0; while [ ! -e /gate/go ]; do echo line $i; i=$((i+1)); sleep 0.01; done; "
                              "echo $i > /gate/lines; exit 42", restartPolicy="Never", **mount))
    kubectl.apply(pod("ends", "while [ ! -e /gate/end ]; do sleep 0.01; done; echo ended while nobody looked; exit 7",
                      restartPolicy="Never", **mount))
    kubectl("wait", "--for=condition=Ready", "pod/long", "pod/ends", "--timeout=15s")
    pid = run_state(server, kubectl, "long")["process"]
    server.kill()
    (gate / "end").touch()
    time.sleep(0.5)
    assert Path(f"/proc/{pid}").exists(), "the Pod died with modelkit"
    server.start()
    kubectl.environment["KUBECONFIG"] = str(server.kubeconfig)
    assert until(lambda: kubectl.json("get", "pod", "ends")["status"]["phase"] == "Failed")
    ended = kubectl.json("get", "pod", "ends")["status"]["containerStatuses"][0]
    assert ended["state"]["terminated"]["exitCode"] == 7
    assert kubectl("logs", "ends") == "ended while nobody looked\n"
    alive = kubectl.json("get", "pod", "long")["status"]
    assert (alive["phase"], alive["containerStatuses"][0]["restartCount"]) == ("Running", 0)
    assert run_state(server, kubectl, "long")["process"] == pid
    (gate / "go").touch()
    assert until(lambda: kubectl.json("get", "pod", "long")["status"]["phase"] == "Failed")
    assert kubectl.json("get", "pod", "long")["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 42
    count = int((gate / "lines").read_text())
    assert kubectl("logs", "long").splitlines() == [f"line {i}" for i in range(count)]


def test_kill_9_of_a_shim_ends_all_of_its_pod_which_starts_again_by_its_policy(world):
    server, kubectl = world
    # A child, a grandchild in a session of its own, and an orphan: none is a child of the shim.
    crowd = "setsid sleep 600 & (sh -c 'sleep 600 & sleep 600' &); echo up; sleep 600; echo on"
    kubectl.apply(pod("again", crowd), pod("never", crowd, restartPolicy="Never"))
    for name in ("again", "never"):
        assert until(lambda: "up" in kubectl.run("logs", name)[1])
        shim = run_state(server, kubectl, name)["shim"]
        assert until(lambda: len(family(shim)) >= 6), family(shim)
        everyone = family(shim)
        os.kill(shim, signal.SIGKILL)
        assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in everyone), 5), everyone
    assert until(lambda: kubectl.json("get", "pod", "never")["status"]["phase"] == "Failed")
    ended = kubectl.json("get", "pod", "never")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "Lost")
    assert until(lambda: kubectl.json("get", "pod", "again")["status"]["containerStatuses"][0]["restartCount"] == 1)
    kubectl("wait", "--for=condition=Ready", "pod/again", "--timeout=15s")


def test_limits_are_kept_and_the_node_says_which(world):
    _, kubectl = world
    [node] = kubectl.json("get", "nodes")["items"]
    kept = {c["type"]: c for c in node["status"]["conditions"]}["modelkit.dev/LimitsEnforced"]
    assert kept["message"].startswith("limits of containers are kept: ")
    assert "LimitsEnforced" in kubectl("describe", "node", node["metadata"]["name"])
    if "memory only of each process" in kept["message"]:
        pytest.skip(kept["message"])
    hungry = {"command": [PYTHON, "-c", "b = bytearray(300 << 20); print('had it all')"], "resources": {"limits": {"memory": "64Mi"}}}
    fed = {**hungry, "resources": {"limits": {"memory": "600Mi"}}}
    kubectl.apply(pod("hungry", "", restartPolicy="Never", container=hungry), pod("fed", "", restartPolicy="Never", container=fed))
    assert until(lambda: kubectl.json("get", "pod", "fed")["status"]["phase"] == "Succeeded")
    assert until(lambda: kubectl.json("get", "pod", "hungry")["status"]["phase"] == "Failed")
    ended = kubectl.json("get", "pod", "hungry")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")
    assert "OOMKilled" in kubectl("get", "pod", "hungry")


def test_an_unknown_image_waits_for_its_mapping(world, tmp_path):
    server, kubectl = world
    program = tmp_path / "trainer"
    os.chmod(tmp_path, 0o755)
    (program / "bin").mkdir(parents=True)
    (program / "bin/train").write_text("#!/bin/sh\necho trained in $PWD\nsleep 600\n")
    (program / "bin/train").chmod(0o755)
    kubectl.apply(pod("job", "", image="team/trainer:v3", container={"command": ["train"]}))
    assert until(lambda: kubectl("get", "pod", "job").split()[7] == "ErrImagePull")
    message = kubectl.json("get", "pod", "job")["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    assert message.endswith("modelkit image map team/trainer:v3 PATH|env")
    assert "is waiting to start: ErrImagePull" in kubectl.refused("logs", "job")
    server.run("image", "map", "team/trainer:v3", program)
    mapped = time.monotonic()
    assert until(lambda: kubectl.json("get", "pod", "job")["status"]["phase"] == "Running", 5)
    assert time.monotonic() - mapped < 2  # a second, and kubectl's own start
    assert until(lambda: kubectl("logs", "job")) == f"trained in {program}\n"


def test_what_no_node_has_is_said_in_one_sentence(world):
    _, kubectl = world
    kubectl.apply(pod("gpu", "true", container={"resources": {"limits": {"nvidia.com/gpu": "1"}}}))
    described = shows(kubectl, "FailedScheduling", "describe", "pod", "gpu")
    assert "needs 1 nvidia.com/gpu; no node has one" in described
    seen = kubectl.json("get", "pod", "gpu")["status"]
    assert seen["phase"] == "Pending"
    assert [(c["status"], c["reason"]) for c in seen["conditions"] if c["type"] == "PodScheduled"] == [("False", "Unschedulable")]


def test_configuration_reaches_the_process(world):
    _, kubectl = world
    kubectl("create", "configmap", "settings", "--from-literal=mode=fast", "--from-literal=app.conf=a=1")
    kubectl("create", "secret", "generic", "keys", "--from-literal=token=hush")
    kubectl.apply(pod(
        "reader", "echo $MODE $(cat /etc/app/app.conf) $(cat /var/run/keys/token) $(stat -c %a /var/run/keys/token); "
                  "echo scratch > /data/x && cat /data/x; touch /etc/app/new || echo read-only; sleep 600",
        volumes=[{"name": "conf", "configMap": {"name": "settings"}}, {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 256}},
                 {"name": "data", "emptyDir": {}}],
        container={"env": [{"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}}],
                   "volumeMounts": [{"name": "conf", "mountPath": "/etc/app"}, {"name": "keys", "mountPath": "/var/run/keys"},
                                    {"name": "data", "mountPath": "/data"}]}))
    log = shows(kubectl, "read-only", "logs", "reader")
    assert "fast a=1 hush 400\nscratch\n" in log
    assert not Path("/etc/app").exists() and not Path("/data/x").exists()


def test_a_crash_loop_backs_off_and_keeps_the_last_words(world):
    _, kubectl = world
    kubectl.apply(pod("crash", "echo life; exit 3"))
    assert until(lambda: "CrashLoopBackOff" in kubectl("get", "pod", "crash"))
    assert until(lambda: kubectl.json("get", "pod", "crash")["status"]["containerStatuses"][0]["restartCount"] >= 1)
    assert kubectl("logs", "crash", "--previous") == "life\n"
    last = kubectl.json("get", "pod", "crash")["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (3, "Error")


def test_a_deployment_rolls_out_and_back(world):
    _, kubectl = world
    serve = f"exec {PYTHON} -m http.server $PORT --bind $POD_IP"
    web = deployment("web", serve, 2, ports=[{"containerPort": 8000}],
                     readinessProbe={"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1})
    kubectl.apply(web)
    assert 'deployment "web" successfully rolled out' in kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    first = kubectl.json("get", "pods", "-l", "app=web")["items"]
    # Two Pods on one port of the same machine: each has an address.
    for each in first:
        urllib.request.urlopen(f"http://{each['status']['podIP']}:8000/", timeout=5).read()
    kubectl("set", "env", "deployment/web", "VERSION=2")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    second = kubectl.json("get", "pods", "-l", "app=web", "--field-selector=status.phase=Running")["items"]
    assert not {p["metadata"]["name"] for p in first} & {p["metadata"]["name"] for p in second if not p["metadata"].get("deletionTimestamp")}
    assert [line.split()[0] for line in kubectl("rollout", "history", "deployment/web").splitlines()[2:] if line] == ["1", "2"]
    kubectl("rollout", "undo", "deployment/web")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("scale", "deployment/web", "--replicas=1")
    assert until(lambda: len(kubectl.json("get", "pods", "-l", "app=web")["items"]) == 1)
    # A version that never gets ready leaves the old one alone.
    kubectl("set", "env", "deployment/web", "PORT=9999")
    time.sleep(1)
    assert kubectl.json("get", "deployment", "web")["status"]["availableReplicas"] == 1
    kubectl("delete", "deployment", "web")
    assert until(lambda: kubectl.json("get", "pods")["items"] == [])


def test_a_failed_liveness_probe_restarts_in_place(world):
    _, kubectl = world
    kubectl.apply(pod("sick", "touch $HOME/ok; sleep 1; rm $HOME/ok; sleep 600", container={
        "livenessProbe": {"exec": {"command": ["sh", "-c", "test -e $HOME/ok"]}, "periodSeconds": 1, "failureThreshold": 1}}))
    assert until(lambda: kubectl.json("get", "pod", "sick")["status"].get("containerStatuses", [{}])[0].get("restartCount", 0) >= 1, 20)
    described = kubectl("describe", "pod", "sick")
    assert "Liveness probe failed: command terminated with exit code 1" in described
    assert "Container main failed liveness probe, will be restarted" in described


@pytest.mark.skipif(os.geteuid() != 0, reason="own uids for Pods need root")
def test_a_pod_cannot_pass_for_the_owner(world, tmp_path):
    server, kubectl = world
    os.chmod(tmp_path, 0o755)
    attempts = re.findall(r'attempt\("([a-z-]+)"', ATTACK)
    values = {"FOLDER": str(server.folder), "URL": server.url, "VICTIM": str(server.process.pid)}
    # Without the defence, as the same user outside of a Pod, every attempt works.
    open_attack = subprocess.run([PYTHON, "-c", ATTACK], env={**os.environ, **values}, capture_output=True, text=True, timeout=30)
    assert open_attack.stdout.splitlines() == [f"{name} works" for name in attempts]
    (server.folder / "planted").unlink()
    kubectl.apply(pod("thief", "", restartPolicy="Never",
                      container={"command": [PYTHON, "-c", ATTACK], "env": [{"name": k, "value": v} for k, v in values.items()]}))
    assert until(lambda: kubectl.json("get", "pod", "thief")["status"]["phase"] == "Succeeded"), kubectl("describe", "pod", "thief")
    assert kubectl("logs", "thief").splitlines() == [f"{name} blocked" for name in attempts]
    assert not (server.folder / "planted").exists()
    user = kubectl.json("get", "pod", "thief")["status"]["containerStatuses"][0]["user"]["linux"]["uid"]
    assert user >= 200_000


def test_from_apply_to_running_is_quick(world):
    """The process's first log line and the status, the later of the two."""
    server, _ = world

    def ask(method, path, body=None):
        request = urllib.request.Request(server.url + path, method=method, data=json.dumps(body).encode() if body else None,
                                         headers={"Content-Type": "application/json"})
        return urllib.request.urlopen(request, timeout=10).read().decode()

    took = []
    for i in range(7):
        started = time.monotonic()
        ask("POST", "/api/v1/namespaces/default/pods", pod(f"quick-{i}", "echo up; exec sleep 600"))
        status = log = ""
        while "Running" not in status or "up" not in log:
            assert time.monotonic() - started < 10
            if "Running" not in status:
                status = json.loads(ask("GET", f"/api/v1/namespaces/default/pods/quick-{i}"))["status"].get("phase", "")
                continue
            log = ask("GET", f"/api/v1/namespaces/default/pods/quick-{i}/log")
        took.append((time.monotonic() - started) * 1000)
    took.sort()
    print(f"apply to running: median {took[3]:.1f} ms, worst {took[-1]:.1f} ms")
    assert took[3] < 100, took  # 7 ms on a quiet machine


def test_ctrl_c_takes_the_pods_along(make_server, kubectl_for, tmp_path):
    server = make_server()
    server.run("image", "map", "tools", "env")
    kubectl = kubectl_for(server, tmp_path / "home")
    kubectl.apply(pod("long", "echo up; exec sleep 600"))
    assert until(lambda: kubectl.run("logs", "long")[1])
    pid = run_state(server, kubectl, "long")["process"]
    assert Path(f"/proc/{pid}").exists()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(timeout=20) == 0
    assert not Path(f"/proc/{pid}").exists()

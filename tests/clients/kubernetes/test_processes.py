"""What a Pod's processes live through, seen by kubectl: probes of every form, logs over rotation and over the death of modelkit."""
import os
import time

import pytest
from test_pods import PYTHON, pod, shows, until, world  # noqa: F401  (a fixture)


@pytest.fixture
def gate(tmp_path):
    """A folder that test and Pod share, as /gate."""
    folder = tmp_path / "gate"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def gated(name, script, gate, container=None, **more):
    mounts = {"volumes": [{"name": "gate", "hostPath": {"path": str(gate)}}],
              "container": {"volumeMounts": [{"name": "gate", "mountPath": "/gate"}], **(container or {})}}
    return pod(name, script, **mounts, **more)


def ready(kubectl, name):
    conditions = kubectl.json("get", "pod", name)["status"].get("conditions", [])
    return next((c["status"] for c in conditions if c["type"] == "Ready"), "None")


SERVE = f"exec {PYTHON} -m http.server 8000 --bind $POD_IP --directory /gate"
PROBES = {
    "exec": {"exec": {"command": ["test", "-e", "/gate/open"]}},
    "http": {"httpGet": {"path": "/open", "port": 8000}},
    "named port": {"httpGet": {"path": "/open", "port": "web"}},
}


@pytest.mark.parametrize("how", PROBES)
def test_readiness_comes_and_goes_with_its_probe(world, gate, how):
    _, kubectl = world
    probe = {**PROBES[how], "periodSeconds": 1, "failureThreshold": 1}
    kubectl.apply(gated("probed", SERVE, gate, {"readinessProbe": probe, "ports": [{"containerPort": 8000, "name": "web"}]}))
    assert until(lambda: kubectl.json("get", "pod", "probed")["status"]["phase"] == "Running")
    described = shows(kubectl, "Readiness probe failed", "describe", "pod", "probed")
    assert ready(kubectl, "probed") == "False" and "Unhealthy" in described
    (gate / "open").touch()
    kubectl("wait", "--for=condition=Ready", "pod/probed", "--timeout=10s")
    (gate / "open").unlink()
    kubectl("wait", "--for=condition=Ready=false", "pod/probed", "--timeout=10s")
    status = kubectl.json("get", "pod", "probed")["status"]["containerStatuses"][0]
    assert status["restartCount"] == 0 and "running" in status["state"]  # a Pod that is not ready is left running


def test_a_tcp_probe_and_a_startup_probe_that_holds_liveness_back(world, gate):
    _, kubectl = world
    script = f"while [ ! -e /gate/open ]; do sleep 0.05; done; {SERVE}"
    kubectl.apply(gated("slow", script, gate, {
        "ports": [{"containerPort": 8000}],
        "startupProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1, "failureThreshold": 1}}))
    assert until(lambda: kubectl.json("get", "pod", "slow")["status"]["phase"] == "Running")
    time.sleep(3)  # the liveness probe alone would have ended it by now
    seen = kubectl.json("get", "pod", "slow")["status"]["containerStatuses"][0]
    assert (seen["restartCount"], seen["started"], seen["ready"]) == (0, False, False)
    (gate / "open").touch()
    kubectl("wait", "--for=condition=Ready", "pod/slow", "--timeout=10s")
    assert kubectl.json("get", "pod", "slow")["status"]["containerStatuses"][0]["restartCount"] == 0


def test_no_line_is_lost_over_rotation_and_kill_9(world, gate):
    """27 MB in three files of 10 MiB: followed, killed in between, and read again from the start."""
    server, kubectl = world
    chunk = 'awk -v c=$c \'BEGIN { for (i = 0; i < 10000; i++) printf "%07d %0290d\\n", c * 10000 + i, 0 }\''
    kubectl.apply(gated("talker", f"for c in 0 1 2 3 4 5 6 7 8; do {chunk}; echo $c > /gate/at; sleep 0.1; done; touch /gate/said; "
                        f"while [ ! -e /gate/more ]; do sleep 0.05; done; for c in 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do {chunk}; done; "
                        "touch /gate/done; sleep 600", gate))
    assert until(lambda: (gate / "at").exists(), 30)
    follow = kubectl.start("logs", "-f", "talker")
    numbers = []
    for line in follow.stdout:
        numbers.append(int(line[:7]))
        if len(numbers) == 40_000:
            break
    follow.kill()
    follow.wait()
    assert numbers == list(range(40_000))
    server.kill()
    assert until(lambda: (gate / "said").exists(), 60)
    server.start()
    kubectl.environment["KUBECONFIG"] = str(server.kubeconfig)
    lines = kubectl("logs", "talker").splitlines()
    assert [int(line[:7]) for line in lines] == list(range(90_000))
    assert {len(line) for line in lines} == {298}
    assert [line[:7] for line in kubectl("logs", "talker", "--tail=3").splitlines()] == ["0089997", "0089998", "0089999"]
    # What is kept is bounded: the oldest lines go, the newest stay.
    (gate / "more").touch()
    assert until(lambda: (gate / "done").exists(), 60)
    assert until(lambda: kubectl("logs", "talker", "--tail=1")[:7] == "0259999")
    kept = [int(line[:7]) for line in kubectl("logs", "talker").splitlines()]
    assert kept == list(range(kept[0], 260_000)) and 100_000 < len(kept) < 200_000
    sizes = [f.stat().st_size for f in (server.folder / "pods").rglob("*") if f.is_file() and not f.is_symlink()]
    assert sum(sizes) < 60 << 20


def test_exit_codes_and_signals_are_told(world):
    _, kubectl = world
    for name, script, code, reason in (("fine", "exit 0", 0, "Completed"), ("bad", "exit 77", 77, "Error"), ("killed", "kill -9 $$$$", 137, "Error"),
                                       ("gone", "exec /no/such/program", 127, "Error")):
        kubectl.apply(pod(name, script, restartPolicy="Never"))
        ended = until(lambda: kubectl.json("get", "pod", name)["status"].get("containerStatuses", [{}])[0].get("state", {}).get("terminated"))
        assert (ended["exitCode"], ended["reason"]) == (code, reason), name
        assert kubectl.json("get", "pod", name)["status"]["phase"] == ("Succeeded" if code == 0 else "Failed")


def test_many_pods_end_while_nobody_looks(world, gate):
    """Each exit code is known afterwards, also of those that ended while modelkit was dead."""
    server, kubectl = world
    kubectl.apply(*(gated(f"ends-{i}", f"while [ ! -e /gate/go ]; do sleep 0.02; done; echo word {i}; exit {i}", gate, restartPolicy="Never") for i in range(1, 9)))
    kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=20s")
    server.kill()
    (gate / "go").touch()
    time.sleep(0.5)  # long enough for all to end; too short would only make this easier
    server.start()
    kubectl.environment["KUBECONFIG"] = str(server.kubeconfig)
    assert until(lambda: all(p["status"]["phase"] == "Failed" for p in kubectl.json("get", "pods")["items"]))
    for item in kubectl.json("get", "pods")["items"]:
        number = int(item["metadata"]["name"].split("-")[1])
        assert item["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == number
        assert kubectl("logs", item["metadata"]["name"]) == f"word {number}\n"
    assert not [p for p in os.listdir("/proc") if p.isdigit() and comm_of(p) == "modelkit-shim" and str(server.folder) in command_of(p) and "gateway" not in command_of(p)]


def comm_of(pid):
    try:
        return open(f"/proc/{pid}/comm").read().strip()
    except OSError:
        return ""


def command_of(pid):
    try:
        return open(f"/proc/{pid}/cmdline").read()
    except OSError:
        return ""

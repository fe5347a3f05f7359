"""modelkit run by an ordinary user: its Pods are others than their owner, or are not started. Each attack first works where
the namespace allows Pods to run as the owner."""
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from modelkit import BINARY, Modelkit

UID, RANGE = 54321, (3_000_000, 65_536)
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")

# Prints one line an attempt.
ATTACK = """
import os, signal, urllib.request
url, folder, pid = os.environ["URL"], os.environ["FOLDER"], int(os.environ["VICTIM"])
def attempt(name, work):
    try:
        work()
        print(name, "works", flush=True)
    except Exception as e:
        print(name, "blocked", flush=True)
attempt("list-secrets", lambda: urllib.request.urlopen(url + "/api/v1/secrets", timeout=5).read())
attempt("read-database", lambda: open(folder + "/store.db", "rb").read(16))
attempt("write-folder", lambda: open(folder + "/planted", "w").close())
attempt("signal-owner", lambda: os.kill(pid, 0))
attempt("read-memory", lambda: open(f"/proc/{pid}/maps").read(16))
attempt("trace-supervisor", lambda: open(f"/proc/{os.getppid()}/environ", "rb").read())
print("uid", os.getuid())
"""


class OrdinaryUser(Modelkit):
    """A modelkit of a user without any rights, whose /etc/passwd and /etc/subuid exist in its own view of the machine only."""

    def __init__(self, home, ranges):
        self.home = home
        self.binary = home / "modelkit"
        if not self.binary.exists():
            shutil.copy(BINARY, self.binary)
        etc = home / "etc"
        etc.mkdir(exist_ok=True)
        (etc / "passwd").write_text(Path("/etc/passwd").read_text() + f"tester:x:{UID}:{UID}::{home}:/bin/sh\n")
        (etc / "group").write_text(Path("/etc/group").read_text() + f"tester:x:{UID}:\n")
        for name in ("subuid", "subgid"):
            (etc / name).write_text(f"tester:{RANGE[0]}:{RANGE[1]}\n" if ranges else "")
        folder = home / "data"
        folder.mkdir(exist_ok=True)
        os.chown(home, UID, UID)
        os.chown(folder, UID, UID)
        super().__init__(folder)

    def as_user(self):
        binds = "; ".join(f"touch /etc/{name}; mount --bind {self.home}/etc/{name} /etc/{name}" for name in ("passwd", "group", "subuid", "subgid"))
        return ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
                f'{binds}; exec setpriv --reuid {UID} --regid {UID} --clear-groups env -i HOME={self.home} PATH=/usr/bin:/bin "$@"', "sh"]

    def program(self):
        return [*self.as_user(), self.binary]

    def run(self, *words, check=True):
        return subprocess.run([*self.program(), *words, "--data", str(self.folder)] if words == ("doctor",) else
                              [*self.as_user(), "env", f"MODELKIT_DATA={self.folder}", self.binary, *words],
                              capture_output=True, text=True, check=check, timeout=60)

    def ask(self, method, path, body=None, kind="application/json"):
        """As the owner."""
        data = ["-H", f"Content-Type: {kind}", "--data-binary", json.dumps(body)] if body is not None else []
        out = subprocess.run([*self.as_user(), "curl", "-sS", "-X", method, *data, self.url + path], capture_output=True, text=True, check=True, timeout=30)
        return out.stdout

    def pod(self, name, command, space="default"):
        env = {"URL": self.url, "FOLDER": str(self.folder), "VICTIM": str(self.process.pid)}
        self.ask("POST", f"/api/v1/namespaces/{space}/pods", {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [
                {"name": "main", "image": "tools:1", "command": command, "env": [{"name": k, "value": v} for k, v in env.items()],
                 "volumeMounts": [{"name": "keys", "mountPath": "/keys"}, {"name": "scratch", "mountPath": "/scratch"}]}],
                "volumes": [{"name": "keys", "secret": {"secretName": "plan", "defaultMode": 0o400}}, {"name": "scratch", "emptyDir": {}}]}})

    def status(self, name, space="default"):
        return json.loads(self.ask("GET", f"/api/v1/namespaces/{space}/pods/{name}")).get("status", {})

    def ended(self, name, space="default", seconds=90):
        until = time.monotonic() + seconds
        while self.status(name, space).get("phase") not in ("Succeeded", "Failed") and time.monotonic() < until:
            time.sleep(0.05)
        return self.ask("GET", f"/api/v1/namespaces/{space}/pods/{name}/log")


@pytest.fixture
def make_user():
    home = Path(tempfile.mkdtemp(prefix="modelkit-user-", dir="/tmp"))
    home.chmod(0o755)
    started = []

    def make(ranges):
        server = OrdinaryUser(home, ranges)
        started.append(server)
        server.run("image", "map", "tools", "env")
        server.ask("POST", "/api/v1/namespaces/default/secrets",
                   {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plan"}, "stringData": {"what": "the owner's plan"}})
        return server

    yield make
    for server in started:
        server.stop()
    shutil.rmtree(home)


def attack(server, name, space="default"):
    server.pod(name, ["/usr/bin/python3", "-c", ATTACK], space)
    return dict(line.split() for line in server.ended(name, space).splitlines())


def test_without_a_range_a_pod_waits_unless_its_namespace_takes_the_risk(make_user):
    server = make_user(ranges=False)
    server.pod("thief", ["/usr/bin/python3", "-c", ATTACK])
    until = time.monotonic() + 90
    while "waiting" not in json.dumps(server.status("thief")) and time.monotonic() < until:
        time.sleep(0.05)
    waiting = server.status("thief")["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "NotIsolated"
    assert waiting["message"] == (
        "this Pod would run as modelkit's owner and could do all that the owner can: user tester has no range in /etc/subuid; "
        "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 tester, then start modelkit again; "
        "or accept that for the whole namespace: kubectl label namespace default modelkit.dev/pods-as-owner=allow")
    doctor = server.run("doctor", check=False).stdout
    assert "user tester has no range in /etc/subuid" in doctor and "usermod --add-subuids 100000-165535" in doctor
    # The owner accepts the risk, and every attack works: this is what the others are blocked from.
    server.ask("PATCH", "/api/v1/namespaces/default", {"metadata": {"labels": {"modelkit.dev/pods-as-owner": "allow"}}}, "application/merge-patch+json")
    seen = dict(line.split() for line in server.ended("thief").splitlines())
    assert seen.pop("uid") == str(UID)
    # (Other processes a Pod does not even see: it has pids of its own.)
    assert {name for name, how in seen.items() if how == "works"} >= {"list-secrets", "read-database", "write-folder"}, seen
    conditions = {c["type"]: c for c in server.status("thief")["conditions"]}
    assert conditions["modelkit.dev/Isolated"]["status"] == "False"
    (server.folder / "planted").unlink()


def test_with_a_range_every_pod_is_somebody_else(make_user):
    server = make_user(ranges=True)
    seen = attack(server, "thief")
    uid = int(seen.pop("uid"))
    assert RANGE[0] <= uid < sum(RANGE)
    assert seen and all(how == "blocked" for how in seen.values()), seen
    assert not (server.folder / "planted").exists()
    assert "every Pod runs as a user of its own, 3000000 - 3065535" in server.run("doctor", check=False).stdout
    status = server.status("thief")
    assert status["containerStatuses"][0]["user"]["linux"]["uid"] == uid
    assert "modelkit.dev/Isolated" not in {c["type"] for c in status["conditions"]}
    # Its own things it has: secrets of mode 0400, a folder to write in, no right to become anybody.
    server.pod("honest", ["sh", "-c", "cat /keys/what; echo; echo x > /scratch/a && mkdir -m 0 $HOME/shut && echo wrote; grep CapEff /proc/self/status; "
                                      "setpriv --reuid 54321 true 2>/dev/null || echo stays"])
    assert server.ended("honest").split("\n") == ["the owner's plan", "wrote", "CapEff:\t0000000000000000", "stays", ""]
    # What it has made goes with it, although the owner may not even look into it.
    uid_of_pod = json.loads(server.ask("GET", "/api/v1/namespaces/default/pods/honest"))["metadata"]["uid"]
    assert (server.folder / "pods" / uid_of_pod / "home").stat().st_uid == int(json.loads(
        server.ask("GET", "/api/v1/namespaces/default/pods/honest"))["status"]["containerStatuses"][0]["user"]["linux"]["uid"])
    server.ask("DELETE", "/api/v1/namespaces/default/pods/honest")
    until = time.monotonic() + 90
    while (server.folder / "pods" / uid_of_pod).exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not (server.folder / "pods" / uid_of_pod).exists()


def test_others_of_this_machine_are_anonymous(make_user):
    server = make_user(ranges=True)
    for uid in (0, RANGE[0] + 1, 65534):
        out = subprocess.run(["setpriv", "--reuid", str(uid), "--clear-groups", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                              server.url + "/api/v1/secrets"], capture_output=True, text=True, check=True)
        assert out.stdout in ("401", "403"), (uid, out.stdout)

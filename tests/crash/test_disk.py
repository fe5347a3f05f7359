"""A disk that is read-only, or full: it is said in a sentence, what can be read is read, nothing that was acknowledged is lost,
and when the disk is well again so is modelkit. Failing syncs are in src/store/fault_test.cc and tests/sim."""
import hashlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from load import CONFIGMAPS, Api, ObjectWriter, RunWriter, write_until_it_goes_away
from modelkit import BINARY, Modelkit

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"
PODS = "/api/v1/namespaces/default/pods"
OWN_MOUNTS = ["unshare", "--mount", "--propagation", "private"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or subprocess.run([*OWN_MOUNTS, "true"], capture_output=True).returncode != 0,
                                reason="mounts of one's own take root and the right to mount")


class Mounted(Modelkit):
    """A modelkit whose view of the machine has each of `parts` of its folder on a mount of its own, so that one can be made
    read-only beneath it. Nobody else sees these mounts, and they end with it."""

    def __init__(self, folder, parts):
        self.parts = parts
        super().__init__(folder)

    def program(self):
        script = "".join(f'mkdir -p "{self.folder / part}" && mount --bind "{self.folder / part}" "{self.folder / part}" && '
                         for part in self.parts)
        return [*OWN_MOUNTS, "sh", "-c", f'{script} exec "$@"', "sh", BINARY]

    def remount(self, part, how):
        subprocess.run(["nsenter", "--mount", "--target", str(self.process.pid), "mount", "-o", f"remount,bind,{how}", self.folder / part],
                       check=True)


def put(server, path, data):
    """The status and, where it is refused, the message."""
    request = urllib.request.Request(server.url + ARTIFACTS + path, data, method="PUT", headers={"Content-Type": "application/octet-stream"})
    try:
        return urllib.request.urlopen(request, timeout=60).status, ""
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)["message"]


def wait_for(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come about in {seconds} s"
        time.sleep(0.02)
    return found


def tree(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def up_on_read_only(folder, part):
    """`modelkit up` where this part of the folder (or all of it) is read-only."""
    place = folder / part
    return subprocess.run([*OWN_MOUNTS, "sh", "-c", f'mount --bind "{place}" "{place}" && mount -o remount,bind,ro "{place}" && exec "$@"', "sh",
                           BINARY, "up", "--data", folder, "--port", "0", "--data-port", "0"], capture_output=True, text=True, timeout=60)


def test_started_on_a_read_only_disk_it_says_so_and_touches_nothing(make_server):
    server = make_server()
    api = Api(server.url)
    writers = [ObjectWriter("settings"), RunWriter("run", api)]
    threads, wrong = write_until_it_goes_away(server.url, writers)
    wait_for("some load", lambda: all(writer.step > 20 for writer in writers))
    server.kill()  # so that the next start has a log to read
    for thread in threads:
        thread.join()
    assert not wrong
    before = tree(server.folder)
    for part in (".", "blobs", "pods", "bin", "gateway", "environments", "pki", "store.db", "store.db.lock"):
        answer = up_on_read_only(server.folder, part)
        assert answer.returncode == 1 and answer.stdout == "", (part, answer)
        place = str(server.folder if part == "." else server.folder / part)
        assert place in answer.stderr and "read-only" in answer.stderr.lower(), (part, answer.stderr)
        assert len([line for line in answer.stderr.splitlines() if line.startswith("modelkit: ")]) == 1, (part, answer.stderr)
        after = tree(server.folder)
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        assert changed <= {"store.db.lock"}, (part, changed)  # it holds the pid of the last who tried
    server.start()
    api = Api(server.url)
    assert sum(writer.check(api) for writer in writers) > 20
    for writer in writers:
        writer.write(api)


def test_parts_that_turn_read_only_under_it_are_named_and_come_back(tmp_path):
    (tmp_path / "data").mkdir()
    server = Mounted(tmp_path / "data", ["blobs", "pods"])
    try:
        server.run("image", "map", "tools:1", "env")
        api = Api(server.url)
        assert put(server, "0/x/artifacts/before", b"1")[0] == 200

        def pod(name):
            status, answer = api.call("POST", PODS, {"metadata": {"name": name}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [
                {"name": "main", "image": "tools:1", "command": ["sleep", "100000"]}]}})
            assert status == 201, answer

        def phase(name):
            return api.call("GET", f"{PODS}/{name}")[1].get("status", {}).get("phase")

        pod("before")
        wait_for("a running Pod", lambda: phase("before") == "Running")
        # A Pod's shim has its log open for writing, which keeps a mount from being made read-only, as it does everywhere.
        assert api.call("DELETE", f"{PODS}/before")[0] == 200
        wait_for("the Pod's end", lambda: api.call("GET", f"{PODS}/before")[0] == 404)
        wait_for("the Pod's folder", lambda: not list((server.folder / "pods").iterdir()))
        for part in ("blobs", "pods"):
            server.remount(part, "ro")

        status, message = put(server, "0/x/artifacts/after", b"2")
        assert status == 503 and "read-only" in message and "nothing was stored" in message, (status, message)
        assert urllib.request.urlopen(server.url + ARTIFACTS + "0/x/artifacts/before").read() == b"1"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(server.url + ARTIFACTS + "0/x/artifacts/before", method="DELETE"))
        assert refused.value.code == 503 and "read-only" in json.load(refused.value)["message"]
        pod("after")  # declared, and it says why it does not run
        told = wait_for("an event that says why", lambda: [
            event["message"] for event in api.call("GET", "/api/v1/namespaces/default/events")[1]["items"]
            if event["involvedObject"]["name"] == "after" and "ead-only" in event["message"]])
        assert told and phase("after") == "Pending"
        # The rest goes on as if nothing were.
        writers = [ObjectWriter("settings"), RunWriter("run", api)]
        for _ in range(20):
            for writer in writers:
                writer.write(api)

        for part in ("blobs", "pods"):
            server.remount(part, "rw")
        assert put(server, "0/x/artifacts/after", b"2")[0] == 200
        wait_for("the Pod that waited", lambda: phase("after") == "Running", 120)
        assert sum(writer.check(api) for writer in writers) > 20
    finally:
        server.stop()


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_said_read_from_and_recovered_from(small_disk, make_server):
    server = make_server("small")
    api = Api(server.url)
    settings, run = ObjectWriter("settings"), RunWriter("run", api)
    for _ in range(20):
        settings.write(api)
        run.write(api)
    with open(small_disk / "filler", "wb") as filler:
        try:
            while filler.write(b"\0" * (1 << 16)):
                filler.flush()
        except OSError:
            pass
    refused, acknowledged = None, []
    for i in range(2000):  # the log has some room yet
        status, answer = api.call("POST", CONFIGMAPS, {"metadata": {"name": f"large-{i}"}, "data": {"x": "y" * 200_000}})
        if status != 201:
            refused = (status, answer)
            break
        acknowledged.append(f"large-{i}")
    assert refused and refused[0] == 503 and refused[1]["kind"] == "Status" and "the disk is full" in refused[1]["message"], refused
    status, answer = api.call("POST", "/api/2.0/mlflow/runs/log-metric",
                              {"run_id": run.run, "key": "loss", "value": 1.0, "timestamp": 1, "step": run.step})
    assert status == 503 and "the disk is full" in answer["message"], answer
    with pytest.raises(urllib.error.HTTPError) as unready:
        urllib.request.urlopen(server.url + "/readyz")
    assert unready.value.code == 500 and b"it only reads since a write failed" in unready.value.read()
    assert urllib.request.urlopen(server.url + "/livez").read() == b"ok", "nothing is won by ending it"

    def all_there(reader):
        assert settings.check(reader) and run.check(reader)
        names = {item["metadata"]["name"] for item in reader.call("GET", CONFIGMAPS)[1]["items"]}
        assert names >= set(acknowledged), set(acknowledged) - names

    all_there(api)  # it reads on
    server.kill()
    server.start()  # on what the reserve has given back
    all_there(Api(server.url))
    server.kill()
    (small_disk / "filler").unlink()
    server.start()
    api = Api(server.url)
    all_there(api)
    assert urllib.request.urlopen(server.url + "/readyz").read() == b"ok"
    settings.write(api)
    run.write(api)
    all_there(api)

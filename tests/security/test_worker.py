"""A malicious pickle against the sandbox of the Python worker. Each attack first succeeds without the sandbox."""
import json
import os
import pickle
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from model_server import VENV, ModelServer  # noqa: E402

# Runs inside the worker when the pickle is loaded: an object whose predict() does what the first value says and tells
# how it went.
EVIL = '''
import os, socket, time

def attempt(call):
    try:
        return call()
    except BaseException as error:
        return type(error).__name__

def fork_many():
    children = 0
    for _ in range(400):
        if os.fork() == 0:
            time.sleep(1)
            os._exit(0)
        children += 1
    return "forked"

ATTACKS = {
    "read": lambda secret, port, target: open(secret).read(),
    "connect": lambda secret, port, target: socket.create_connection(("127.0.0.1", port), 3).recv(100).decode(),
    "write": lambda secret, port, target: open(target, "w").write("owned") and "written",
    "environ": lambda secret, port, target: open("/proc/%d/environ" % os.getppid(), "rb").read() and "seen",
    "kill": lambda secret, port, target: attempt(lambda: os.kill(os.getppid(), 0)) or "reached",
    "fork": lambda secret, port, target: fork_many(),
    "spin": lambda secret, port, target: any(iter(int, 1)),
    "die": lambda secret, port, target: os._exit(9),
    "hello": lambda secret, port, target: "hello",
}

class Model:
    def predict(self, data):
        word, secret, port, target = [str(item) for item in data]
        return [attempt(lambda: ATTACKS[word](secret, int(port), target))]

def make():
    return Model()
'''


class Evil:
    def __reduce__(self):
        return eval, (f"(lambda space: (exec({EVIL!r}, space), space['make']())[1])({{}})",)


class Banner(threading.Thread):
    """Stands for the control plane: says a secret word to whoever can connect."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                peer.sendall(b"welcome, owner")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evil")
    (folder / "model").mkdir()
    (folder / "model" / "model.pkl").write_bytes(pickle.dumps(Evil()))
    (folder / "secret").write_text("the owner's secret")
    (folder / "secret").chmod(0o600)
    banner = Banner()
    yield folder, banner.port
    banner.listener.close()


@pytest.fixture(scope="module")
def servers(world):
    folder, _ = world
    started = {
        True: ModelServer(folder / "model", folder / "in.log", "--environment", VENV, "--request-seconds", 3),
        False: ModelServer(folder / "model", folder / "out.log", "--environment", VENV, "--no-sandbox"),
    }
    for server in started.values():
        server.wait_until_ready()
    yield started
    for server in started.values():
        server.stop()


def attack(server, world, word):
    folder, port = world
    return server.infer({"inputs": [{"name": "x", "shape": [4], "datatype": "BYTES",
                                     "data": [word, str(folder / "secret"), str(port), str(folder / "written")]}]})


def outcome(server, world, word):
    status, body = attack(server, world, word)
    assert status == 200, body
    return body["outputs"][0]["data"][0]


@pytest.mark.parametrize("word, succeeds, blocked", [
    ("read", "the owner's secret", "FileNotFoundError"),
    ("connect", "welcome, owner", "OSError"),
    ("write", "written", "FileNotFoundError"),
    ("environ", "seen", "FileNotFoundError"),
    ("fork", "forked", "BlockingIOError"),
])
def test_attack_works_without_the_sandbox_and_not_in_it(servers, world, word, succeeds, blocked):
    assert outcome(servers[False], world, word) == succeeds
    (world[0] / "written").unlink(missing_ok=True)
    assert outcome(servers[True], world, word) == blocked
    assert not (world[0] / "written").exists()
    servers[True].wait_until_ready()


def test_the_worker_cannot_reach_its_parent(servers, world):
    assert outcome(servers[False], world, "kill") == "reached"
    assert outcome(servers[True], world, "kill") in ("ProcessLookupError", "PermissionError", "reached")
    # "reached" would be process 0 of its own namespace; the server is there either way
    assert servers[True].request("/v2/health/live")[0] == 200


@pytest.mark.parametrize("word, status, says", [
    ("spin", 504, "did not answer within 3 s"),
    ("die", 503, "the model's worker ended"),
])
def test_a_worker_that_spins_or_dies_is_replaced(servers, world, word, status, says):
    server = servers[True].wait_until_ready()
    got, body = attack(server, world, word)
    assert got == status and says in body["error"], body
    # Meanwhile the server lives, says that it is not ready, and answers requests with the reason.
    assert server.request("/v2/health/live")[0] == 200
    server.wait_until_ready()
    assert outcome(server, world, "hello") == "hello"


def test_a_model_that_spins_while_loading_is_ended(world, tmp_path):
    class Spin:
        def __reduce__(self):
            return eval, ("any(iter(int, 1))",)

    tmp_path.chmod(0o755)  # as root, the worker is somebody else
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Spin()))
    server = ModelServer(tmp_path, tmp_path / "log", "--environment", VENV, "--load-seconds", 3)
    assert server.request("/v2/health/live")[0] == 200
    assert server.request("/v2/health/ready")[0] == 503
    assert server.process.wait(timeout=30) == 6, server.log.read_text()
    assert "the model did not load within 3 s" in server.log.read_text()


def test_workers_end_with_their_server(world, tmp_path):
    folder, _ = world
    server = ModelServer(folder / "model", tmp_path / "log", "--environment", VENV).wait_until_ready()
    children = Path(f"/proc/{server.process.pid}/task")
    workers = {int(child) for task in children.iterdir() for child in (task / "children").read_text().split()}
    assert workers
    server.process.kill()
    server.process.wait()
    deadline = time.monotonic() + 90
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [pid for pid in workers if alive(pid)]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False

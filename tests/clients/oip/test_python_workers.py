"""Several Python workers of one model: they work at the same time, and one that dies fails nobody else's request."""
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from model_server import VENV, ModelServer  # noqa: E402

# predict(["who"]) names its process, "slow" does so after a moment, "die" ends it.
MODEL = '''
import os, time
class Model:
    def __init__(self):
        self.name = os.urandom(4).hex()
    def predict(self, data):
        if data[0] == "die":
            os._exit(9)
        if data[0] == "slow":
            time.sleep(0.3)
        return [self.name]
def make():
    return Model()
'''


class Pickled:
    def __reduce__(self):
        return eval, (f"(lambda space: (exec({MODEL!r}, space), space['make']())[1])({{}})",)


@pytest.fixture
def serve(tmp_path):
    tmp_path.chmod(0o755)  # as root, the workers are somebody else
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Pickled()))
    started = []

    def start(*arguments):
        started.append(ModelServer(tmp_path, tmp_path / "log", "--environment", VENV, *arguments).wait_until_ready())
        return started[-1]

    yield start
    for server in started:
        assert server.stop() == 0


def ask(server, word):
    status, body = server.infer({"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": [word]}]})
    return status, body["outputs"][0]["data"][0] if status == 200 else body["error"]


def together(server, words):
    with ThreadPoolExecutor(len(words)) as threads:
        return list(threads.map(lambda word: ask(server, word), words))


def grown(server, count):
    """Until `count` workers have answered."""
    names = set()
    for _ in range(100):
        answers = together(server, ["slow"] * count)
        assert {status for status, _ in answers} == {200}, answers
        names |= {name for _, name in answers}
        if len(names) == count:
            return names
    raise AssertionError(f"{len(names)} workers after 100 turns")


def test_workers_start_when_requests_wait_up_to_the_bound(serve, monkeypatch):
    monkeypatch.setenv("MLSERVER_PARALLEL_WORKERS", "2")
    server = serve()
    assert len({ask(server, "who") for _ in range(10)}) == 1  # one after another: one worker does
    names = grown(server, 2)
    assert {name for _, name in together(server, ["slow"] * 8)} == names  # four times the bound: no third
    answers = together(server, ["slow", "slow"])
    assert {name for _, name in answers} == names  # at the same time


def test_a_worker_that_dies_fails_its_own_request_only(serve):
    server = serve("--workers", "2")
    before = grown(server, 2)
    answers = together(server, ["slow"] * 4 + ["die"] + ["slow"] * 8)
    failed = [answer for answer in answers if answer[0] != 200]
    assert failed == [(503, "the model's worker ended while it worked on this request")]
    after = grown(server, 2)
    assert len(before & after) == 1  # the other one lived on


def test_requests_wait_for_the_only_worker_to_start_again(serve):
    server = serve("--workers", "1")
    first = ask(server, "who")
    answers = together(server, ["die"] + ["slow"] * 5)
    assert sorted(status for status, _ in answers) == [200] * 5 + [503]
    assert ask(server, "who")[1] != first[1]
    # One that dies before it has answered anything rests, and requests are told so.
    assert [ask(server, "die")[0] for _ in range(2)] == [503, 503]
    status, error = ask(server, "who")
    assert status == 503 and "the model's worker is being restarted: the model's worker ended" in error
    assert server.request("/v2/health/ready")[0] == 503
    server.wait_until_ready()
    assert ask(server, "who")[0] == 200

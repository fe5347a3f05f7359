"""What the tests of serving and of the console share: kubectl, small ONNX models that are told apart by their answers, and open-loop load."""
import os
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from http.client import HTTPConnection
from urllib.parse import urlparse

import numpy as np
import pytest

from modelkit import KUBECTL


class Kubectl:
    def __init__(self, server):
        self.environment = dict(os.environ, KUBECONFIG=str(server.kubeconfig), HOME=str(server.folder))

    def __call__(self, *words, stdin=None, check=True):
        answer = subprocess.run([str(KUBECTL), *words], env=self.environment, input=stdin, capture_output=True, text=True, timeout=120)
        if check and answer.returncode:
            pytest.fail(f"kubectl {' '.join(words)}: {answer.stderr}{answer.stdout}")
        return answer


def times(factor):
    """An ONNX model that multiplies its row by `factor`: two versions are told apart by what they answer."""
    from onnx import TensorProto, helper, numpy_helper
    value = numpy_helper.from_array(np.array([factor], dtype=np.float32), "f")
    node = helper.make_node("Mul", ["x", "f"], ["y"])
    info = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4])
    graph = helper.make_graph([node], "times", [info("x")], [info("y")], [value])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def register_times(server):
    """Through the real MLflow client: models:/times/1 answers x, /2 answers 2x, /3 does not load."""
    import mlflow
    from mlflow.models import infer_signature
    mlflow.set_tracking_uri(server.url)
    # Named, because the client keeps the last file's experiment in mind.
    experiment = mlflow.set_experiment("serving").experiment_id
    row = np.ones((1, 4), dtype=np.float32)
    # Named requirements, because finding them out loads every model in one more process.
    wanted = {"name": "m", "signature": infer_signature(row, row), "pip_requirements": ["onnx"]}
    for factor in (1, 2):
        with mlflow.start_run():
            mlflow.onnx.log_model(times(factor), registered_model_name="times", **wanted)
    with mlflow.start_run():
        info = mlflow.onnx.log_model(times(3), **wanted)
    model_id = info.model_id
    request = urllib.request.Request(
        f"{server.url}/api/2.0/mlflow-artifacts/artifacts/{experiment}/models/{model_id}/artifacts/model.onnx", data=b"this is no model", method="PUT")
    urllib.request.urlopen(request)
    mlflow.register_model(f"models:/{model_id}", "times")
    return "times"


class Load:
    """Open-loop requests until stopped; every answer is kept."""

    def __init__(self, url, model, rate=100):
        self.place, self.model, self.rate = urlparse(url), model, rate
        self.statuses, self.revisions, self.slowest = Counter(), Counter(), 0.0
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(4)]

    BODY = b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,1,1,1]}]}'

    def work(self, number):
        connection = HTTPConnection(self.place.netloc, timeout=30)
        turn = time.monotonic() + number / self.rate
        while not self.stopping.is_set():
            time.sleep(max(0, turn - time.monotonic()))
            turn += 4 / self.rate
            started = time.monotonic()
            try:
                connection.request("POST", f"{self.place.path}/v2/models/{self.model}/infer", self.BODY, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                self.statuses[answer.status] += 1
                self.revisions[answer.headers["X-Modelkit-Revision"]] += 1
            except OSError as error:
                self.statuses[type(error).__name__] += 1
                connection.close()
            self.slowest = max(self.slowest, time.monotonic() - started)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

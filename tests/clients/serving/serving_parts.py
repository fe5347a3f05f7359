"""What the serving tests share: kubectl, small ONNX models that are told apart by their answers, and open-loop load."""
import os
import subprocess
import threading
import time
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

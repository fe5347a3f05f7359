"""Models in Python as InferenceServices: the environment from the model's own requirements, the worker in its sandbox, the failure
that leaves the old version serving. The environment is built once a checkout and kept in build/python-models."""
import json
import shutil
import sys

import cloudpickle
import mlflow
import numpy as np
import pytest
import sklearn
import tritonclient.http as triton
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from test_serving import get, until, wait_ready
from urllib.parse import urlparse

from modelkit import ROOT, Modelkit
from serving_parts import Kubectl

FEATURES, LABELS = load_iris(return_X_y=True)
NEEDS = ["mlflow==3.17.2", f"scikit-learn=={sklearn.__version__}", f"numpy=={np.__version__}", "skops", f"cloudpickle=={cloudpickle.__version__}"]

SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: {name}}}
spec: {{predictor: {{model: {{modelFormat: {{name: {format}}}, storageUri: "{uri}"}}}}}}
"""


class Broken(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        raise RuntimeError("the weights were never uploaded")

    def predict(self, context, model_input, params=None):
        return model_input


class Curious(mlflow.pyfunc.PythonModel):
    """Tells what it reaches of the machine that serves it."""

    def __init__(self, url, folder):
        self.url, self.folder = url, folder

    def predict(self, context, model_input, params=None):
        import os
        import urllib.request

        def attempt(work):
            try:
                return str(work())
            except BaseException as error:
                return "blocked: " + type(error).__name__

        return np.array([attempt(lambda: urllib.request.urlopen(self.url + "/health", timeout=3).status),
                         attempt(lambda: os.listdir(self.folder)),
                         attempt(lambda: open("/etc/shadow").read()),
                         str(os.getuid() == 0)], dtype=object)


@pytest.fixture(scope="module")
def server():
    folder = ROOT / "build/python-models/data"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.name != "environments":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    started = Modelkit(folder)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def kubectl(server):
    return Kubectl(server)


@pytest.fixture(scope="module")
def registered(server):
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    mlflow.set_experiment("python models")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    model = LogisticRegression(max_iter=500).fit(FEATURES, LABELS)
    with mlflow.start_run():
        mlflow.sklearn.log_model(model, name="m", registered_model_name="iris", pip_requirements=NEEDS, signature=infer_signature(FEATURES, LABELS))
        mlflow.pyfunc.log_model(name="b", python_model=Broken(), registered_model_name="iris", pip_requirements=NEEDS)
        mlflow.pyfunc.log_model(name="c", python_model=Curious(server.url, str(server.folder)), registered_model_name="curious", pip_requirements=NEEDS)
    return model


def apply(kubectl, name, uri, format="sklearn"):
    kubectl("apply", "-f", "-", stdin=SERVICE.format(name=name, uri=uri, format=format))


def ask(kubectl, name, array, datatype):
    place = urlparse(get(kubectl, name)["status"]["url"])
    client = triton.InferenceServerClient(url=place.netloc + place.path, network_timeout=60)
    tensor = triton.InferInput("input-0", list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return client.infer(name, [tensor]).as_numpy("output-0")


def test_a_scikit_learn_model_answers_as_it_does_here_and_a_broken_one_does_not_replace_it(server, registered, kubectl):
    apply(kubectl, "iris", "models:/iris/1")
    settled = until(lambda: (s := get(kubectl, "iris"))["status"].get("conditions") and
                    (s["status"]["modelStatus"]["transitionStatus"] in ("UpToDate", "BlockedByFailedLoad")) and s, 400)
    assert settled["status"]["modelStatus"]["transitionStatus"] == "UpToDate", settled["status"]
    wait_ready(kubectl, "iris")
    assert (ask(kubectl, "iris", FEATURES, "FP64") == registered.predict(FEATURES)).all()
    environments = [e.name for e in (server.folder / "environments").iterdir() if (e / "pyvenv.cfg").exists()]
    apply(kubectl, "iris", "models:/iris/2", "pyfunc")
    service = until(lambda: (s := get(kubectl, "iris"))["status"]["modelStatus"]["transitionStatus"] == "BlockedByFailedLoad" and s, 120)
    failure = service["status"]["modelStatus"]["lastFailureInfo"]
    assert failure["reason"] == "ModelLoadFailed" and "the weights were never uploaded" in failure["message"], failure
    assert "iris-predictor-00001 still answers 100 % of the requests" in failure["message"]
    assert "the weights were never uploaded" in kubectl("describe", "isvc", "iris").stdout
    assert "the weights were never uploaded" in kubectl("get", "events", "--field-selector", "involvedObject.name=iris").stdout
    assert (ask(kubectl, "iris", FEATURES[:3], "FP64") == registered.predict(FEATURES[:3])).all()
    # Equal needs share one environment.
    assert environments == [e.name for e in (server.folder / "environments").iterdir() if (e / "pyvenv.cfg").exists()]


def test_what_a_served_model_reaches(server, registered, kubectl):
    apply(kubectl, "curious", "models:/curious/1", "pyfunc")
    wait_ready(kubectl, "curious")
    control_plane, folder, shadow, root = [t.decode() for t in ask(kubectl, "curious", np.zeros((1, 1)), "FP64").reshape(-1)]
    assert control_plane.startswith("blocked: ") and shadow.startswith("blocked: ")
    assert folder == "['environments']"  # the way to its own environment, and nothing else of the data folder
    assert root == "False"
    assert json.loads(kubectl("get", "isvc", "curious", "-o", "json").stdout)["status"]["modelStatus"]["transitionStatus"] == "UpToDate"

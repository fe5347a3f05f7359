"""Fixtures for the tests with real clients."""
import os
import sys

import pytest

from modelkit import Modelkit


@pytest.fixture
def make_server(tmp_path):
    """Starts servers; all are stopped at the end."""
    started = []

    def make(name="data", extra=()):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        server = Modelkit(folder, extra)
        started.append(server)
        return server

    yield make
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for a whole test file: for tests that do not disturb each other."""
    folder = tmp_path_factory.mktemp("modelkit") / "data"
    folder.mkdir()
    started = Modelkit(folder)
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def quiet_clients(monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "KUBECONFIG", "MODELKIT_SERVER", "MODELKIT_DATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="module")
def forgetful_mlflow():
    """The MLflow client keeps its server and experiment in variables of its own and in the environment; the next file has
    another server."""
    yield
    if mlflow := sys.modules.get("mlflow"):
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        mlflow.tracking.fluent._active_experiment_id = None
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_ID"):
        os.environ.pop(name, None)

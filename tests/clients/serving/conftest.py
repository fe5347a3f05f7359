"""Models to serve, registered through the real MLflow client."""
import urllib.request

import numpy as np
import pytest

from serving_parts import Kubectl, times


@pytest.fixture(scope="module")
def kubectl(server):
    return Kubectl(server)


@pytest.fixture(scope="module")
def registered(server):
    """models:/times/1 answers x, /2 answers 2x, /3 does not load."""
    import mlflow
    from mlflow.models import infer_signature
    mlflow.set_tracking_uri(server.url)
    row = np.ones((1, 4), dtype=np.float32)
    for factor in (1, 2):
        with mlflow.start_run():
            mlflow.onnx.log_model(times(factor), name="m", registered_model_name="times", signature=infer_signature(row, row))
    with mlflow.start_run():
        info = mlflow.onnx.log_model(times(3), name="m", signature=infer_signature(row, row))
    model_id = info.model_id
    request = urllib.request.Request(
        f"{server.url}/api/2.0/mlflow-artifacts/artifacts/0/models/{model_id}/artifacts/model.onnx", data=b"this is no model", method="PUT")
    urllib.request.urlopen(request)
    mlflow.register_model(f"models:/{model_id}", "times")
    return "times"

"""Asks a served model with the unmodified Triton client and compares with the model loaded here.

    python predict.py http://127.0.0.1:7080/serving/default/wine models:/wine/1 rows.npy
"""
import os
import sys
from urllib.parse import urlparse

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import logging

import mlflow
import numpy as np
import tritonclient.http as triton
from tritonclient.utils import triton_to_np_dtype


logging.getLogger("mlflow").setLevel(logging.ERROR)


def ask(url, model, rows):
    """Class labels from the served model, sent and received as binary tensors."""
    place = urlparse(url)
    client = triton.InferenceServerClient(url=place.netloc + place.path)
    metadata = client.get_model_metadata(model)
    tensor = triton.InferInput(metadata["inputs"][0]["name"], list(rows.shape), metadata["inputs"][0]["datatype"])
    tensor.set_data_from_numpy(rows.astype(triton_to_np_dtype(metadata["inputs"][0]["datatype"])))
    answer = client.infer(model, [tensor])
    return answer.as_numpy(metadata["outputs"][0]["name"])


def main():
    url, uri, file = sys.argv[1:4]
    rows = np.load(file)
    model = urlparse(url).path.rsplit("/", 1)[1]
    served = ask(url, model, rows)
    local = mlflow.pyfunc.load_model(uri).predict(rows)
    local = local["label"] if isinstance(local, dict) else local
    if not np.array_equal(served.ravel(), np.asarray(local).ravel()):
        sys.exit(f"served {served.ravel()} differs from local {np.asarray(local).ravel()}")
    print(f"  {len(rows)} rows: served = local = {served.ravel().tolist()}")


if __name__ == "__main__":
    main()

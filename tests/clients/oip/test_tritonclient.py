"""The Open Inference Protocol through the unmodified tritonclient, against models made by the real exporters."""
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from model_server import VENV, ModelServer  # noqa: E402

TESTDATA = Path(__file__).resolve().parents[3] / "src/dataplane/engines/onnx/testdata"
TYPES = {"bool": ("BOOL", bool), "i8": ("INT8", np.int8), "i16": ("INT16", np.int16), "i32": ("INT32", np.int32),
         "i64": ("INT64", np.int64), "u8": ("UINT8", np.uint8), "u16": ("UINT16", np.uint16),
         "u32": ("UINT32", np.uint32), "u64": ("UINT64", np.uint64), "f16": ("FP16", np.float16),
         "f32": ("FP32", np.float32), "f64": ("FP64", np.float64), "text": ("BYTES", object)}


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    started = []

    def start(folder, name, *arguments):
        log = tmp_path_factory.mktemp("server") / "log"
        server = ModelServer(folder, log, *arguments, name=name).wait_until_ready()
        started.append(server)
        return server, triton.InferenceServerClient(f"127.0.0.1:{server.port}")

    yield start
    for server in started:
        assert server.stop() == 0


@pytest.fixture(scope="module")
def linear(serve):
    return serve(TESTDATA / "linear.onnx", "linear")


@pytest.fixture(scope="module")
def identity(serve):
    return serve(TESTDATA / "identity.onnx", "identity")


def ask(name, array, datatype, binary):
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def test_health_and_metadata(linear):
    _, client = linear
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("linear") and client.is_model_ready("linear", "1")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["name"] == "modelkit"
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("linear")
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]
    assert metadata["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}]


@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True])
def test_infer(linear, binary_in, binary_out):
    _, client = linear
    x = np.random.default_rng(1).normal(size=(5, 3)).astype("f")
    outputs = [triton.InferRequestedOutput("y", binary_data=binary_out)]
    result = client.infer("linear", [ask("x", x, "FP32", binary_in)], outputs=outputs, request_id="r-1")
    assert result.get_response()["id"] == "r-1"
    wanted = x @ np.array([[1, 0], [0, 1], [1, 1]], "f") + np.array([0.5, -0.5], "f")
    np.testing.assert_allclose(result.as_numpy("y"), wanted, rtol=1e-6)


@pytest.mark.parametrize("binary", [False, True])
def test_every_datatype(identity, binary):
    _, client = identity
    random = np.random.default_rng(2)
    inputs, sent = [], {}
    for name, (datatype, kind) in TYPES.items():
        if kind is object:
            sent[name] = np.array([b"wine", "né".encode(), b""], dtype=object)
        elif kind is bool:
            sent[name] = np.array([True, False, True])
        elif np.issubdtype(kind, np.integer):
            limits = np.iinfo(kind)
            sent[name] = np.array([limits.min, limits.max, 7], dtype=kind)
        else:
            sent[name] = random.normal(size=3).astype(kind)
        # tritonclient itself sends FP16 as binary only
        inputs.append(ask(name, sent[name], datatype, binary or datatype == "FP16"))
    outputs = [triton.InferRequestedOutput(n + "_out", binary_data=binary or n == "f16") for n in TYPES]
    result = client.infer("identity", inputs, outputs=outputs)
    for name, array in sent.items():
        got = result.as_numpy(name + "_out")
        if array.dtype == object and not binary:
            got = np.array([text.encode() for text in got], dtype=object)
        np.testing.assert_array_equal(got, array, err_msg=name)


def test_mistakes_are_named(linear):
    _, client = linear
    x = np.zeros((1, 3), "f")
    for tensors, says in [
        ([ask("q", x, "FP32", True)], 'no input "q"; it takes "x"'),
        ([ask("x", np.zeros((1, 4), "f"), "FP32", True)], "shape is [1,4], the model takes [-1,3]"),
        ([ask("x", np.zeros((1, 3), "d"), "FP64", False)], "datatype is FP64, the model takes FP32"),
    ]:
        with pytest.raises(InferenceServerException) as error:
            client.infer("linear", tensors)
        assert error.value.status() == "400" and says in error.value.message(), error.value.message()
    with pytest.raises(InferenceServerException) as error:
        client.infer("other", [ask("x", x, "FP32", True)])
    assert error.value.status() == "404" and 'no model "other"' in error.value.message()


def test_hostile_requests(linear):
    server, client = linear
    good = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}
    path = "/v2/models/linear/infer"
    for body, headers in [
        (b"", {}), (b"{", {}), (b"[" * 100_000, {}), (b'{"inputs":' + b"[" * 50_000, {}), (b"\xff\xfe", {}),
        (json.dumps(good).encode(), {"Inference-Header-Content-Length": "-1"}),
        (json.dumps(good).encode(), {"Inference-Header-Content-Length": "99999"}),
        (json.dumps(good).encode(), {"Content-Encoding": "gzip"}),
        (json.dumps({"inputs": [{"name": "x", "shape": [2**62, 4], "datatype": "FP32", "data": [1]}]}).encode(), {}),
        (json.dumps({"inputs": [{"name": "x", "shape": [10**11, 3], "datatype": "FP32", "data": [1]}]}).encode(), {}),
    ]:
        status, text = server.request(path, body, headers)
        assert status == 400, (body[:50], headers, status, text)
        assert json.loads(text)["error"]
    for target, status in [("/", 404), ("/v2/models/linear/../x", 404), ("/v2/models/%00", 404), (path, 400)]:
        assert server.request(target)[0] == status, target
    assert server.infer(good)[0] == 200


def test_scikit_learn_through_onnx(serve):
    server, client = serve(TESTDATA / "zipmap.onnx", "classes")
    result = client.infer("classes", [ask("X", np.array([[0, 0], [2, 3]], "f"), "FP32", True)])
    assert [t.decode() for t in result.as_numpy("output_label")] == ["a", "c"]
    chances = result.as_numpy("output_probability")
    assert chances.shape == (2, 3) and np.allclose(chances.sum(axis=1), 1)


def test_mlflow_model_in_its_worker(serve, tmp_path):
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.datasets import load_wine
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = load_wine(return_X_y=True, as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    mlflow.sklearn.save_model(model, tmp_path / "wine", signature=infer_signature(X, model.predict(X)),
                              pip_requirements=["scikit-learn"])
    server, client = serve(tmp_path / "wine", "wine", "--environment", VENV)
    assert client.get_model_metadata("wine")["inputs"][0] == {"name": "alcohol", "datatype": "FP64", "shape": [-1, 1]}
    # the whole table as one tensor ...
    result = client.infer("wine", [ask("input-0", X.to_numpy(), "FP64", True)])
    np.testing.assert_array_equal(result.as_numpy("output-0"), model.predict(X))
    # ... or column by column
    columns = [ask(c, X[[c]].to_numpy()[:5], "FP64", False) for c in X.columns]
    np.testing.assert_array_equal(client.infer("wine", columns).as_numpy("output-0"), model.predict(X[:5]))
    with pytest.raises(InferenceServerException) as error:
        client.infer("wine", columns[1:])
    assert error.value.status() == "400" and "missing inputs: alcohol" in error.value.message()
    with pytest.raises(InferenceServerException) as error:
        client.infer("wine", [ask("input-0", X.to_numpy()[:, :5].copy(), "FP64", True)])
    assert "has 5 columns, the model takes 13" in error.value.message()


def test_a_model_that_does_not_load_says_why(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    server = ModelServer(tmp_path, tmp_path / "log")
    assert server.process.wait(timeout=20) == 1
    assert "the model does not load: the ONNX model does not load" in server.log.read_text()

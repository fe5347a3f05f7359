"""Every call of a plain script, by the unmodified client, through a recorder: each row must send the requests that MLflow's
own server would see, and no request may be refused but those that ask whether something is there."""
import http.client
import re
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
import numpy
import pandas
import pytest
from mlflow import MlflowClient
from mlflow.utils import server_info
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

FEATURES, LABELS = load_iris(return_X_y=True)


class Recorder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target, seen = None, []

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) if "chunked" not in self.headers.get("Transfer-Encoding", "") else self.chunks()
        place = urllib.parse.urlsplit(self.target)
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "transfer-encoding", "content-length", "connection")}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        Recorder.seen.append((self.command, urllib.parse.urlsplit(self.path).path, answer.status))
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
        connection.close()

    def chunks(self):
        out = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            out += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return out

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = forward

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def recorder(server):
    Recorder.target = server.url
    listener = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    listener.daemon_threads = True
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listener.server_address[1]}"
    listener.shutdown()
    listener.server_close()


@pytest.fixture(autouse=True)
def client(recorder):
    server_info._SERVER_INFO_CACHE.clear()  # the client remembers it for a minute, and the row would not show it
    mlflow.set_tracking_uri(recorder)
    mlflow.set_registry_uri(recorder)
    mlflow.set_experiment("plain session")
    yield
    mlflow.end_run()


def log_model(name, registered=None):
    model = LogisticRegression(max_iter=500).fit(FEATURES, LABELS)
    return mlflow.sklearn.log_model(model, name=name, registered_model_name=registered, pip_requirements=["scikit-learn"])


def set_experiment(_):
    name = f"new-{time.time_ns()}"
    assert mlflow.set_experiment(name).name == name
    assert mlflow.set_experiment(name).name == name


def start_and_end(_):
    with mlflow.start_run() as run:
        pass
    assert mlflow.get_run(run.info.run_id).info.status == "FINISHED"


def log_values(_):
    with mlflow.start_run() as run:
        mlflow.log_param("a", 1)
        mlflow.log_params({"b": 2, "c": 3})
        mlflow.log_metric("m", 0.5)
        mlflow.log_metrics({"x": 1, "y": 2}, step=3)
        mlflow.set_tag("t", "v")
        mlflow.set_tags({"u": "w"})
    data = mlflow.get_run(run.info.run_id).data
    assert data.params == {"a": "1", "b": "2", "c": "3"} and data.metrics == {"m": 0.5, "x": 1, "y": 2} and data.tags["u"] == "w"


def log_files(tmp_path):
    (tmp_path / "file.txt").write_text("from a file")
    with mlflow.start_run() as run:
        mlflow.log_text("a text", "notes/a.txt")
        mlflow.log_artifact(tmp_path / "file.txt")
        mlflow.log_dict({"a": 1}, "a.json")
    assert mlflow.artifacts.load_text(run.info.artifact_uri + "/file.txt") == "from a file"


def list_and_download(tmp_path):
    with mlflow.start_run() as run:
        mlflow.log_text("a text", "notes/a.txt")
    assert [f.path for f in mlflow.artifacts.list_artifacts(run_id=run.info.run_id)] == ["notes"]
    local = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="notes/a.txt", dst_path=str(tmp_path))
    assert open(local).read() == "a text"


def search_and_history(_):
    with mlflow.start_run() as run:
        for step in range(3):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
    assert run.info.run_id in list(mlflow.search_runs(filter_string="metrics.loss < 0.5").run_id)
    assert [m.step for m in MlflowClient().get_metric_history(run.info.run_id, "loss")] == [0, 1, 2]


def log_and_register(_):
    with mlflow.start_run():
        info = log_model("model", "plain-logged")
    assert MlflowClient().get_model_version("plain-logged", 1).source == f"models:/{info.model_id}"


def register_of_a_run(_):
    with mlflow.start_run() as run:
        log_model("model")
    assert mlflow.register_model(f"runs:/{run.info.run_id}/model", "plain-registered").version == "1"


def load_by_alias(_):
    with mlflow.start_run():
        log_model("model", "plain-loaded")
    MlflowClient().set_registered_model_alias("plain-loaded", "champion", 1)
    assert mlflow.pyfunc.load_model("models:/plain-loaded@champion").predict(FEATURES[:2]).tolist() == [0, 0]


def dataset_input(_):
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(pandas.DataFrame({"a": [1]}), name="d"), context="training")
    assert mlflow.get_run(run.info.run_id).inputs.dataset_inputs[0].dataset.name == "d"


def prompts(_):
    mlflow.genai.register_prompt("plain-prompt", "Hello {{name}}")
    mlflow.genai.set_prompt_alias("plain-prompt", alias="live", version=1)
    assert mlflow.genai.load_prompt("prompts:/plain-prompt@live").format(name="Ada") == "Hello Ada"
    assert "plain-prompt" in [p.name for p in mlflow.genai.search_prompts()]


def nested_and_figures(_):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    figure.subplots().plot([1, 2])
    with mlflow.start_run() as parent:
        with mlflow.start_run(nested=True) as child:
            mlflow.log_figure(figure, "plot.png")
            mlflow.log_image(numpy.zeros((2, 2, 3), dtype=numpy.uint8), "black.png")
    assert mlflow.get_parent_run(child.info.run_id).info.run_id == parent.info.run_id


def autolog(_):
    mlflow.sklearn.autolog(log_models=False)
    try:
        with mlflow.start_run() as run:
            LogisticRegression(C=0.5, max_iter=500).fit(FEATURES, LABELS)
    finally:
        mlflow.sklearn.autolog(disable=True)
    data = mlflow.get_run(run.info.run_id).data
    assert data.params["C"] == "0.5" and data.metrics["training_accuracy_score"] > 0.9


API, FILES = "/api/2.0/mlflow/", "/api/2.0/mlflow-artifacts/artifacts"
# call, what must have been sent (method, path), which of it may be refused because it asks whether something is there
ROWS = [
    (set_experiment, ["GET experiments/get-by-name", "POST experiments/create", "GET experiments/get"], {"experiments/get-by-name"}),
    (start_and_end, ["POST runs/create", "GET runs/get", "POST runs/update"], set()),
    (log_values, ["POST runs/log-parameter", "POST runs/log-batch", "POST runs/log-metric", "POST runs/set-tag"], set()),
    (log_files, ["GET runs/get", f"PUT {FILES}/N/R/artifacts/notes/a.txt", f"PUT {FILES}/N/R/artifacts/file.txt"], set()),
    (list_and_download, ["GET runs/get", f"GET {FILES}", "GET /api/3.0/mlflow/server-info", f"GET {FILES}/N/R/artifacts/notes/a.txt"], set()),
    (search_and_history, ["POST runs/search", "GET metrics/get-history"], set()),
    (log_and_register, ["POST runs/create", "POST logged-models", "POST runs/outputs", "GET logged-models/M", f"PUT {FILES}/N/models/M/artifacts/MLmodel",
                        "PATCH logged-models/M", "POST registered-models/create", "POST model-versions/create", "PATCH logged-models/M/tags",
                        "POST runs/update"], set()),
    (register_of_a_run, ["POST registered-models/create", "GET runs/get", f"GET {FILES}", "POST logged-models/search", "POST model-versions/create"], set()),
    (load_by_alias, ["GET registered-models/alias", "GET registered-models/get", "GET model-versions/get-download-uri", f"GET {FILES}"], set()),
    (dataset_input, ["POST runs/log-inputs"], set()),
    (prompts, ["POST registered-models/create", "POST model-versions/create", "POST registered-models/alias"], {"registered-models/get", "registered-models/create"}),
    (nested_and_figures, [f"PUT {FILES}/N/R/artifacts/plot.png"], set()),
    (autolog, ["POST runs/log-batch"], set()),
]


def shape(path):
    path = path.removeprefix(API)
    path = re.sub(r"(?<=/)m-[0-9a-f]{32}", "M", path)
    return re.sub(r"(?<=artifacts/)\d+(?=/)", "N", re.sub(r"(?<=/)[0-9a-f]{32}", "R", path))


@pytest.mark.parametrize("call, wanted, may_be_absent", ROWS, ids=[row[0].__name__ for row in ROWS])
def test_row(call, wanted, may_be_absent, tmp_path):
    Recorder.seen.clear()
    call(tmp_path)
    sent = [(f"{method} {shape(path)}", status) for method, path, status in Recorder.seen]
    assert not [w for w in wanted if w not in {what for what, _ in sent}], sent
    refused = [(what, status) for what, status in sent if status >= 400 and what.split(" ", 1)[1] not in may_be_absent]
    assert not refused, refused

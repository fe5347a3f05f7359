"""InferenceServices through kubectl, the command line and the Triton client: deploy, canary, failure, restart."""
import json
import time
from http.client import HTTPConnection
from urllib.parse import urlparse

import numpy as np
import pytest
import tritonclient.http as triton

from serving_parts import Kubectl, Load, times

SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: {name}}}
spec:
  predictor:
    {extra}
    model:
      modelFormat: {{name: onnx}}
      storageUri: {uri}
"""


def apply(kubectl, name, uri, extra=""):
    kubectl("apply", "-f", "-", stdin=SERVICE.format(name=name, uri=uri, extra=extra))


def wait_ready(kubectl, name):
    # observedGeneration first: right after an apply the old Ready still stands.
    generation = kubectl("get", "isvc", name, "-o", "jsonpath={.metadata.generation}").stdout
    kubectl("wait", f"--for=jsonpath={{.status.observedGeneration}}={generation}", f"isvc/{name}", "--timeout=60s")
    kubectl("wait", "--for=condition=Ready", f"isvc/{name}", "--timeout=60s")


def get(kubectl, name):
    return json.loads(kubectl("get", "isvc", name, "-o", "json").stdout)


def ask(url, model, value=1.0):
    place = urlparse(url)
    client = triton.InferenceServerClient(url=place.netloc + place.path)
    tensor = triton.InferInput("x", [1, 4], "FP32")
    tensor.set_data_from_numpy(np.full((1, 4), value, dtype=np.float32))
    return client.infer(model, [tensor]).as_numpy("y")[0, 0]


def until(what, seconds=30):
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, "that did not happen in time"
        time.sleep(0.02)
    return answer


def test_apply_predict_delete(server, registered, kubectl):
    apply(kubectl, "first", "models:/times/2")
    wait_ready(kubectl, "first")
    service = get(kubectl, "first")
    status = service["status"]
    assert {c["type"]: c["status"] for c in status["conditions"]} | {"Ready": "True", "PredictorReady": "True", "IngressReady": "True"} == {
        c["type"]: c["status"] for c in status["conditions"]}
    assert status["components"]["predictor"]["traffic"] == [{"latestRevision": True, "percent": 100, "revisionName": "first-predictor-00001"}]
    assert status["modelStatus"]["states"] == {"activeModelState": "Loaded", "targetModelState": "Loaded"}
    assert ask(status["url"], "first", 3.0) == 6.0
    # By host, as behind an ingress, and by the plain path.
    place = urlparse(server.data_url)
    for host, path in (("first.default.localhost", "/v2/models/first"), (place.netloc, "/v2/models/first")):
        connection = HTTPConnection(place.netloc)
        connection.request("GET", path, headers={"Host": host})
        assert json.load(connection.getresponse())["name"] == "first"
    kubectl("delete", "isvc", "first", "--wait=true")
    until(lambda: "first" not in kubectl("get", "pods", "-o", "name").stdout)
    connection = HTTPConnection(place.netloc)
    connection.request("GET", "/serving/default/first/v2/health/ready")
    answer = connection.getresponse()
    assert answer.status == 404 and "error" in json.load(answer)


def test_versions_change_under_load_without_a_failed_request(server, registered, kubectl):
    apply(kubectl, "busy", "models:/times/1")
    wait_ready(kubectl, "busy")
    url = get(kubectl, "busy")["status"]["url"]
    with Load(url, "busy") as load:
        for turn in range(4):
            apply(kubectl, "busy", f"models:/times/{2 - turn % 2}", "canaryTrafficPercent: 50" if turn == 2 else "")
            wait_ready(kubectl, "busy")
            time.sleep(1)  # traffic, not a wait for an outcome
        time.sleep(4)      # the last old revision is scaled down meanwhile
    assert set(load.statuses) == {200}, load.statuses
    assert sum(load.statuses.values()) > 300
    assert len(load.revisions) >= 2
    assert load.slowest < 1.0


def test_a_model_that_does_not_load_leaves_the_old_one_serving(server, registered, kubectl):
    apply(kubectl, "steady", "models:/times/1")
    wait_ready(kubectl, "steady")
    apply(kubectl, "steady", "models:/times/3")
    service = until(lambda: (s := get(kubectl, "steady"))["status"]["modelStatus"]["transitionStatus"] == "BlockedByFailedLoad" and s)
    ready = next(c for c in service["status"]["conditions"] if c["type"] == "Ready")
    assert ready["status"] == "False"
    assert "steady-predictor-00002" in ready["message"]
    assert "steady-predictor-00001 still answers 100 % of the requests" in ready["message"]
    assert ask(service["status"]["url"], "steady") == 1.0
    described = kubectl("describe", "isvc", "steady").stdout
    assert "RevisionFailed" in described
    # The way back is the old model.
    apply(kubectl, "steady", "models:/times/1")
    wait_ready(kubectl, "steady")


@pytest.mark.parametrize("uri, sentence", [
    ("models:/times/99", "times"),
    ("models:/nobody/1", "nobody"),
    ("models:/times@nowhere", "nowhere"),
    ("file:///etc", "file:///etc"),
    ("s3://bucket/x", "s3://bucket/x"),
])
def test_models_that_cannot_be_found_say_so(server, registered, kubectl, uri, sentence):
    apply(kubectl, "lost", uri)
    message = until(lambda: kubectl("get", "isvc", "lost", "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].message}").stdout)
    assert sentence in message
    assert kubectl("get", "deployments", "-o", "name").stdout.count("lost") == 0
    kubectl("delete", "isvc", "lost")


def test_own_containers(server, kubectl):
    kubectl("apply", "-f", "-", stdin="""
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: own}
spec:
  predictor:
    containers:
    - name: kserve-container
      image: my/predictor:v1
      command: [/usr/bin/python3.11, -u, -c, "import os, http.server as h\\nclass H(h.BaseHTTPRequestHandler):\\n  def do_GET(s): s.send_response(200); s.send_header('Content-Length', '2'); s.end_headers(); s.wfile.write(b'hi')\\nh.HTTPServer((os.environ['POD_IP'], 8080), H).serve_forever()"]
      ports: [{containerPort: 8080}]
      readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
""")
    message = until(lambda: (m := kubectl("get", "isvc", "own", "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].message}").stdout)
                    and "image map" in m and m)
    assert "modelkit image map my/predictor:v1 PATH|env" in message
    server.run("image", "map", "my/predictor:v1", "env")
    wait_ready(kubectl, "own")
    place = urlparse(get(kubectl, "own")["status"]["url"])
    connection = HTTPConnection(place.netloc)
    connection.request("GET", place.path + "/")
    assert connection.getresponse().read() == b"hi"
    kubectl("delete", "isvc", "own")


def test_the_command_line(server, registered):
    done = server.run("deploy", "models:/times/1", "--name", "cli", "--format", "onnx")
    assert "cli is ready" in done.stdout
    done = server.run("deploy", "models:/times/2", "--name", "cli", "--format", "onnx", "--canary", "20")
    assert "20 %  cli-predictor-00002" in done.stdout
    assert "20 %  cli-predictor-00002  (latest)" in server.run("rollout", "status", "cli").stdout
    done = server.run("rollout", "abort", "cli")
    assert "100 %  cli-predictor-00001" in done.stdout
    failed = server.run("rollout", "promote", "cli", check=False)
    assert failed.returncode == 1 and "cli has no canary to promote" in failed.stderr
    failed = server.run("deploy", "models:/times/3", "--name", "cli", "--format", "onnx", check=False)
    assert failed.returncode == 1 and "cli-predictor-00003" in failed.stderr and "modelkit describe isvc cli" in failed.stderr
    assert "cli" in server.run("get", "isvc").stdout
    assert "Events:" in server.run("describe", "isvc", "cli").stdout
    missing = server.run("get", "isvc", "nobody", check=False)
    assert missing.returncode == 3


def test_predictions_go_on_while_the_control_plane_is_dead(make_server, monkeypatch):
    """kill -9, predictions meanwhile, and adoption afterwards: the same Pod under the same process."""
    import mlflow
    server = make_server("mortal")
    kubectl = Kubectl(server)
    mlflow.set_tracking_uri(server.url)
    mlflow.set_experiment("serving")
    with mlflow.start_run():
        mlflow.onnx.log_model(times(2), name="m", registered_model_name="times")
    apply(kubectl, "alive", "models:/times/1")
    wait_ready(kubectl, "alive")
    url = get(kubectl, "alive")["status"]["url"]
    before = json.loads(kubectl("get", "pods", "-o", "json").stdout)["items"]
    with Load(url, "alive") as load:
        time.sleep(0.5)
        server.kill()
        time.sleep(1)
        server.start()
        wait_ready(Kubectl(server), "alive")
        time.sleep(0.5)
    assert set(load.statuses) == {200}, load.statuses
    after = json.loads(Kubectl(server)("get", "pods", "-o", "json").stdout)["items"]
    assert [(p["metadata"]["uid"], p["status"]["containerStatuses"][0]["restartCount"]) for p in before] == [
        (p["metadata"]["uid"], p["status"]["containerStatuses"][0]["restartCount"]) for p in after]
    assert ask(url, "alive") == 2.0

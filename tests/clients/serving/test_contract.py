"""What clients block on: the status of an InferenceService as KServe's clients and kubectl read it, through a deployment, a
canary, a promotion, a failure and a wrong change; and requests that are under way when their revision goes."""
import json
import re
import threading
import time
from collections import Counter
from http.client import HTTPConnection
from urllib.parse import urlparse

import pytest
from test_serving import apply, ask, get, until, wait_ready

from serving_parts import Load


def conditions(service):
    return {c["type"]: c for c in service["status"]["conditions"]}


def predictor(service):
    return service["status"]["components"]["predictor"]


def test_a_service_that_is_ready(server, registered, kubectl):
    apply(kubectl, "contract", "models:/times/1")
    wait_ready(kubectl, "contract")
    service = get(kubectl, "contract")
    status = service["status"]
    found = conditions(service)
    assert {"Ready", "PredictorReady", "IngressReady", "RoutesReady", "LatestDeploymentReady"} <= set(found)
    assert {c["status"] for c in found.values()} == {"True"}
    assert all(re.match(r"\d{4}-\d\d-\d\dT", c["lastTransitionTime"]) for c in found.values())
    assert status["observedGeneration"] == service["metadata"]["generation"]
    assert status["url"] == status["address"]["url"] == f"{server.data_url}/serving/default/contract"
    assert (status["deploymentMode"], status["servingRuntimeName"]) == ("Standard", "modelkit-model-server")
    model = status["modelStatus"]
    assert model["transitionStatus"] == "UpToDate" and model["copies"] == {"totalCopies": 1, "failedCopies": 0}
    assert model["states"] == {"activeModelState": "Loaded", "targetModelState": "Loaded"} and "lastFailureInfo" not in model
    revision = "contract-predictor-00001"
    part = predictor(service)
    assert [part[f"latest{what}Revision"] for what in ("Created", "Ready", "Rolledout")] == [revision] * 3
    assert part["address"]["url"] == status["url"] and part["restUrl"] == part["url"]
    # The URL of the component is one by host name; it answers too.
    place = urlparse(server.data_url)
    connection = HTTPConnection(place.netloc)
    connection.request("GET", "/v2/health/ready", headers={"Host": urlparse(part["url"]).netloc})
    assert connection.getresponse().status == 200


def test_a_canary_its_columns_and_its_promotion(server, registered, kubectl):
    apply(kubectl, "stages", "models:/times/1")
    wait_ready(kubectl, "stages")
    apply(kubectl, "stages", "models:/times/2", "canaryTrafficPercent: 10")
    wait_ready(kubectl, "stages")
    one, two = "stages-predictor-00001", "stages-predictor-00002"
    part = predictor(get(kubectl, "stages"))
    assert part["traffic"] == [{"revisionName": two, "percent": 10, "latestRevision": True},
                               {"revisionName": one, "percent": 90, "latestRevision": False, "tag": "prev"}]
    assert (part["latestCreatedRevision"], part["latestReadyRevision"], part["latestRolledoutRevision"]) == (two, two, one)
    header, row = kubectl("get", "isvc", "stages").stdout.splitlines()
    assert header.split() == ["NAME", "URL", "READY", "PREV", "LATEST", "PREVROLLEDOUTREVISION", "LATESTREADYREVISION", "AGE"]
    assert row.split()[:7] == ["stages", f"{server.data_url}/serving/default/stages", "True", "90", "10", one, two]
    server.run("rollout", "promote", "stages")
    service = get(kubectl, "stages")
    assert predictor(service)["traffic"] == [{"revisionName": two, "percent": 100, "latestRevision": True}]
    assert (predictor(service)["latestRolledoutRevision"], predictor(service)["previousRolledoutRevision"]) == (two, one)
    assert kubectl("get", "isvc", "stages").stdout.splitlines()[1].split()[2:5] == ["True", "100", two]
    events = kubectl("get", "events", "--field-selector", "involvedObject.name=stages").stdout
    assert "RolledOut" in events and f"{two} answers 100 % of the requests" in events


def test_the_share_is_counted_at_the_revisions_under_parallel_load(server, registered, kubectl):
    """Eight connections at once, 10,000 requests: what each model server itself has answered, not what a header says."""
    apply(kubectl, "counted", "models:/times/1")
    wait_ready(kubectl, "counted")
    apply(kubectl, "counted", "models:/times/2", "canaryTrafficPercent: 10")
    wait_ready(kubectl, "counted")
    place, answers = urlparse(get(kubectl, "counted")["status"]["url"]), Counter()
    lock = threading.Lock()

    def work():
        mine, connection = Counter(), HTTPConnection(place.netloc, timeout=30)
        for _ in range(1250):
            connection.request("POST", f"{place.path}/v2/models/counted/infer", Load.BODY, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            mine[answer.status, json.load(answer)["outputs"][0]["data"][0], answer.headers["X-Modelkit-Revision"][-1]] += 1
        with lock:
            answers.update(mine)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) == {(200, 1.0, "1"), (200, 2.0, "2")}  # the header tells the truth
    assert sum(answers.values()) == 10_000 and abs(answers[200, 2.0, "2"] - 1000) <= 100


def test_a_failed_load_is_told_everywhere(server, registered, kubectl):
    apply(kubectl, "fails", "models:/times/1")
    wait_ready(kubectl, "fails")
    apply(kubectl, "fails", "models:/times/3")
    service = until(lambda: (s := get(kubectl, "fails"))["status"]["modelStatus"]["transitionStatus"] == "BlockedByFailedLoad" and s)
    model, found = service["status"]["modelStatus"], conditions(service)
    assert model["states"] == {"activeModelState": "Loaded", "targetModelState": "FailedToLoad"}
    failure = model["lastFailureInfo"]
    assert (failure["reason"], failure["modelRevisionName"]) == ("ModelLoadFailed", "fails-predictor-00002")
    assert failure["location"].startswith("fails-predictor-00002-") and failure["exitCode"] != 0 and failure["time"]
    why = "the model does not load"
    assert why in failure["message"] and model["copies"]["failedCopies"] == 1
    for type_, status in {"Ready": "False", "PredictorReady": "False", "LatestDeploymentReady": "False", "IngressReady": "True", "RoutesReady": "True"}.items():
        assert found[type_]["status"] == status, type_
    assert why in found["Ready"]["message"] and "fails-predictor-00001 still answers 100 % of the requests" in found["Ready"]["message"]
    for told in (kubectl("get", "events", "--field-selector", "involvedObject.name=fails").stdout, kubectl("describe", "isvc", "fails").stdout,
                 server.run("describe", "isvc", "fails").stdout, server.run("rollout", "status", "fails", check=False).stdout):
        assert why in told, told
    assert why in server.run("logs", "isvc/fails", check=False).stdout
    assert ask(service["status"]["url"], "fails", 3.0) == 3.0


@pytest.mark.parametrize("change, reason, says", [
    ({"model": {"modelFormat": {"name": "caffe"}}}, "NoSupportingRuntime", 'no runtime here reads the model format "caffe"'),
    ({"model": {"storageUri": "models:/times/99"}}, "ModelLoadFailed", "version=99"),
    ({"model": {"storageUri": "models:/nobody@champion"}}, "ModelLoadFailed", "nobody"),
    ({"model": {"storageUri": "http://169.254.169.254/latest"}}, "ModelLoadFailed", "http://169.254.169.254/latest"),
    ({"model": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}, "RuntimeUnhealthy", "needs 1 nvidia.com/gpu; no node has one"),
], ids=["format", "version", "alias", "ssrf", "gpu"])
def test_a_wrong_change_leaves_the_old_one_serving(server, registered, kubectl, request, change, reason, says):
    name = "wrong-" + request.node.callspec.id
    apply(kubectl, name, "models:/times/2")
    wait_ready(kubectl, name)
    kubectl("patch", "isvc", name, "--type=merge", "-p", json.dumps({"spec": {"predictor": change}}))
    generation = get(kubectl, name)["metadata"]["generation"]
    service = until(lambda: (s := get(kubectl, name))["status"]["observedGeneration"] == generation and
                    "lastFailureInfo" in s["status"]["modelStatus"] and s)
    assert service["status"]["modelStatus"]["lastFailureInfo"]["reason"] == reason
    found = conditions(service)
    assert found["Ready"]["status"] == "False" and says in found["Ready"]["message"], found["Ready"]
    assert found["IngressReady"]["status"] == "True"
    assert says in kubectl("describe", "isvc", name).stdout
    assert ask(service["status"]["url"], name, 2.0) == 4.0
    kubectl("delete", "isvc", name)


def test_requests_under_way_end_on_their_revision(server, kubectl):
    """A slow answer outlives the change of version and the end of its Pod."""
    slow = ("import os, time, http.server as h\\nclass H(h.BaseHTTPRequestHandler):\\n  protocol_version = 'HTTP/1.1'\\n  def do_GET(s):\\n"
            "    time.sleep(6 if s.path == '/slow' else 0); t = os.environ['WORD'].encode()\\n"
            "    s.send_response(200); s.send_header('Content-Length', str(len(t))); s.end_headers(); s.wfile.write(t)\\n"
            "h.ThreadingHTTPServer((os.environ['POD_IP'], 8080), H).serve_forever()")
    manifest = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: draining}}
spec:
  predictor:
    containers:
    - name: kserve-container
      image: drain/predictor:v1
      command: [/usr/bin/python3.11, -u, -c, "{code}"]
      env: [{{name: WORD, value: {word}}}]
      ports: [{{containerPort: 8080}}]
      readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
"""
    server.run("image", "map", "drain/predictor:v1", "env")
    kubectl("apply", "-f", "-", stdin=manifest.format(code=slow, word="old"))
    wait_ready(kubectl, "draining")
    place = urlparse(get(kubectl, "draining")["status"]["url"])
    answers = []

    def call(path):
        connection = HTTPConnection(place.netloc, timeout=30)
        connection.request("GET", place.path + path)
        answer = connection.getresponse()
        answers.append((path, answer.status, answer.read()))

    threads = [threading.Thread(target=call, args=("/slow",)) for _ in range(10)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)  # all ten are with the old revision
    kubectl("apply", "-f", "-", stdin=manifest.format(code=slow, word="new"))
    wait_ready(kubectl, "draining")
    call("/quick")
    for thread in threads:
        thread.join()
    assert ("/quick", 200, b"new") in answers
    assert [a for a in answers if a[0] == "/slow"] == [("/slow", 200, b"old")] * 10
    kubectl("delete", "isvc", "draining")


def test_the_gateway_splits_on_while_the_control_plane_is_dead(make_server):
    from serving_parts import Kubectl, register_times
    server = make_server("orphan")
    register_times(server)
    kubectl = Kubectl(server)
    apply(kubectl, "half", "models:/times/1")
    wait_ready(kubectl, "half")
    apply(kubectl, "half", "models:/times/2", "canaryTrafficPercent: 50")
    wait_ready(kubectl, "half")
    url = get(kubectl, "half")["status"]["url"]
    server.kill()
    with Load(url, "half", rate=200) as load:
        time.sleep(3)
    assert set(load.statuses) == {200} and sum(load.statuses.values()) > 200, load.statuses
    one, two = (load.revisions[f"half-predictor-0000{n}"] for n in (1, 2))
    assert abs(one - two) <= 2, load.revisions
    server.start()


def test_every_place_a_model_may_come_from(make_server, tmp_path):
    """models:/ by version and by alias, runs:/, and file:/// beneath a folder that was named at the start; nothing else."""
    import mlflow
    import onnx

    from serving_parts import Kubectl, register_times, times
    folder = tmp_path / "models"
    (folder / "three").mkdir(parents=True)
    for parent in (tmp_path, folder, folder / "three"):
        parent.chmod(0o755)  # the Pod is somebody else
    onnx.save(times(3), folder / "three/model.onnx")
    (folder / "way-out").symlink_to("/etc")
    server = make_server("places", ["--model-files", str(folder)])
    register_times(server)
    client = mlflow.MlflowClient(server.url)
    client.set_registered_model_alias("times", "champion", 2)
    run = client.get_model_version("times", 1).run_id
    kubectl = Kubectl(server)
    for name, uri, factor in (("by-version", "models:/times/1", 1), ("by-alias", "models:/times@champion", 2), ("by-run", f"runs:/{run}/m", 1),
                              ("by-file", f"file://{folder}/three", 3)):
        apply(kubectl, name, uri)
        wait_ready(kubectl, name)
        assert ask(get(kubectl, name)["status"]["url"], name, 5.0) == 5.0 * factor, name
    for i, uri in enumerate((f"file://{folder}/way-out", f"file://{folder}/../outside", "file:///etc", f"file://{folder}/nothing", "models:/$(id)/1", "models:/times/1;id",
                             f"runs:/{run}/../../x", "runs:/nobody/m", "https://example.com/m", "gs://b/m")):
        apply(kubectl, f"no-{i}", uri)
        service = until(lambda: (s := get(kubectl, f"no-{i}"))["status"].get("modelStatus", {}).get("lastFailureInfo") and s)
        assert uri.split("/")[-1].split(";")[0] in service["status"]["modelStatus"]["lastFailureInfo"]["message"] or uri in str(service["status"]), (uri, service["status"])
        assert "url" not in service["status"]

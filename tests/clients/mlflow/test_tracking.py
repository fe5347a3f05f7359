"""Experiments, runs, metrics and search through the unmodified mlflow client; and what no client would send."""
import json
import math
import threading
import time
import urllib.error
import urllib.request

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException, RestException


@pytest.fixture
def client(server):
    mlflow.set_tracking_uri(server.url)
    return MlflowClient(server.url)


@pytest.fixture
def experiment(client, request):
    return client.create_experiment(f"{request.node.name}-{time.time_ns()}")


def call(server, path, body=None, raw=None, method=None):
    """One request without a client -> (status, parsed reply)."""
    data = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
    request = urllib.request.Request(server.url + "/api/2.0/mlflow/" + path, data=data, method=method,
                                     headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def test_a_plain_script(client, server):
    name = f"plain-{time.time_ns()}"
    mlflow.set_experiment(name)
    with mlflow.start_run() as run:
        mlflow.log_param("a", 1)
        mlflow.log_params({"b": 2, "c": "x"})
        mlflow.log_metric("loss", 0.5, step=1)
        mlflow.log_metrics({"y": 1, "not a number": float("nan"), "inf": float("inf")})
        mlflow.set_tag("t", "v")
    data = client.get_run(run.info.run_id).data
    assert data.params == {"a": "1", "b": "2", "c": "x"}
    assert data.metrics["loss"] == 0.5 and math.isnan(data.metrics["not a number"])
    assert data.metrics["inf"] == pytest.approx(1.7976931348623157e308)
    assert data.tags["t"] == "v" and data.tags["mlflow.runName"] == run.info.run_name
    info = client.get_run(run.info.run_id).info
    assert info.status == "FINISHED" and info.end_time >= info.start_time
    assert info.artifact_uri == f"mlflow-artifacts:/{info.experiment_id}/{info.run_id}/artifacts"
    frame = mlflow.search_runs(experiment_names=[name], filter_string="metrics.loss > 0.1 and params.a = '1'")
    assert list(frame.run_id) == [run.info.run_id]


def test_experiments(client):
    name = f"exp-{time.time_ns()}"
    made = client.create_experiment(name, tags={"team": "a"})
    with pytest.raises(RestException) as refused:
        client.create_experiment(name)
    assert refused.value.error_code == "RESOURCE_ALREADY_EXISTS" and "SQL" not in str(refused.value)
    assert client.get_experiment_by_name(name).experiment_id == made
    client.set_experiment_tag(made, "k", "v" * 20000)
    client.delete_experiment_tag(made, "team")
    client.rename_experiment(made, name + "-new")
    assert client.get_experiment(made).tags == {"k": "v" * 20000}
    found = client.search_experiments(filter_string=f"name LIKE '{name}%' AND tags.k LIKE 'v%'")
    assert [e.experiment_id for e in found] == [made]
    run = client.create_run(made).info.run_id
    client.delete_experiment(made)
    assert client.get_experiment(made).lifecycle_stage == "deleted"
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    with pytest.raises(RestException, match="must be active"):
        client.create_run(made)
    assert made not in [e.experiment_id for e in client.search_experiments()]
    assert made in [e.experiment_id for e in client.search_experiments(view_type=ViewType.DELETED_ONLY)]
    client.restore_experiment(made)
    assert client.get_run(run).info.lifecycle_stage == "active"
    assert client.get_experiment_by_name("nowhere") is None
    pages = client.search_experiments(max_results=1)
    assert len(pages) == 1 and pages.token
    assert client.search_experiments(max_results=1, page_token=pages.token)[0].experiment_id != pages[0].experiment_id


def test_runs_are_renamed_deleted_restored(client, experiment):
    run = client.create_run(experiment, run_name="first", tags={"a": "b"})
    run_id = run.info.run_id
    assert run.info.run_name == "first"
    client.update_run(run_id, status="FAILED", name="second")
    client.set_tag(run_id, "x", "y")
    client.delete_tag(run_id, "x")
    got = client.get_run(run_id)
    assert (got.info.run_name, got.info.status, got.data.tags) == (
        "second", "FAILED", {"a": "b", "mlflow.runName": "second"})
    client.delete_run(run_id)
    with pytest.raises(RestException, match="deleted"):
        client.log_metric(run_id, "m", 1)
    assert len(client.search_runs([experiment])) == 0
    assert len(client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)) == 1
    client.restore_run(run_id)
    assert len(client.search_runs([experiment])) == 1
    with pytest.raises(RestException) as refused:
        client.get_run("0" * 32)
    assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_params_are_written_once_and_batches_are_all_or_nothing(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    client.log_param(run_id, "lr", 0.1)
    client.log_param(run_id, "lr", 0.1)
    with pytest.raises(MlflowException, match="already '0.1'"):
        client.log_param(run_id, "lr", 0.2)
    with pytest.raises(MlflowException):
        client.log_batch(run_id, [Metric("m", 1, 1, 0)], [Param("new", "1"), Param("lr", "9")], [RunTag("t", "v")])
    data = client.get_run(run_id).data
    assert (data.metrics, data.params, "t" in data.tags) == ({}, {"lr": "0.1"}, False)
    client.log_batch(run_id, [Metric("m", i, i, i) for i in range(1000)])
    assert client.get_run(run_id).data.metrics == {"m": 999}


def test_history_in_pages(client, server, experiment):
    run_id = client.create_run(experiment).info.run_id
    for start in range(0, 3000, 1000):
        client.log_batch(run_id, [Metric("h", i / 7, 1_700_000_000_000 + i, i) for i in range(start, start + 1000)])
    client.log_batch(run_id, [Metric("h", i / 7, 1_700_000_000_000 + i, i) for i in range(10)])  # as a retry would
    history = client.get_metric_history(run_id, "h")
    assert [m.step for m in history] == list(range(3000))
    assert [m.value for m in history] == [i / 7 for i in range(3000)]
    seen, token = [], ""
    while True:
        status, page = call(server, f"metrics/get-history?run_id={run_id}&metric_key=h&max_results=700&page_token={token}")
        assert status == 200
        seen += [m["step"] for m in page["metrics"]]
        token = page.get("next_page_token", "")
        if not token:
            break
    assert seen == list(range(3000))
    status, sample = call(server, f"metrics/get-history-bulk-interval?run_ids={run_id}&metric_key=h&max_results=50")
    steps = [m["step"] for m in sample["metrics"]]
    assert status == 200 and len(steps) == 50 and (steps[0], steps[-1]) == (0, 2999)
    status, bulk = call(server, f"metrics/get-history-bulk?run_id={run_id}&metric_key=h&max_results=10")
    assert status == 200 and len(bulk["metrics"]) == 10 and bulk["metrics"][0]["run_id"] == run_id
    assert client.get_metric_history(run_id, "absent") == []


def test_search_orders_filters_and_pages(client, experiment):
    for i in range(25):
        run_id = client.create_run(experiment, start_time=1000 + i, run_name=f"r{i}").info.run_id
        client.log_batch(run_id, [Metric("m", i % 5, 1, 0)] if i % 7 else [], [Param("p", str(i))], [RunTag("g", "ab"[i % 2])])
    found = client.search_runs([experiment], "metrics.m >= 3 AND tags.g = 'a' AND params.p LIKE '_'")
    assert sorted(int(r.data.params["p"]) for r in found) == [4, 8]
    seen, token = [], None
    while True:
        page = client.search_runs([experiment], order_by=["metrics.m DESC", "params.p ASC"], max_results=4, page_token=token)
        seen += [(r.data.metrics.get("m"), r.data.params["p"]) for r in page]
        token = page.token
        if not token:
            break
    assert len(seen) == 25
    assert seen == sorted(seen, key=lambda v: (v[0] is None, -(v[0] or 0), v[1]))
    assert [r.info.run_name for r in client.search_runs([experiment], max_results=3)] == ["r24", "r23", "r22"]
    assert len(client.search_runs([experiment], "attributes.run_name ILIKE 'R2%'")) == 6
    with pytest.raises(MlflowException, match="OR at position"):
        client.search_runs([experiment], "params.p = '1' OR params.p = '2'")


def test_datasets(client, experiment):
    pandas = pytest.importorskip("pandas")
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(pandas.DataFrame({"a": [1]}), name="wine"), context="training")
    inputs = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert [i.dataset.name for i in inputs] == ["wine"]
    assert len(client.search_runs([experiment], "dataset.name = 'wine' AND dataset.context = 'training'")) == 1
    assert len(client.search_runs([experiment], "dataset.name = 'beer'")) == 0


def test_acknowledged_points_survive_kill_9(make_server):
    server = make_server()
    client = MlflowClient(server.url)
    runs = [client.create_run("0").info.run_id for _ in range(4)]
    acknowledged = {run: -1 for run in runs}

    def work(run):
        mine = MlflowClient(server.url)
        try:
            for step in range(100_000):
                mine.log_metric(run, "m", step / 2, step=step)
                acknowledged[run] = step
        except Exception:  # the server is gone
            pass

    threads = [threading.Thread(target=work, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    while min(acknowledged.values()) < 50:
        time.sleep(0.01)
    server.kill()
    for thread in threads:
        thread.join()
    server.start()
    client = MlflowClient(server.url)
    for run in runs:
        history = client.get_metric_history(run, "m")
        # What was sent but not answered may be there too: at most one point.
        assert len(history) - 1 - acknowledged[run] in (0, 1)
        assert [m.step for m in history] == list(range(len(history)))
        assert client.get_run(run).data.metrics["m"] == history[-1].value


# ---- what no client would send ---------------------------------------------------------------------------------------

def refused(answer, status=400, code="INVALID_PARAMETER_VALUE"):
    assert answer[0] == status and answer[1]["error_code"] == code, answer
    message = answer[1]["message"]
    assert message and "SELECT" not in message and "sqlite" not in message.lower() and "/src/" not in message
    return message


@pytest.mark.parametrize("path", ["experiments/create", "experiments/update", "experiments/set-experiment-tag", "runs/create",
                                  "runs/update", "runs/log-metric", "runs/log-batch", "runs/log-parameter", "runs/set-tag",
                                  "runs/search", "runs/log-inputs", "runs/outputs", "runs/log-model", "experiments/search"])
def test_wrong_types_are_400(server, path):
    for wrong in (5, True, [], {}, [[1]], {"a": 1}, 1e300, -1, "x\x00y" * 3):
        body = dict.fromkeys(["name", "experiment_id", "experiment_ids", "run_id", "key", "value", "timestamp", "step", "metrics",
                              "params", "tags", "status", "filter", "order_by", "max_results", "page_token", "datasets", "models",
                              "model_json", "new_name", "start_time", "run_name", "view_type", "run_view_type"], wrong)
        status, reply = call(server, path, body)
        assert status in (200, 400, 404) and (status == 200 or reply["error_code"]), (wrong, status, reply)
    for raw in (b"", b"{", b"[]", b"5", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"a":1,"a":2}', b"null"):
        status, reply = call(server, path, raw=raw, method="POST")
        assert status in (200, 400), (raw, status, reply)


def test_sql_in_keys_is_only_text(client, server, experiment):
    run_id = client.create_run(experiment).info.run_id
    client.log_param(run_id, "p", "'; DROP TABLE tracking_runs; --")
    evil = "a' OR 1=1; DROP TABLE tracking_runs; --"
    assert len(client.search_runs([experiment], f"metrics.\"{evil}\" > 0")) == 0
    assert len(client.search_runs([experiment], "params.p = '''; DROP TABLE tracking_runs; --'")) == 1
    assert len(client.search_runs([experiment], order_by=[f"metrics.`{evil}` DESC"])) == 1
    refused(call(server, "runs/search", {"experiment_ids": [experiment], "order_by": ["metrics.\"a' OR 1=1"]}))
    refused(call(server, "runs/search", {"experiment_ids": [experiment], "order_by": ["start_time; DROP TABLE x"]}))
    refused(call(server, "runs/log-metric", {"run_id": run_id, "key": evil, "value": 1, "timestamp": 1}))


def test_huge_and_hostile_requests_are_bounded(client, server, experiment):
    search = {"experiment_ids": [experiment]}
    for i in range(20):
        run_id = client.create_run(experiment).info.run_id
        client.set_tag(run_id, "t", "a" * 8000)
    begun = time.monotonic()
    for pattern in ("%%%%", "%a" * 400 + "%b", "_%" * 90 + "b", "%" * 1000):
        status, _ = call(server, "runs/search", {**search, "filter": f"tags.t LIKE '{pattern}'"})
        assert status == 200
    assert time.monotonic() - begun < 5
    assert call(server, "runs/search", {**search, "max_results": 50000})[0] == 200
    refused(call(server, "runs/search", {**search, "max_results": 50001}))
    refused(call(server, "runs/search", {**search, "max_results": 0}))
    refused(call(server, "runs/search", {**search, "filter": "params.a = 'b' AND " * 200 + "params.a = 'b'"}))
    refused(call(server, "runs/search", {**search, "filter": "params.a LIKE '" + "x" * 2000 + "'"}))
    refused(call(server, "runs/search", {**search, "page_token": "eyJvZmZzZXQiOiAxMDB9"}))
    refused(call(server, "runs/search", {"experiment_ids": ["0; DROP TABLE x"]}))
    status, reply = call(server, "runs/log-batch", raw=b'{"run_id":"' + b"x" * 2_000_000 + b'"}', method="POST")
    assert status in (400, 413) and reply["error_code"]
    metrics = [{"key": "m", "value": 1, "timestamp": 1, "step": i} for i in range(1001)]
    assert "1000" in refused(call(server, "runs/log-batch", {"run_id": run_id, "metrics": metrics}))
    refused(call(server, "experiments/create", {"name": "x" * 501}))
    for location in ("file:///etc", "/etc", "mlflow-artifacts:/../../etc", "s3://b?x=#", "..\\..", "mlflow-artifacts:/%2e%2e/x"):
        refused(call(server, "experiments/create", {"name": f"evil-{location}", "artifact_location": location}))


def test_the_browser_door_and_the_probes(server, client):
    for path, wanted in (("/health", b"OK"), ("/ajax-api/2.0/mlflow/experiments/get?experiment_id=0", b"Default"),
                         ("/api/3.0/mlflow/server-info", b"store_type")):
        assert wanted in urllib.request.urlopen(server.url + path).read()

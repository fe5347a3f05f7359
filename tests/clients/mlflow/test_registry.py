"""The registry through the unmodified MLflow client: log, register, alias, load; and everything else of its API."""
import concurrent.futures
from pathlib import Path

import mlflow
import numpy
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

FEATURES, LABELS = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def client(server):
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    mlflow.set_experiment("registry")
    yield MlflowClient()
    mlflow.end_run()


def trained(c=1.0):
    return LogisticRegression(C=c, max_iter=500).fit(FEATURES, LABELS)


def log_sklearn(name, registered=None, c=1.0):
    # The requirements are given: working them out would import half of the environment.
    return mlflow.sklearn.log_model(trained(c), name=name, registered_model_name=registered, pip_requirements=["scikit-learn"])


def refused(call, *args, code="INVALID_PARAMETER_VALUE", **kwargs):
    with pytest.raises(MlflowException) as error:
        call(*args, **kwargs)
    assert error.value.error_code == code, str(error.value)
    return str(error.value)


def test_sklearn_model_from_log_to_load(client):
    with mlflow.start_run() as run:
        info = log_sklearn("model", "iris")
    version = client.get_model_version("iris", 1)
    assert version.run_id == run.info.run_id
    assert version.source == f"models:/{info.model_id}"
    client.set_registered_model_alias("iris", "champion", 1)
    for uri in ("models:/iris@champion", "models:/iris/1", "models:/iris/latest", info.model_uri, f"runs:/{run.info.run_id}/model"):
        loaded = mlflow.sklearn.load_model(uri)
        assert (loaded.predict(FEATURES) == trained().predict(FEATURES)).all(), uri
    logged = mlflow.get_logged_model(info.model_id)
    assert logged.status == "READY"
    assert logged.source_run_id == run.info.run_id
    assert [m.model_id for m in client.get_run(run.info.run_id).outputs.model_outputs] == [info.model_id]
    assert logged.model_uri == info.model_uri
    assert '"iris"' in logged.tags["mlflow.modelVersions"]


def test_onnx_model_from_log_to_load(client):
    skl2onnx = pytest.importorskip("skl2onnx")
    onnx_model = skl2onnx.to_onnx(trained(), FEATURES[:1].astype(numpy.float32), options={"zipmap": False})
    with mlflow.start_run():
        mlflow.onnx.log_model(onnx_model, name="net", registered_model_name="iris-onnx", pip_requirements=["onnxruntime"])
    client.set_registered_model_alias("iris-onnx", "champion", 1)
    loaded = mlflow.pyfunc.load_model("models:/iris-onnx@champion")
    answer = loaded.predict(FEATURES.astype(numpy.float32))
    assert (answer["label"] == trained().predict(FEATURES)).all()


def test_register_a_model_of_a_run(client):
    with mlflow.start_run() as run:
        log_sklearn("clf")
    first = mlflow.register_model(f"runs:/{run.info.run_id}/clf", "by-run")
    second = mlflow.register_model(f"runs:/{run.info.run_id}/clf", "by-run", tags={"try": "2"})
    assert (first.version, second.version) == ("1", "2")
    assert client.get_model_version("by-run", 2).tags == {"try": "2"}
    assert mlflow.sklearn.load_model("models:/by-run/2").predict(FEATURES[:3]).tolist() == [0, 0, 0]
    copied = client.copy_model_version("models:/by-run/2", "copied")
    assert copied.version == "1"
    assert mlflow.sklearn.load_model("models:/copied/1").predict(FEATURES[:1]).tolist() == [0]


def test_models_are_created_changed_and_removed(client):
    client.create_registered_model("m1", tags={"a": "1"}, description="first")
    assert client.get_registered_model("m1").tags == {"a": "1"}
    refused(client.create_registered_model, "m1", code="RESOURCE_ALREADY_EXISTS")
    client.update_registered_model("m1", "second")
    client.set_registered_model_tag("m1", "b", "2")
    client.delete_registered_model_tag("m1", "a")
    client.rename_registered_model("m1", "m2")
    model = client.get_registered_model("m2")
    assert (model.description, model.tags) == ("second", {"b": "2"})
    refused(client.get_registered_model, "m1", code="RESOURCE_DOES_NOT_EXIST")
    client.delete_registered_model("m2")
    refused(client.get_registered_model, "m2", code="RESOURCE_DOES_NOT_EXIST")
    for name in ("a/b", "a:b", " ", "..", "x" * 300):
        refused(client.create_registered_model, name)


def test_versions_stages_tags_and_aliases(client):
    with mlflow.start_run() as run:
        mlflow.log_text("x", "model/MLmodel")
    source = f"{run.info.artifact_uri}/model"
    client.create_registered_model("staged")
    for _ in range(3):
        client.create_model_version("staged", source, run.info.run_id)
    client.update_model_version("staged", 1, "the first")
    client.set_model_version_tag("staged", "1", "k", "v")
    assert client.get_model_version("staged", 1).description == "the first"
    assert client.get_model_version("staged", 1).tags == {"k": "v"}
    client.delete_model_version_tag("staged", "1", "k")
    assert client.get_model_version_download_uri("staged", 1) == source
    client.transition_model_version_stage("staged", 1, "Production")
    client.transition_model_version_stage("staged", 2, "production", archive_existing_versions=True)
    assert client.get_model_version("staged", 1).current_stage == "Archived"
    assert {v.current_stage: v.version for v in client.get_latest_versions("staged")} == {"Archived": "1", "Production": "2", "None": "3"}
    assert [v.version for v in client.get_latest_versions("staged", ["Production"])] == ["2"]
    client.set_registered_model_alias("staged", "champion", "2")
    client.set_registered_model_alias("staged", "champion", "3")
    assert client.get_model_version_by_alias("staged", "champion").version == "3"
    assert client.get_registered_model("staged").aliases == {"champion": "3"}
    assert client.get_model_version("staged", 3).aliases == ["champion"]
    client.delete_model_version("staged", 3)
    assert client.get_registered_model("staged").aliases == {}
    message = refused(client.get_model_version_by_alias, "staged", "champion", code="RESOURCE_DOES_NOT_EXIST")
    assert "has no alias 'champion'; set one with" in message
    client.create_model_version("staged", source, run.info.run_id)
    assert client.get_model_version_by_alias("staged", "latest").version == "4"
    client.delete_registered_model_alias("staged", "champion")
    refused(client.set_registered_model_alias, "staged", "latest", "1")
    refused(client.set_registered_model_alias, "staged", "v2", "1")
    refused(client.set_registered_model_alias, "staged", "x", "99", code="RESOURCE_DOES_NOT_EXIST")
    refused(client.get_model_version, "staged", "0")
    refused(client.transition_model_version_stage, "staged", 1, "prod")


def test_searches_and_pages(client):
    with mlflow.start_run() as run:
        mlflow.log_text("x", "m/MLmodel")
    for i in range(7):
        client.create_registered_model(f"find-{i}", tags={"parity": str(i % 2)})
        client.create_model_version(f"find-{i}", f"runs:/{run.info.run_id}/m", run.info.run_id, tags={"i": str(i)})
    found, token = [], None
    while True:
        page = client.search_registered_models("name LIKE 'find-%'", max_results=3, order_by=["name DESC"], page_token=token)
        found += [m.name for m in page]
        token = page.token
        if not token:
            break
    assert found == [f"find-{i}" for i in reversed(range(7))]
    assert [m.name for m in client.search_registered_models("tags.parity = '1' AND name ILIKE 'FIND-%'")] == ["find-1", "find-3", "find-5"]
    versions = client.search_model_versions(f"run_id = '{run.info.run_id}' AND tags.i != '3'", order_by=["name ASC"])
    assert [v.name for v in versions] == [f"find-{i}" for i in (0, 1, 2, 4, 5, 6)]
    assert [v.name for v in client.search_model_versions("name IN ('find-2', 'find-4')", order_by=["name ASC"])] == ["find-2", "find-4"]
    refused(client.search_registered_models, "nonsense = 'x'")
    refused(client.search_registered_models, "name LIKE 'find-%'", max_results=3, page_token="bm9uZQ")
    refused(client.search_registered_models, order_by=["tags.x"])
    refused(client.search_model_versions, "version_number > 'a'")
    refused(client.search_registered_models, "name = 'x' OR name = 'y'")


def test_logged_models(client, server):
    experiment = mlflow.set_experiment("logged").experiment_id
    with mlflow.start_run():
        good = mlflow.initialize_logged_model("good", params={"lr": "0.1"}, tags={"team": "a"}, model_type="clf")
        mlflow.log_metric("acc", 0.9, model_id=good.model_id)
        bad = mlflow.initialize_logged_model("bad", params={f"p{i}": "x" for i in range(250)})
        mlflow.log_metrics({"acc": 0.5, "loss": 1.0}, model_id=bad.model_id)
    mlflow.finalize_logged_model(good.model_id, "READY")
    assert mlflow.get_logged_model(good.model_id).status == "READY"
    assert len(mlflow.get_logged_model(bad.model_id).params) == 250
    assert {m.key: m.value for m in mlflow.get_logged_model(bad.model_id).metrics} == {"acc": 0.5, "loss": 1.0}

    def names(**query):
        return [m.name for m in mlflow.search_logged_models([experiment], output_format="list", **query)]

    assert names(order_by=[{"field_name": "metrics.acc", "ascending": False}]) == ["good", "bad"]
    assert names(order_by=[{"field_name": "metrics.acc"}]) == ["bad", "good"]
    assert names(filter_string="metrics.acc > 0.7 AND params.lr = '0.1'") == ["good"]
    assert names(filter_string="model_type = 'clf'") == ["good"]
    assert sorted(names(max_results=1) + names()) == ["bad", "bad", "good"]
    client.set_logged_model_tags(good.model_id, {"team": "b", "new": "1"})
    client.delete_logged_model_tag(good.model_id, "new")
    assert mlflow.get_logged_model(good.model_id).tags["team"] == "b"
    client.delete_logged_model(bad.model_id)
    refused(mlflow.get_logged_model, bad.model_id, code="RESOURCE_DOES_NOT_EXIST")
    assert names() == ["good"]
    refused(mlflow.get_logged_model, "m-none", code="RESOURCE_DOES_NOT_EXIST")
    refused(mlflow.log_metric, "acc", 1.0, model_id="m-none", code="RESOURCE_DOES_NOT_EXIST")


def test_tables_and_images_of_a_run(client):
    with mlflow.start_run() as run:
        mlflow.log_table({"a": [1, 2]}, "t.json")
        mlflow.log_table({"a": [3]}, "t.json")
        mlflow.log_image(numpy.zeros((4, 4, 3), dtype=numpy.uint8), key="img", step=1, synchronous=True)
    assert mlflow.load_table("t.json", run_ids=[run.info.run_id]).a.tolist() == [1, 2, 3]
    assert [f.path.split("+")[0] for f in client.list_artifacts(run.info.run_id, "images")] == ["images/img", "images/img"]


def test_a_logged_model_takes_files_and_a_signature_later(client, tmp_path):
    from mlflow.models import get_model_info, infer_signature, set_signature

    with mlflow.start_run():
        info = log_sklearn("signed")
    set_signature(info.model_uri, infer_signature(FEATURES, LABELS))
    assert get_model_info(info.model_uri).signature is not None
    model = mlflow.initialize_logged_model("filled")
    (tmp_path / "x").write_text("1")
    client.log_model_artifact(model.model_id, str(tmp_path / "x"))
    client.log_model_artifacts(model.model_id, str(tmp_path))
    assert [f.path for f in client.list_logged_model_artifacts(model.model_id)] == ["x"]
    assert mlflow.create_external_model("outside", params={"a": "1"}).status == "READY"


def test_the_example_of_the_docs_runs(server, capsys):
    page = Path(__file__).parents[3] / "docs/registry.md"
    code = page.read_text().split("```python\n")[1].split("```")[0].replace("http://127.0.0.1:7070", server.url)
    # Working out the requirements takes ten seconds and is the client's business.
    code = code.replace('registered_model_name="iris")', 'registered_model_name="iris", pip_requirements=["scikit-learn"])')
    exec(compile(code.replace('"iris', '"docs-iris').replace("models:/iris", "models:/docs-iris"), "docs/registry.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "[0 0 0]" in printed and "Hello Ada" in printed


def test_versions_made_at_once_get_each_a_number(client):
    with mlflow.start_run() as run:
        mlflow.log_text("x", "m/MLmodel")
    client.create_registered_model("crowd")
    make = lambda _: int(client.create_model_version("crowd", f"runs:/{run.info.run_id}/m", run.info.run_id).version)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(make, range(100))) == list(range(1, 101))


@pytest.mark.parametrize("body", ["", "{", "[]", '{"name": 1}', '{"name": null}', '{"name": "x", "tags": "y"}', '{"name": "x", "tags": [1]}',
                                  '{"name": "x", "tags": [{"value": "v"}]}', '{"name": {"a": 1}}', '{"name": "\\ud800"}'])
def test_bad_bodies_are_the_users_error(server, body):
    for path in ("registered-models/create", "model-versions/create", "registered-models/alias", "logged-models", "logged-models/search"):
        answer = requests.post(f"{server.url}/api/2.0/mlflow/{path}", data=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, (path, answer.text)
        assert answer.json()["error_code"] in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")


def test_what_was_acknowledged_survives_a_crash(make_server):
    server = make_server()
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    mlflow.set_experiment("kept")
    client = MlflowClient()
    with mlflow.start_run() as run:
        mlflow.log_text("x", "m/MLmodel")
    client.create_registered_model("kept")
    client.create_model_version("kept", f"runs:/{run.info.run_id}/m", run.info.run_id)
    client.set_registered_model_alias("kept", "champion", 1)
    server.kill()
    server.start()
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    assert MlflowClient().get_model_version_by_alias("kept", "champion").run_id == run.info.run_id
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/m/MLmodel") == "x"

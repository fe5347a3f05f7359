"""Artifacts through the unmodified client and by plain HTTP: both ways streamed, listed, in parts, deleted."""
import concurrent.futures
import hashlib
import os
import subprocess

import mlflow
import pytest
import requests
from mlflow import MlflowClient


@pytest.fixture(autouse=True)
def tracking(server):
    mlflow.set_tracking_uri(server.url)
    mlflow.set_experiment("artifacts")
    yield
    mlflow.end_run()


def proxy(server, path=""):
    return f"{server.url}/api/2.0/mlflow-artifacts/artifacts{path}"


def resident_kib(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def test_files_and_folders_go_up_and_come_down(tmp_path):
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "deep" / "b.bin").write_bytes(os.urandom(100_000))
    (source / "deep" / "er" / "größe 1+1.txt").write_text("c")
    with mlflow.start_run() as run:
        mlflow.log_text("hello", "notes/hello.txt")
        mlflow.log_dict({"a": 1}, "config.json")
        mlflow.log_artifact(source / "a.txt")
        mlflow.log_artifacts(source, "tree")
    client, run_id = MlflowClient(), run.info.run_id
    assert [f.path for f in client.list_artifacts(run_id)] == ["a.txt", "config.json", "notes", "tree"]
    assert [(f.path, f.is_dir, f.file_size) for f in client.list_artifacts(run_id, "tree/deep")] == [
        ("tree/deep/b.bin", False, 100_000), ("tree/deep/er", True, None)]
    assert client.list_artifacts(run_id, "absent") == []
    assert client.list_artifacts(run_id, "a.txt") == []
    local = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="tree", dst_path=tmp_path / "back")
    for name in ("a.txt", "deep/b.bin", "deep/er/größe 1+1.txt"):
        assert open(os.path.join(local, name), "rb").read() == (source / name).read_bytes()
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes/hello.txt") == "hello"
    assert mlflow.artifacts.load_dict(f"runs:/{run_id}/config.json") == {"a": 1}


def test_a_large_file_is_never_in_memory(server, tmp_path):
    size = 192 << 20
    block = os.urandom(1 << 20)
    digest = hashlib.sha256()

    def blocks():
        for _ in range(size >> 20):
            digest.update(block)
            yield block

    requests.put(proxy(server, "/warm/up"), data=b"x").raise_for_status()
    before = resident_kib(server)
    requests.put(proxy(server, "/big/file.bin"), data=blocks()).raise_for_status()
    back = hashlib.sha256()
    with requests.get(proxy(server, "/big/file.bin"), stream=True) as answer:
        answer.raise_for_status()
        assert int(answer.headers["Content-Length"]) == size
        for chunk in answer.iter_content(1 << 20):
            back.update(chunk)
    assert back.hexdigest() == digest.hexdigest()
    assert resident_kib(server) - before < 24 << 10
    requests.delete(proxy(server, "/big")).raise_for_status()


def test_byte_ranges(server):
    data = bytes(range(256))
    requests.put(proxy(server, "/range/x.bin"), data=data).raise_for_status()

    def part(text):
        answer = requests.get(proxy(server, "/range/x.bin"), headers={"Range": text})
        return answer.status_code, answer.content, answer.headers.get("Content-Range")

    assert part("bytes=0-9") == (206, data[:10], "bytes 0-9/256")
    assert part("bytes=250-") == (206, data[250:], "bytes 250-255/256")
    assert part("bytes=-6") == (206, data[250:], "bytes 250-255/256")
    assert part("bytes=256-") == (416, b"", "bytes */256")
    assert part("bytes=0-1,5-6")[0] == 200
    assert part("nonsense")[:2] == (200, data)


def test_an_upload_replaces_the_file_and_an_unfinished_one_leaves_nothing(server):
    requests.put(proxy(server, "/twice/x"), data=b"one").raise_for_status()
    requests.put(proxy(server, "/twice/x"), data=b"two").raise_for_status()
    assert requests.get(proxy(server, "/twice/x")).content == b"two"

    def broken():
        yield b"half"
        raise RuntimeError("gone")

    with pytest.raises((RuntimeError, requests.RequestException)):
        requests.put(proxy(server, "/twice/unfinished"), data=broken())
    assert [f["path"] for f in requests.get(proxy(server), params={"path": "twice"}).json()["files"]] == ["x"]
    requests.put(proxy(server, "/twice/empty"), data=b"").raise_for_status()
    assert requests.get(proxy(server, "/twice/empty")).content == b""


def test_many_at_once(server):
    def round_trip(i):
        data = os.urandom(50_000 + i)
        requests.put(proxy(server, f"/many/{i % 7}/{i}.bin"), data=data).raise_for_status()
        assert requests.get(proxy(server, f"/many/{i % 7}/{i}.bin")).content == data

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(round_trip, range(200)))
    assert len(requests.get(proxy(server), params={"path": "many"}).json()["files"]) == 7


def test_delete(server):
    with mlflow.start_run() as run:
        mlflow.log_text("a", "d/a.txt")
        mlflow.log_text("b", "d/b.txt")
    root = f"/{run.info.experiment_id}/{run.info.run_id}/artifacts"
    assert requests.delete(proxy(server, root + "/d/a.txt")).json() == {}
    assert [f.path for f in MlflowClient().list_artifacts(run.info.run_id, "d")] == ["d/b.txt"]
    requests.delete(proxy(server, root)).raise_for_status()
    assert MlflowClient().list_artifacts(run.info.run_id) == []
    assert requests.delete(proxy(server, root)).status_code == 404


def test_what_the_page_of_mlflow_asks(server):
    with mlflow.start_run() as run:
        mlflow.log_text("<h1>hi</h1>", "page.html")
        model = mlflow.initialize_logged_model("shown")
    run_id = run.info.run_id
    requests.put(proxy(server, f"/{run.info.experiment_id}/models/{model.model_id}/artifacts/MLmodel"), data=b"m: 1").raise_for_status()
    listing = requests.get(f"{server.url}/ajax-api/2.0/mlflow/artifacts/list", params={"run_uuid": run_id}).json()
    assert listing["root_uri"] == run.info.artifact_uri
    assert listing["files"] == [{"path": "page.html", "is_dir": False, "file_size": 11}]
    answer = requests.get(f"{server.url}/get-artifact", params={"run_uuid": run_id, "path": "page.html"})
    assert answer.text == "<h1>hi</h1>"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="page.html"'
    base = f"{server.url}/ajax-api/2.0/mlflow/logged-models/{model.model_id}/artifacts"
    assert requests.get(f"{base}/directories").json()["files"][0]["path"] == "MLmodel"
    assert requests.get(f"{base}/files", params={"artifact_file_path": "MLmodel"}).text == "m: 1"
    upload = f"{server.url}/ajax-api/2.0/mlflow/upload-artifact"
    requests.post(upload, params={"run_uuid": run_id, "path": "up/x.txt"}, data=b"sent").raise_for_status()
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/up/x.txt") == "sent"
    too_big = requests.post(upload, params={"run_uuid": run_id, "path": "up/y"}, data=b"x" * ((10 << 20) + 1))
    assert too_big.status_code == 413
    assert too_big.json()["error_code"]
    assert requests.post(upload, params={"run_uuid": run_id}, data=b"x").status_code == 400


def test_a_full_disk_is_refused_before_it_is_full(make_server, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", folder]).returncode != 0:
        pytest.skip("a small disk can only be made by root with the right to mount")
    try:
        small = make_server("small")
        known = requests.put(proxy(small, "/big/known"), data=b"x" * (200 << 20))
        unknown = requests.put(proxy(small, "/big/unknown"), data=(b"x" * (1 << 20) for _ in range(200)))
        for answer in (known, unknown):
            assert (answer.status_code, answer.json()["error_code"]) == (507, "RESOURCE_EXHAUSTED"), answer.text
        assert requests.get(proxy(small), params={"path": "big"}).json() == {}
        requests.put(proxy(small, "/big/fits"), data=b"x" * (1 << 20)).raise_for_status()
        assert os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize > 256 << 20
        small.stop()
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_errors_say_what_is_wrong(server):
    absent = requests.get(proxy(server, "/no/such/file"))
    assert (absent.status_code, absent.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    requests.put(proxy(server, "/folder/x"), data=b"1").raise_for_status()
    folder = requests.get(proxy(server, "/folder"))
    assert (folder.status_code, folder.json()["error_code"]) in ((400, "INVALID_PARAMETER_VALUE"), (404, "RESOURCE_DOES_NOT_EXIST"))
    below = requests.put(proxy(server, "/folder/x/y"), data=b"1")
    assert below.status_code == 400, below.text
    over = requests.put(proxy(server, "/folder"), data=b"1")
    assert over.status_code == 400, over.text
    multipart = requests.post(f"{server.url}/api/2.0/mlflow-artifacts/mpu/create/a", json={"path": "a", "num_parts": 2})
    assert multipart.status_code == 501
    assert multipart.json()["message"].startswith("Multipart upload is not supported for the current artifact repository")

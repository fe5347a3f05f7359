"""modelkit backup, restore and migrate: while writes go on, and killed in the middle."""
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import urllib.request

import pytest
from load import CONFIGMAPS, Api, ObjectWriter, RunWriter, write_until_it_goes_away
from modelkit import BINARY, ROOT

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"


def modelkit(*words, check=True):
    answer = subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True, timeout=120)
    assert not check or answer.returncode == 0, answer.stderr
    return answer


def upload(server, path, data):
    request = urllib.request.Request(server.url + ARTIFACTS + path, data, method="PUT", headers={"Content-Type": "application/octet-stream"})
    assert urllib.request.urlopen(request).status == 200


def download(server, path):
    return urllib.request.urlopen(server.url + ARTIFACTS + path).read()


def killed_when(words, folder, files):
    """Kills the verb when it has made so many files there; False when it was done before."""
    def count():
        return sum(len(names) for _, _, names in os.walk(folder))

    process = subprocess.Popen([BINARY, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before = count()
    while process.poll() is None and count() < before + files:
        pass
    process.kill()
    return process.wait() == -9


def tree(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def test_a_backup_under_load_is_of_one_version_and_comes_back_whole(make_server, tmp_path):
    server = make_server()
    api = Api(server.url)
    files = {f"0/x/artifacts/file-{i}.bin": random.Random(i).randbytes(50_000) for i in range(20)}
    for path, data in files.items():
        upload(server, path, data)
    writers = [*(ObjectWriter(f"settings-{i}") for i in range(2)), *(RunWriter(f"run-{i}", api) for i in range(2))]
    threads, wrong = write_until_it_goes_away(server.url, writers)
    backup = tmp_path / "backups"
    names = [modelkit("backup", backup, "--data", server.folder).stdout.strip()]
    again = modelkit("backup", backup, "--data", server.folder)
    assert "20 artifacts (0 of them new)" in again.stderr
    names.append(again.stdout.strip())
    gone = next(iter(files))
    urllib.request.urlopen(urllib.request.Request(server.url + ARTIFACTS + gone, method="DELETE"))
    names.append(modelkit("backup", backup, "--data", server.folder).stdout.strip())
    server.kill()
    for thread in threads:
        thread.join()
    assert not wrong and len(set(names)) == 3
    versions = [int(name.rsplit("-v", 1)[1]) for name in names]
    assert versions == sorted(versions) and versions[0] < versions[2], "writes went on"

    restored = tmp_path / "restored"
    modelkit("restore", backup, "--data", restored, "--snapshot", names[1])
    second = make_server("restored")
    api = Api(second.url)
    for path, data in files.items():
        assert download(second, path) == data
    status, answer = api.call("GET", CONFIGMAPS)
    assert status == 200 and int(answer["metadata"]["resourceVersion"]) >= versions[1]
    for run in writers[2:]:  # each batch of five points has its parameter, or neither is there
        status, page = api.call("GET", f"/api/2.0/mlflow/metrics/get-history?run_id={run.run}&metric_key=loss&max_results=25000")
        steps = [int(point.get("step", 0)) for point in page.get("metrics", [])]
        status, answer = api.call("GET", f"/api/2.0/mlflow/runs/get?run_id={run.run}")
        params = {int(p["value"]) for p in answer["run"]["data"].get("params", [])}
        assert steps == list(range(len(steps))) and params == set(range(0, len(steps), run.BATCH))
        assert len(steps) <= run.acknowledged + run.BATCH
    latest = tmp_path / "latest"
    modelkit("restore", backup, "--data", latest)
    assert not (latest / "blobs" / gone).exists() and (restored / "blobs" / gone).exists()


@pytest.fixture
def filled(make_server):
    server = make_server()
    for i in range(30):
        upload(server, f"0/x/artifacts/file-{i}.bin", random.Random(i).randbytes(200_000))
    server.stop()
    return server


def test_killed_in_the_middle_a_backup_is_not_there_and_the_next_goes_on(filled, tmp_path):
    backup, chance, killed = tmp_path / "backups", random.Random(3), 0
    for _ in range(12):
        killed += killed_when(["backup", backup, "--data", filled.folder], backup, chance.randrange(12))
    assert killed > 0
    for name in modelkit("restore", backup, "--list").stdout.split()[1:]:  # those that had been finished are whole
        modelkit("restore", backup, "--snapshot", name, "--data", tmp_path / name)
    assert "30 artifacts" in modelkit("backup", backup, "--data", filled.folder).stderr
    modelkit("restore", backup, "--data", tmp_path / "new")
    assert tree(tmp_path / "new" / "blobs") == {k: v for k, v in tree(filled.folder / "blobs").items() if not k.startswith(".modelkit")}
    filled.start()  # what the killed ones held is let go
    assert list((filled.folder / "blobs/.modelkit-transit").iterdir()) == []


def test_killed_in_the_middle_a_restore_leaves_nothing_that_looks_like_data(filled, tmp_path):
    backup, target, chance, killed = tmp_path / "backups", tmp_path / "new", random.Random(4), 0
    modelkit("backup", backup, "--data", filled.folder)
    for _ in range(12):
        killed += killed_when(["restore", backup, "--data", target], tmp_path / "new.restoring", chance.randrange(30))
        if target.exists():  # all of it, then
            assert len(tree(target / "blobs")) == 30
            shutil.rmtree(target)
    assert killed > 0
    modelkit("restore", backup, "--data", target)
    assert len(tree(target / "blobs")) == 30 and not (tmp_path / "new.restoring").exists()


def test_what_is_refused_says_what_to_do(filled, tmp_path):
    backup = tmp_path / "backups"
    modelkit("backup", backup, "--data", filled.folder)

    def refused(*words):
        answer = modelkit(*words, check=False)
        assert answer.returncode not in (0, 2) and answer.stdout == ""
        return answer.stderr.replace("\n  ", "; ")  # the hint has a line of its own

    assert "is not empty; restore into a new folder" in refused("restore", backup, "--data", filled.folder)
    assert "holds no finished backup" in refused("restore", tmp_path, "--data", tmp_path / "a")
    assert "has no snapshot nothing; the newest is" in refused("restore", backup, "--snapshot", "nothing", "--data", tmp_path / "a")
    assert "is no data folder of modelkit" in refused("backup", backup, "--data", tmp_path / "absent")
    assert "holds other things" in refused("backup", filled.folder, "--data", filled.folder)

    snapshot = next((backup / "snapshots").iterdir())
    manifest = json.loads((snapshot / "manifest.json").read_text())
    victim = backup / "objects" / manifest["artifacts"][3][3][:2] / manifest["artifacts"][3][3]
    kept = victim.read_bytes()
    victim.write_bytes(b"x" + kept[1:])
    assert "has changed since it was written" in refused("restore", backup, "--data", tmp_path / "a")
    victim.unlink()
    assert "is missing" in refused("restore", backup, "--data", tmp_path / "a")
    victim.write_bytes(kept)
    manifest["artifacts"][0][0] = "../../outside"
    (snapshot / "manifest.json").write_text(json.dumps(manifest))
    assert 'it names the artifact "../../outside"' in refused("restore", backup, "--data", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_migrate_brings_the_last_layouts_up_to_date(tmp_path):
    for layout in (1, 2):
        folder = tmp_path / str(layout)
        folder.mkdir()
        with sqlite3.connect(folder / "store.db") as db:
            db.executescript((ROOT / f"src/store/testdata/layout_{layout}.sql").read_text())
        db.close()
        before = modelkit("migrate", "--check", "--data", folder).stdout
        assert f"store     {layout}    2" in before and "tracking  0    1      1 step to run" in before
        done = modelkit("migrate", "--data", folder)
        assert "brought up to date" in done.stdout
        after = modelkit("migrate", "--check", "--data", folder).stdout
        assert "to run" not in after and "cannot give space back" not in after
        assert (folder / "store.db.before-migrate").exists()
        with sqlite3.connect(folder / "store.db") as db:
            assert db.execute("SELECT name FROM store_objects").fetchall() == [("web-0",)]
            assert db.execute("SELECT count(*) FROM store_segments").fetchone() == (2,)
            assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        db.close()


def test_migrate_leaves_a_running_modelkit_alone(make_server):
    server = make_server()
    answer = modelkit("migrate", "--data", server.folder, check=False)
    assert answer.returncode != 0 and f"is in use by process {server.process.pid}" in answer.stderr
    assert "up to date" in modelkit("migrate", "--check", "--data", server.folder).stdout

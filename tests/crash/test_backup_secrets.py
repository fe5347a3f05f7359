"""Secrets in a backup: their keys are not in it, so a restore elsewhere brings them, or is refused before anything is there."""
import json
import os
import shutil
import subprocess

import pytest
from modelkit import BINARY, KUBECTL, Modelkit


def modelkit(*words):
    answer = subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True, timeout=120)
    return answer.returncode, answer.stdout, answer.stderr


def kubectl(server, *words):
    done = subprocess.run([KUBECTL, *words], capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, KUBECONFIG=str(server.kubeconfig), HOME=str(server.folder.parent)))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def elsewhere(make_server, tmp_path):
    """The backup and the keys of a machine that is gone, each in a folder of its own; a Secret is sealed with each of two keys."""
    server = make_server()
    kubectl(server, "create", "configmap", "settings", "--from-literal=a=b")
    code, _, said = modelkit("backup", tmp_path / "empty", "--data", server.folder)
    assert code == 0 and "encrypted" not in said, said  # nothing to warn of
    kubectl(server, "create", "secret", "generic", "password", "--from-literal=p=hunter2")
    old_keys = tmp_path / "old.keys"
    shutil.copy(server.folder / "pki/secrets.keys", old_keys)
    server.run("secrets", "rotate")
    code, _, said = modelkit("backup", tmp_path / "backups", "--data", server.folder)
    keys = server.folder / "pki/secrets.keys"
    assert code == 0 and f"1 Secret is encrypted with keys that are not in it: keep a copy of {keys} elsewhere" in said
    assert not [p for p in (tmp_path / "backups").rglob("*") if "keys" in p.name or b"hunter2" in (p.read_bytes() if p.is_file() else b"")]
    shutil.copy(keys, tmp_path / "copy.keys")
    server.stop()
    shutil.rmtree(server.folder)
    return tmp_path


def test_without_its_keys_a_restore_is_refused_and_nothing_is_there(elsewhere):
    newest = json.loads((elsewhere / "copy.keys").read_text())["newest"]
    for words, said in (([], f"the backup holds 1 Secret encrypted with the key {newest}"),
                        (["--keys", elsewhere / "old.keys"], "does not open the Secret default/password, which needs the key"),
                        (["--keys", elsewhere / "absent"], "there is no file"),
                        (["--keys", __file__], "is damaged"),
                        (["--keys", elsewhere / "copy.keys", "--without-secrets"], "exclude each other")):
        code, out, err = modelkit("restore", elsewhere / "backups", "--data", elsewhere / "new", *words)
        assert code != 0 and out == "" and said in err, err
        assert [p.name for p in elsewhere.iterdir() if p.name.startswith("new")] == []
    assert "--without-secrets" in modelkit("restore", elsewhere / "backups", "--data", elsewhere / "new")[2]


def test_with_its_keys_it_comes_back_on_another_machine(elsewhere):
    code, _, err = modelkit("restore", elsewhere / "backups", "--data", elsewhere / "new", "--keys", elsewhere / "copy.keys")
    assert code == 0, err
    assert (elsewhere / "new/pki/secrets.keys").stat().st_mode & 0o777 == 0o600
    assert (elsewhere / "new/pki").stat().st_mode & 0o777 == 0o700
    server = Modelkit(elsewhere / "new")
    assert kubectl(server, "get", "secret", "password", "-o", "jsonpath={.data.p}") == "aHVudGVyMg=="
    server.stop()


def test_without_secrets_everything_else_comes_back(elsewhere):
    code, _, err = modelkit("restore", elsewhere / "backups", "--data", elsewhere / "new", "--without-secrets")
    assert code == 0, err
    server = Modelkit(elsewhere / "new")
    assert kubectl(server, "get", "configmap", "settings", "-o", "jsonpath={.data.a}") == "b"
    assert kubectl(server, "get", "secrets", "-A", "-o", "name") == ""
    kubectl(server, "create", "secret", "generic", "password", "--from-literal=p=new")
    server.stop()


def test_a_backup_without_secrets_needs_no_keys(elsewhere):
    code, _, err = modelkit("restore", elsewhere / "empty", "--data", elsewhere / "new")
    assert code == 0, err
    server = Modelkit(elsewhere / "new")
    assert kubectl(server, "get", "configmap", "settings", "-o", "jsonpath={.data.a}") == "b"
    server.stop()

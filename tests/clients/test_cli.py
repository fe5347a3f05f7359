"""The verbs against a running server: what they print in every form, and the exit codes that scripts rely on."""
import json
import re
import subprocess
import time

import pytest

MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: %s}
data: {colour: %s}
"""


def cli(server, *words, stdin=None):
    import os

    from modelkit import BINARY
    return subprocess.run([BINARY, *map(str, words)], env=dict(os.environ, MODELKIT_DATA=str(server.folder)), input=stdin, capture_output=True,
                          text=True, timeout=60)


def printed(server, *words, stdin=None):
    answer = cli(server, *words, stdin=stdin)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_apply_get_delete_in_every_form(server, tmp_path):
    file = tmp_path / "objects.yaml"
    file.write_text(MAP % ("first", "red") + "---" + MAP % ("second", "blue"))
    assert printed(server, "apply", "-f", file, "--dry-run").count("(dry run)") == 2
    assert cli(server, "get", "cm", "first").returncode == 3
    assert printed(server, "apply", "-f", file) == "configmap/first created\nconfigmap/second created\n"
    assert printed(server, "apply", "-f", file) == "configmap/first unchanged\nconfigmap/second unchanged\n"
    assert printed(server, "apply", "-f", "-", stdin=MAP % ("first", "green")) == "configmap/first configured\n"
    deadline = time.monotonic() + 30  # the one that every namespace has
    while cli(server, "get", "cm", "kube-root-ca.crt").returncode != 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert re.match(r"NAME +DATA +AGE\nfirst +1 +\d+s\nkube-root-ca.crt +1 +\d+s\nsecond +1 +\d+s\n$", printed(server, "get", "configmaps"))
    assert json.loads(printed(server, "get", "cm", "first", "-o", "json"))["data"] == {"colour": "green"}
    assert 'colour: "green"' in (yaml := printed(server, "get", "cm", "first", "-o", "yaml")) or "colour: green" in yaml
    assert printed(server, "get", "cm", "-o", "name") == "configmap/first\nconfigmap/kube-root-ca.crt\nconfigmap/second\n"
    assert len(json.loads(printed(server, "get", "cm", "-ojson"))["items"]) == 3
    assert "NAMESPACE" in printed(server, "get", "cm", "-A")
    assert printed(server, "describe", "cm", "first").startswith("ConfigMap first\nNamespace: default\n")
    assert printed(server, "delete", "cm", "first") == "configmap/first deleted\n"
    assert printed(server, "delete", "-f", "-", stdin=MAP % ("second", "x")) == "configmap/second deleted\n"
    nothing = cli(server, "get", "secrets")
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, "", "no secrets in namespace default\n")


def test_exit_codes(server, tmp_path):
    assert cli(server, "get", "cm", "nobody").returncode == 3
    assert cli(server, "delete", "cm", "nobody").returncode == 3
    assert cli(server, "describe", "isvc", "nobody").returncode == 3
    assert cli(server, "rollout", "status", "nobody").returncode == 3
    assert cli(server, "logs", "nobody").returncode == 3
    assert cli(server, "nonsense").returncode == 2
    assert cli(server, "apply", "-f", tmp_path / "nowhere.yaml").returncode in (1, 3)
    away = cli(server, "get", "pods", "--server", "http://127.0.0.1:1")
    assert away.returncode == 7 and "no modelkit answers at http://127.0.0.1:1" in away.stderr and "modelkit up" in away.stderr
    nowhere = cli(server, "get", "pods", "--data", tmp_path)
    assert nowhere.returncode == 7 and str(tmp_path) in nowhere.stderr
    slow = cli(server, "deploy", "models:/nobody/1", "--name", "slow", "--timeout", "1")
    assert slow.returncode == 1 and "nobody" in slow.stderr
    printed(server, "delete", "isvc", "slow")


@pytest.mark.parametrize("text, says", [
    ("a: [", "line"), ("just text", "of the type string"), ("kind: ConfigMap", "apiVersion"), ("apiVersion: v1\nkind: Unicorn\nmetadata: {name: x}", "Unicorn"),
    ("apiVersion: v1\nkind: ConfigMap\nmetadata: {}", "metadata.name"), ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndatta: {}", "datta"),
    ("", "holds no object"), ("a: 1\na: 2", "a"), ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'a/b'}", "a/b"),
], ids=range(9))
def test_bad_files_are_one_sentence(server, text, says):
    answer = cli(server, "apply", "-f", "-", stdin=text)
    assert answer.returncode in (1, 2) and says in answer.stderr, answer
    assert answer.stdout == "" and answer.stderr.startswith("modelkit: ") and answer.stderr.count("\n") <= 2


def test_images(server, tmp_path):
    assert printed(server, "image", "map", "my/tool:v1", tmp_path) == f"my/tool:v1 now stands for {tmp_path}\n"
    # Another name that reads alike is another image.
    printed(server, "image", "map", "my-tool:v1", "env")
    listed = printed(server, "image", "ls")
    assert re.search(rf"^my/tool:v1 +{re.escape(str(tmp_path))}$", listed, re.M) and re.search(r"^my-tool:v1 +", listed, re.M)
    printed(server, "image", "map", "my/tool:v1", "env")
    assert len(re.findall(r"^my/tool:v1 ", printed(server, "image", "ls"), re.M)) == 1
    assert printed(server, "image", "rm", "my-tool:v1") == "my-tool:v1 is no longer known\n"
    assert "my/tool:v1" in printed(server, "image", "ls") and "my-tool:v1" not in printed(server, "image", "ls")
    absent = cli(server, "image", "rm", "my-tool:v1")
    assert absent.returncode == 3 and "my-tool:v1" in absent.stderr
    missing = cli(server, "image", "map", "other:v1", tmp_path / "nowhere")
    assert missing.returncode == 1 and str(tmp_path / "nowhere") in missing.stderr


def test_logs_of_a_pod_and_a_deployment(server):
    printed(server, "image", "map", "shell", "env")
    pod = {"containers": [{"name": "main", "image": "shell", "command": ["sh", "-c", "for i in 1 2 3; do echo line $i; done; sleep 600"]}],
           "terminationGracePeriodSeconds": 1}
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
           "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod}}}
    printed(server, "apply", "-f", "-", stdin=json.dumps(web))
    import time
    deadline = time.monotonic() + 90
    while "line 3" not in (text := cli(server, "logs", "deployment/web").stdout) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert text == "line 1\nline 2\nline 3\n"
    name = printed(server, "get", "pods", "-o", "name").strip().removeprefix("pod/")
    assert printed(server, "logs", name, "--tail", "1") == "line 3\n"
    assert cli(server, "logs", name, "--previous").returncode != 0
    printed(server, "delete", "deployment", "web")


def test_version_help_and_doctor(server):
    from modelkit import BINARY
    assert re.match(r"modelkit \d+\.\d+", printed(server, "version"))
    assert printed(server, "--version") == printed(server, "version")
    overview = printed(server, "help")
    verbs = ["up", "deploy", "rollout", "apply", "get", "describe", "logs", "delete", "image", "doctor", "version"]
    for verb in verbs:
        assert re.search(rf"^  {verb} ", overview, re.M), verb
        assert f"usage: modelkit {verb}" in printed(server, verb, "--help")
    assert subprocess.run([BINARY], capture_output=True, timeout=20).returncode == 2
    report = cli(server, "doctor")
    assert {line.split()[1] for line in report.stdout.splitlines()} >= {"server", "disk", "isolation", "sandbox", "onnxruntime", "python"}
    assert report.returncode == (0 if all(line.startswith("ok") for line in report.stdout.splitlines()) else 1)
    assert f"{server.url} answers" in report.stdout

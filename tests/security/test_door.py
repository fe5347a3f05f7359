"""The door of the control plane: every row of its table of routes, asked by someone who is not the owner, by a page of
another origin and under a name that is not ours. And the files: what another user of the machine can read of them."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from modelkit import Modelkit

# All that anyone may see: whether we live, what we speak (MLflow serves its server-info without a login, too), and the
# console's empty page.
PUBLIC = {"/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info", "/health", "/healthz", "/livez", "/readyz", "/healthz/{check}", "/livez/{check}", "/readyz/{check}", "/version", "/", "/ui/{path...}", "/assets/app.js", "/assets/app.css"}

STRANGER = """
import http.client, json, sys
host, port, asked = json.load(sys.stdin)
found, connection = [], None
for method, target, headers in asked:
    connection = connection or http.client.HTTPConnection(host, port, timeout=20)
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")[:300]
        found.append([answer.status, text])
        closes = answer.will_close
    except (http.client.HTTPException, OSError) as error:
        found.append([0, repr(error)])
        closes = True
    if closes:
        connection.close()
        connection = None
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def place():
    """A folder whose parents everybody may enter, so that only our own modes stand between a stranger and the files."""
    folder = Path(tempfile.mkdtemp(prefix="modelkit-door-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(place):
    # Made by modelkit itself, with its own modes.
    (place / "data").mkdir(mode=0o711)
    started = Modelkit(place / "data")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def routes(server):
    rows = json.load(urllib.request.urlopen(server.url + "/debug/routes"))["routes"]
    assert len(rows) > 100
    return rows


def target_of(pattern):
    return re.sub(r"\{[^}]*\}", "x", pattern)


def ask(server, asked, user=None):
    """Each (method, target, headers) -> (status, text); `user` is the uid that asks."""
    address = urllib.parse.urlsplit(server.url)
    who = {"user": user, "group": user, "extra_groups": []} if user else {}
    ran = subprocess.run(["/usr/bin/python3", "-c", STRANGER], input=json.dumps([address.hostname, address.port, asked]), cwd="/", env={},
                         capture_output=True, text=True, timeout=120, **who)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_only_health_version_and_the_empty_page_are_for_anyone(routes):
    assert {row["pattern"] for row in routes if not row["verb"]} == PUBLIC


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_every_route_refuses_another_user(server, routes):
    rows = [row for row in routes if row["pattern"] not in PUBLIC]
    asked = [[row["method"], target_of(row["pattern"]), {}] for row in rows]
    for (method, target, _), (status, text) in zip(asked, ask(server, asked, user=65534)):
        assert status in (401, 403), (method, target, status, text)
    # The same table as ourselves: not refused at the door, so the walk above does ask what is there.
    reads = [a for a in asked if a[0] == "GET" and "watch" not in a[1]]
    mine = ask(server, reads)
    assert sum(status not in (401, 403) for status, _ in mine) == len(reads), [r for r in zip(reads, mine) if r[1][0] in (401, 403)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
@pytest.mark.parametrize("bent", [
    lambda m, t: ("HEAD", t), lambda m, t: ("OPTIONS", t), lambda m, t: (m, t + "/"), lambda m, t: (m, "/" + t), lambda m, t: (m, "/." + t),
    lambda m, t: (m, "/%2e" + t), lambda m, t: (m, t.upper()), lambda m, t: (m, "/health/.." + t), lambda m, t: (m, "/health;" + t),
    lambda m, t: (m, "/%" + f"{ord(t[1]):02x}" + t[2:]), lambda m, t: (m, t + "?_method=GET"), lambda m, t: (m, t + "%00"),
], ids=["head", "options", "slash-after", "two-slashes", "dot", "coded-dot", "upper", "through-health", "semicolon", "coded-letter", "query", "nul"])
def test_no_spelling_of_a_route_lets_another_user_in(server, routes, bent):
    asked = [[*bent(row["method"], target_of(row["pattern"])), {}] for row in routes if row["pattern"] not in PUBLIC]
    for (method, target, _), (status, text) in zip(asked, ask(server, asked, user=65534)):
        assert status in (400, 401, 403, 404, 405), (method, target, status, text)


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example"}, {"Host": "localhost.evil.example:7070"},
    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1", "Content-Type": "text/plain"},
    {"Origin": "http://evil.example", "Content-Type": "text/plain"}, {"Origin": "https://evil.example", "Content-Type": "application/x-www-form-urlencoded"},
], ids=lambda h: " ".join(h.values()).replace("/", "_"))
def test_a_rebound_name_or_a_foreign_page_reaches_no_route(server, routes, headers):
    asked = [[row["method"], target_of(row["pattern"]), headers] for row in routes]
    for (method, target, _), (status, text) in zip(asked, ask(server, asked)):
        assert status == 403, (method, target, status, text)


def test_a_refusal_takes_the_form_of_its_protocol(server):
    asked = [["GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", {"Origin": "null"}], ["GET", "/api/v1/pods", {"Origin": "null"}],
             ["GET", "/nothing/here", {}], ["GET", "/api/2.0/mlflow/nothing", {}], ["GET", "/api/v1/nothing", {}]]
    answers = [json.loads(text) for _, text in ask(server, asked)]
    assert answers[0]["error_code"] == "PERMISSION_DENIED" and answers[1]["kind"] == "Status" and "error" in answers[2]
    assert answers[3]["error_code"] == "ENDPOINT_NOT_FOUND" and answers[4]["reason"] == "NotFound"


READER = """
import json, sys
found = []
for path in json.load(sys.stdin):
    try:
        open(path, "rb").read(1)
        found.append(path)
    except OSError:
        pass
print(json.dumps(found))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_reads_none_of_the_files(server, place):
    server.run("image", "map", "tools", "env")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "talker"}, "spec": {"containers": [
        {"name": "main", "image": "tools", "command": ["sh", "-c", "echo the secret; echo x > $HOME/kept; sleep 60"]}]}}
    request = urllib.request.Request(server.url + "/api/v1/namespaces/default/pods", json.dumps(pod).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request)
    urllib.request.urlopen(urllib.request.Request(server.url + "/api/2.0/mlflow-artifacts/artifacts/a/b", b"x", method="PUT"))
    deadline, log = time.monotonic() + 90, b""
    while log != b"the secret\n" and time.monotonic() < deadline:
        time.sleep(0.02)
        try:
            log = urllib.request.urlopen(server.url + "/api/v1/namespaces/default/pods/talker/log").read()
        except urllib.error.HTTPError:  # not started yet
            pass
    assert log == b"the secret\n"
    files = [os.path.join(base, name) for base, _, names in os.walk(place / "data") for name in names]
    files = [f for f in files if os.path.isfile(f)]
    assert {"store.db", "kubeconfig", "endpoints.json"} <= {os.path.basename(f) for f in files} and any("/pods/" in f for f in files)
    ran = subprocess.run(["/usr/bin/python3", "-c", READER], input=json.dumps(files), user=65534, group=65534, extra_groups=[], cwd="/", env={},
                         capture_output=True, text=True, timeout=60)
    seen = {str(Path(f).relative_to(place / "data")) for f in json.loads(ran.stdout)}
    # Where we listen is no secret; engines are libraries that Pods load.
    assert {f for f in seen if not f.startswith("engines/")} == {"endpoints.json"}

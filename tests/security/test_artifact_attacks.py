"""The attacks that MLflow's artifact and registry routes have seen, replayed: nothing outside the artifact folder is
read, written or removed, and the answer is always the user's error."""
import http.client
import json
import os
import subprocess
import urllib.parse

import pytest
import requests

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"

# As sent on the wire, after the route's slash. None may name anything but a file beneath the artifact root.
TRAVERSALS = [
    "../secret", "..%2fsecret", "%2e%2e/secret", "%2e%2e%2fsecret", "..%252fsecret", "%252e%252e%252fsecret", "%25252e%25252e%25252fsecret",
    "a/../../secret", "a/..%2f..%2fsecret", "a/%2e%2e/%2e%2e/secret", "a/./../../secret", "a;/../../secret", "a;x=1/..%2f..%2fsecret", "..;/secret",
    "%2fetc/passwd", "/etc/passwd", "//etc/passwd", "%2f%2fetc%2fpasswd", "%252fetc/passwd", "C:%5cWindows", "C:/Windows", "c%3a%2fwindows",
    "..%5csecret", "..\\secret", "%5c..%5c..%5csecret", "a%5c..%5c..%5csecret", "file:///etc/passwd", "file:%2f%2f%2fetc%2fpasswd",
    "a/%00", "secret%00.txt", "..%00/secret", "a%0a/b", "a%0d%0ab", "%7f", "%1b[2J", "a/%23/..%2f..%2fsecret", "a%3f/..%2f..%2fsecret",
    "..%c0%afsecret", "%c0%ae%c0%ae/secret", "%ff%fe", "..%u2215secret", "%", "%2", "%zz", "....//....//secret", ".%2e/secret", "%2e./secret",
    "proc/self/root/../../../../secret",
]


def send(server, method, target, body=None, headers=None):
    """As written: no client tidies the path."""
    address = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer, text


@pytest.fixture(scope="module")
def secret(server):
    """Beside and above the artifact folder; the tests fail when anything of it is read, changed or removed."""
    places = [server.folder / "secret", server.folder.parent / "secret"]
    for place in places:
        place.write_text("TOP-SECRET")
    requests.put(server.url + ARTIFACTS + "/a/kept", data=b"kept").raise_for_status()
    yield places
    for place in places:
        assert place.read_text() == "TOP-SECRET"
    assert requests.get(server.url + ARTIFACTS + "/a/kept").text == "kept"


def all_files(folder):
    return sorted(os.path.join(base, name) for base, _, names in os.walk(folder) for name in names if "store.db" not in name)


def check(answer, text, what):
    assert 400 <= answer.status < 500, (what, answer.status, text[:200])
    assert b"TOP-SECRET" not in text and b"root:" not in text, what
    for leak in (b"/tmp/", b"SELECT", b"sqlite", b"openat", b"errno"):
        assert leak not in text, (what, text[:200])


@pytest.mark.parametrize("path", TRAVERSALS)
@pytest.mark.parametrize("door", ["/api", "/ajax-api"])
def test_no_path_leaves_the_artifact_folder(server, secret, path, door):
    target = f"{door}{ARTIFACTS.removeprefix('/api')}/{path}"
    before = all_files(server.folder.parent)
    for method in ("GET", "DELETE", "HEAD"):
        check(*send(server, method, target), (method, target))
    answer, text = send(server, "PUT", target, b"EVIL")
    if answer.status == 200:
        # An odd name like any other, once decoded: stored under exactly that name, where it belongs.
        stored = server.folder / "blobs" / urllib.parse.unquote(path)
        assert set(all_files(server.folder.parent)) - set(before) == {str(stored)}, target
        assert path == "..;/secret", "only this one is known to be harmless here"
        stored.unlink()
    else:
        check(answer, text, ("PUT", target))
    assert all_files(server.folder.parent) == before
    answer, text = send(server, "GET", f"{door}{ARTIFACTS.removeprefix('/api')}?path={path}")
    if answer.status == 200:
        assert text == b"{}", text
    else:
        check(answer, text, path)


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_query_leaves_a_run_or_a_model(server, secret, path):
    created = requests.post(server.url + "/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    model = requests.post(server.url + "/api/2.0/mlflow/logged-models", json={"experiment_id": "0"}).json()["model"]["info"]["model_id"]
    for target in (f"/get-artifact?run_uuid={created}&path={path}", f"/get-artifact?run_uuid={path}&path=x",
                   f"/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files?artifact_file_path={path}",
                   f"/model-versions/get-artifact?name={path}&version=1&path={path}"):
        answer, text = send(server, "GET", target)
        check(answer, text, target)
    if path != "..;/secret":  # an odd name, but a name
        answer, text = send(server, "POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={created}&path={path}", b"EVIL")
        check(answer, text, path)
    for call in ("mpu/create", "mpu/complete", "mpu/abort"):
        answer, text = send(server, "POST", f"/api/2.0/mlflow-artifacts/{call}/{path}", b"{}")
        assert 400 <= answer.status <= 501 and answer.status != 500, (call, path, answer.status)


@pytest.mark.parametrize("where", ["top", "inside"])
def test_links_in_the_folder_are_not_followed(server, secret, where):
    folder = server.folder / "blobs" / ("" if where == "top" else "a")
    links = {"dir": str(server.folder.parent), "file": str(secret[0]), "proc": "/proc/self/root"}
    for name, target in links.items():
        (folder / f"link-{name}").symlink_to(target)
    try:
        base = ARTIFACTS if where == "top" else ARTIFACTS + "/a"
        for target in (f"{base}/link-file", f"{base}/link-dir/secret", f"{base}/link-proc/etc/passwd"):
            for method, body in (("GET", None), ("PUT", b"EVIL")):
                answer, text = send(server, method, target, body)
                if method == "PUT" and answer.status == 200:  # replaced the link itself, never what it points to
                    assert target.endswith("link-file")
                    continue
                check(answer, text, (method, target))
        answer, text = send(server, "DELETE", f"{base}/link-dir/secret")
        check(answer, text, "delete through a link")
        answer, text = send(server, "GET", f"{ARTIFACTS}?path={'' if where == 'top' else 'a/'}link-dir")
        assert b"secret" not in text
        assert all(place.read_text() == "TOP-SECRET" for place in secret)
    finally:
        for name in links:
            (folder / f"link-{name}").unlink(missing_ok=True)


SOURCES = [
    "file:///etc/", "file:/etc", "FILE:///etc", "//proc/self/root", "/etc", "..\\..\\", "../../etc", "http://x/../../", "https://169.254.169.254/",
    "ftp://x", "s3://bucket/x", "mlflow-artifacts:/../../../etc", "mlflow-artifacts://evil:80/x", "mlflow-artifacts:/%2e%2e/%2e%2e/etc",
    "mlflow-artifacts:/a", "runs:/x/../../etc", "runs://evil/x/y", "models://evil/x/1", "models:/../1", "models:/m-1/../../etc", "dummy-source",
    "prompt-template", "file://localhost/etc", "file:etc", "C:\\Windows", "\\\\host\\share", "runs:/../artifacts", "mlflow-artifacts:/a%00",
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("prompt", [False, True])
def test_a_versions_source_cannot_name_a_file_of_the_server(server, secret, source, prompt):
    api = server.url + "/api/2.0/mlflow"
    name = f"lfi-{abs(hash(source))}-{prompt}"
    requests.post(f"{api}/registered-models/create", json={"name": name}).raise_for_status()
    body = {"name": name, "source": source}
    if prompt:
        body["tags"] = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    made = requests.post(f"{api}/model-versions/create", json=body)
    if prompt and source in ("dummy-source", "prompt-template"):
        assert made.status_code == 200
    else:
        assert 400 <= made.status_code < 500, made.text
        assert made.json()["error_code"] in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")
    for path in ("passwd", "hosts", "x", "../../etc/passwd"):
        got = requests.get(f"{server.url}/model-versions/get-artifact", params={"name": name, "version": "1", "path": path})
        assert 400 <= got.status_code < 500
        assert "root:" not in got.text


def test_a_source_must_belong_to_what_it_is_said_to_belong_to(server):
    api = server.url + "/api/2.0/mlflow"
    mine, other = (requests.post(f"{api}/runs/create", json={"experiment_id": "0"}).json()["run"]["info"] for _ in range(2))
    requests.post(f"{api}/registered-models/create", json={"name": "owned"}).raise_for_status()
    for source, run in ((other["artifact_uri"] + "/m", mine["run_id"]), (f"runs:/{other['run_id']}/m", mine["run_id"]),
                        (mine["artifact_uri"] + "X/m", mine["run_id"]), (mine["artifact_uri"].rsplit("/", 2)[0], mine["run_id"])):
        made = requests.post(f"{api}/model-versions/create", json={"name": "owned", "source": source, "run_id": run})
        assert (made.status_code, made.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), source


@pytest.mark.parametrize("name", ["x.html", "x.htm", "x.svg", "x.xhtml", "x.xml", "x.js", "MLmodel", "x.txt", "x", "x.pdf"])
def test_nothing_stored_runs_in_our_origin(server, name):
    evil = b"<script>alert(1)</script>!!js/function 'x'"
    requests.put(f"{server.url}{ARTIFACTS}/xss/{name}", data=evil, headers={"Content-Type": "text/html"}).raise_for_status()
    answer = requests.get(f"{server.url}{ARTIFACTS}/xss/{name}", headers={"Accept": "text/html"})
    assert answer.content == evil
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert not answer.headers["Content-Type"].startswith(("text/html", "image/svg", "text/xml", "application/xhtml", "application/javascript"))


def test_a_file_name_cannot_add_a_header(server):
    name = "x%22; filename=evil.html%3b%20.txt"
    send(server, "PUT", f"{ARTIFACTS}/head/{name.replace(' ', '%20')}", b"1")
    answer, _ = send(server, "GET", f"{ARTIFACTS}/head/{name.replace(' ', '%20')}")
    if answer.status == 200:
        assert answer.getheader("Content-Disposition").count('"') == 2


def test_sql_in_names_keys_and_filters_is_only_text(server):
    api = server.url + "/api/2.0/mlflow"
    evil = "x'); DROP TABLE registered_models; --"
    requests.post(f"{api}/registered-models/create", json={"name": evil, "tags": [{"key": evil, "value": evil}]}).raise_for_status()
    assert requests.get(f"{api}/registered-models/get", params={"name": evil}).json()["registered_model"]["name"] == evil
    found = requests.get(f"{api}/registered-models/search", params={"filter": f'tags."{evil}" = "{evil}"'})
    assert [m["name"] for m in found.json()["registered_models"]] == [evil]
    for text in ("name = 'a' OR 1=1", "1=1", "name = 'a'; DROP TABLE x", "tags.`a' OR 1=1` = 'x' --", "name LIKE '" + "%_" * 5000 + "'",
                 "name IN ('a'" + ",'b'" * 20000 + ")", "name = 'a' AND " * 500 + "name = 'a'", "(((((name='a')))))", "name = 'a", "\x00"):
        answer = requests.get(f"{api}/registered-models/search", params={"filter": text})
        assert 400 <= answer.status_code < 500, (text[:60], answer.text)
        assert "SQL" not in answer.text.upper().replace("'SQL", "")
    for order in ("name; DROP TABLE x", "name ASC, name DESC", "(SELECT 1)", "random()", "name COLLATE x"):
        assert requests.get(f"{api}/registered-models/search", params={"order_by": order}).status_code == 400


ANOTHER_USER = """
import http.client, json, sys
host, port, routes = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
found = []
for method, target in routes:
    connection = http.client.HTTPConnection(host, port, timeout=20)
    connection.request(method, target, body=b"{}" if method in ("POST", "PUT", "PATCH") else None)
    answer = connection.getresponse()
    found.append((answer.status, answer.read().decode(errors="replace")[:300]))
    connection.close()
print(json.dumps(found))
"""


def test_another_user_of_the_machine_gets_nothing(server, secret):
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    doors = []
    for door in ("/api", "/ajax-api"):
        proxied = f"{door}/2.0/mlflow-artifacts"
        base = f"{door}/2.0/mlflow"
        doors += [("GET", f"{proxied}/artifacts"), ("GET", f"{proxied}/artifacts/a/kept"), ("HEAD", f"{proxied}/artifacts/a/kept"),
                  ("PUT", f"{proxied}/artifacts/a/kept"), ("DELETE", f"{proxied}/artifacts/a"), ("OPTIONS", f"{proxied}/artifacts/a/kept"),
                  ("GET", f"{base}/artifacts/list?run_id=x"), ("POST", f"{base}/logged-models"), ("POST", f"{base}/logged-models/search"),
                  ("GET", f"{base}/logged-models/m-1"), ("PATCH", f"{base}/logged-models/m-1"), ("DELETE", f"{base}/logged-models/m-1"),
                  ("GET", f"{base}/logged-models/m-1/artifacts/directories"), ("GET", f"{base}/logged-models/m-1/artifacts/files"),
                  ("POST", f"{base}/model-versions/create"), ("GET", f"{base}/model-versions/search"), ("DELETE", f"{base}/model-versions/delete"),
                  ("POST", f"{base}/registered-models/create"), ("GET", f"{base}/registered-models/search"), ("GET", f"{base}/registered-models/get?name=a"),
                  ("DELETE", f"{base}/registered-models/delete"), ("POST", f"{base}/registered-models/alias"), ("GET", f"{base}/registered-models/alias"),
                  ("GET", f"{proxied}//artifacts/a/kept"), ("GET", f"{proxied}/artifacts/%61/kept"), ("GET", f"{proxied}/./artifacts/a/kept"),
                  ("GET", f"{proxied}/artifacts/a/kept/"), ("POST", f"{proxied}/mpu/create/a"), ("GET", f"{proxied}/presigned/a/kept")]
    doors += [("GET", "/get-artifact?run_uuid=x&path=y"), ("GET", "/model-versions/get-artifact?name=a&version=1&path=x"),
              ("POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=x&path=y")]
    address = urllib.parse.urlsplit(server.url)
    ran = subprocess.run(["/usr/bin/python3", "-c", ANOTHER_USER, address.hostname, str(address.port), json.dumps(doors)], user=65534, group=65534,
                         extra_groups=[], cwd="/", env={}, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    for (method, target), (status, text) in zip(doors, json.loads(ran.stdout)):
        assert status in (401, 403, 404, 405), (method, target, status, text)
        assert "kept" not in text.replace(target, ""), (method, target, text)
        if "//" not in target and "/./" not in target and method not in ("OPTIONS", "HEAD"):
            assert status in (401, 403), (method, target, status, text)


def test_bounds(server):
    api = server.url + "/api/2.0/mlflow"
    post = lambda path, body: requests.post(f"{api}/{path}", json=body).status_code
    assert post("registered-models/create", {"name": "n" * 257}) == 400
    assert post("registered-models/create", {"name": "bounded", "description": "d" * 100_001}) == 400
    assert post("registered-models/create", {"name": "bounded", "tags": [{"key": str(i), "value": ""} for i in range(101)]}) == 400
    assert post("registered-models/create", {"name": "bounded"}) == 200
    assert post("registered-models/set-tag", {"name": "bounded", "key": "k" * 251, "value": ""}) == 400
    assert post("registered-models/set-tag", {"name": "bounded", "key": "k", "value": "v" * 100_001}) == 400
    assert post("model-versions/create", {"name": "bounded", "source": "runs:/" + "a" * 600}) == 400
    assert requests.get(f"{api}/registered-models/search", params={"max_results": 1001}).status_code == 400
    assert requests.get(f"{api}/registered-models/search", params={"max_results": 0}).status_code == 400
    assert requests.get(f"{api}/model-versions/search", params={"max_results": 200_001}).status_code == 400
    assert post("registered-models/create", {"name": "big", "description": "d" * (4 << 20)}) == 413

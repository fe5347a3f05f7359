"""Another Unix user of the same machine gets nothing: with a real second uid."""
import os
import socket
import subprocess
import sys
import urllib.parse

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

NOBODY = 65534 - 7  # some uid that is not the owner's, nor the overflow uid

# Runs as the other user: one request, its status.
ASK = """
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], timeout=10)
c.request(sys.argv[2], sys.argv[3], body=(sys.argv[4] if len(sys.argv) > 4 else None),
          headers={"Content-Type": "application/json"})
r = c.getresponse()
print(r.status, r.read(300).decode(errors="replace"))
"""

# The socket-closed-early trick: the request is on its way and the socket gone before anybody looks up whose it was. Whatever
# the kernel then says of it (uid 0, inode 0) must not be taken for root.
FLEE = """
import socket, sys
host, port = sys.argv[1].rsplit(":", 1)
body = sys.argv[2].encode()
for i in range(300):
    s = socket.create_connection((host, int(port)), timeout=10)
    name = f"stolen-{i}".encode()
    text = body.replace(b"NAME", name)
    s.sendall(b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\n"
              b"Content-Length: %d\\r\\n\\r\\n%s" % (len(text), text))
    if i % 3 == 1:
        s.shutdown(socket.SHUT_RDWR)
    if i % 3 == 2:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")  # a reset
    s.close()
print("done")
"""


def as_other(code, *words, uid=NOBODY):
    done = subprocess.run([sys.executable, "-c", code, *words], user=uid, group=uid, extra_groups=[], cwd="/",
                          capture_output=True, text=True, timeout=120, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def address(server):
    return urllib.parse.urlsplit(server.url).netloc


@pytest.mark.parametrize("method,path,body", [
    ("GET", "/api/v1/namespaces", None), ("GET", "/api/v1/secrets", None), ("GET", "/apis", None), ("GET", "/openapi/v3", None),
    ("POST", "/api/v1/namespaces", "{}"), ("DELETE", "/api/v1/namespaces/default", None),
    ("POST", "/api/2.0/mlflow/experiments/create", '{"name": "x"}'), ("GET", "/api/2.0/mlflow/experiments/search?max_results=1", None),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/x", "x"), ("POST", "/modelkit/v1/secrets/rotate", None),
    ("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", "{}"), ("GET", "/openid/v1/jwks", None),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "{}"),
])
def test_another_uid_gets_nothing(address, method, path, body):
    said = as_other(ASK, address, method, path, *([body] if body else []))
    assert said.startswith("403 "), said
    assert "system:anonymous" in said


def test_another_uid_gets_health(address):
    for path in ("/health", "/healthz", "/livez", "/readyz", "/version"):
        assert as_other(ASK, address, "GET", path).startswith("200 ")


def test_a_socket_closed_early_is_nobodys(server, address):
    from kubernetes import client, config
    body = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "NAME"}}'
    assert "done" in as_other(FLEE, address, body)
    # The owner, who plays the same trick, may lose by it, but nothing of the other's was taken.
    api = client.CoreV1Api(config.new_client_from_config(str(server.kubeconfig)))
    assert [m.metadata.name for m in api.list_namespaced_config_map("default").items if m.metadata.name.startswith("stolen")] == []


def test_files_are_for_the_owner_only(server):
    look = "import os, sys\nfor path in sys.argv[1:]:\n    print(os.access(path, os.R_OK))"
    paths = [server.folder / name for name in ("kubeconfig", "pki", "pki/ca.key", "pki/service-accounts.key", "pki/secrets.keys",
                                               "pki/server.key", "audit", "audit/audit.log", "store.db")]
    for path in paths:
        assert path.exists(), path
    # pytest's own folder lets nobody pass, so modes are what counts.
    assert set(as_other(look, *map(str, paths)).split()) == {"False"}
    for path in paths:
        assert path.stat().st_mode & 0o077 == 0, path


def test_every_route_is_shut_for_anonymous(server, address):
    """Whatever discovery and the OpenAPI documents name, for every method."""
    import json
    import urllib.request
    paths = set()
    index = json.load(urllib.request.urlopen(server.url + "/openapi/v3"))
    for document in index["paths"].values():
        paths |= set(json.load(urllib.request.urlopen(server.url + document["serverRelativeURL"]))["paths"])
    assert len(paths) > 50
    script = """
import http.client, json, sys
c = http.client.HTTPConnection(sys.argv[1], timeout=30)
bad = []
for path in json.load(sys.stdin):
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        c.request(method, path, headers={"Content-Length": "0"})
        r = c.getresponse(); r.read()
        if r.status not in (401, 403, 404, 405): bad.append((method, path, r.status))
print(json.dumps(bad))
"""
    filled = [path.replace("{namespace}", "default").replace("{name}", "x") for path in sorted(paths)]
    done = subprocess.run([sys.executable, "-c", script, address], user=NOBODY, group=NOBODY, extra_groups=[], cwd="/",
                          input=json.dumps(filled), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []

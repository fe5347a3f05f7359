"""Nothing secret is left where it could be found: logs, events, audit, the database."""
import base64
import json
import subprocess
import time
import urllib.request

from modelkit import KUBECTL
import os

CANARY = "canary-7f3a-not-to-be-found"


def kubectl(server, *words, input=None, config=None, check=True):
    done = subprocess.run([KUBECTL, *map(str, words)], input=input, capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, KUBECONFIG=str(config or server.kubeconfig), HOME=str(server.folder.parent)))
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def found_in(server, *needles):
    """Files that hold one of the needles, beside the one that keeps keys and the owner's kubeconfig."""
    hits = []
    for path in [*server.folder.rglob("*"), server.folder.parent / f"{server.folder.name}.log"]:
        if not path.is_file() or path.is_symlink() or path.stat().st_size > 64 << 20:
            continue
        held = path.read_bytes()
        hits += [(path.name, needle) for needle in needles if needle.encode() in held]
    return hits


def test_canaries(make_server):
    server = make_server()
    server.run("user", "add", "ada")
    token = server.run("token", "create", "ada").stdout.strip()
    assert token.startswith("mk_")
    kubectl(server, "create", "rolebinding", "ada", "--clusterrole=edit", "--user=ada", "-n", "default")
    encoded = base64.b64encode(CANARY.encode()).decode()
    kubectl(server, "create", "secret", "generic", "s", f"--from-literal=k={CANARY}")
    kubectl(server, "apply", "-f", "-", input=json.dumps({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "applied"}, "stringData": {"k": CANARY}}))
    account = kubectl(server, "create", "token", "default").strip()
    for value in (token, account, token + "x"):
        for path in ("/api/v1/namespaces/default/secrets", "/api/v1/nodes", f"/api/v1/namespaces/default/configmaps?x={token}"):
            request = urllib.request.Request(server.url + path, headers={"Authorization": f"Bearer {value}"})
            try:
                urllib.request.urlopen(request, timeout=10).read()
            except urllib.error.HTTPError as error:
                assert value not in error.read().decode()
    assert base64.b64decode(kubectl(server, "get", "secret", "s", "-o", "jsonpath={.data.k}")).decode() == CANARY
    rotated = server.run("secrets", "rotate").stdout
    assert rotated.startswith("2 secrets"), rotated
    server.stop()
    assert found_in(server, CANARY, encoded, token, account) == []
    server.start()
    assert base64.b64decode(kubectl(server, "get", "secret", "applied", "-o", "jsonpath={.data.k}")).decode() == CANARY
    kubectl(server, "delete", "secret", "s", "applied")
    server.kill()  # nothing is tidied up
    assert found_in(server, CANARY, encoded, token, account) == []


def lines(server):
    text = (server.folder / "audit" / "audit.log").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_audit(make_server):
    server = make_server()
    server.run("user", "add", "ada")
    config = server.folder.parent / "ada"
    config.write_text(server.run("kubeconfig", "--user", "ada").stdout)
    kubectl(server, "get", "nodes", config=config, check=False)
    kubectl(server, "create", "configmap", "c")
    kubectl(server, "get", "configmap", "c")
    kubectl(server, "get", "secrets", "--as=ada", check=False)
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        seen = {(l["user"], l.get("as"), l["verb"], l.get("resource"), l["status"]) for l in lines(server)}
        wanted = {("owner", None, "create", "users.modelkit.dev", 201), ("ada", None, "list", "nodes", 403),
                  ("owner", None, "create", "configmaps", 201), ("owner", "ada", "list", "secrets", 403)}
        if wanted <= seen:
            break
        time.sleep(0.05)
    assert wanted <= seen, seen
    assert not any(line["verb"] == "get" and line.get("resource") == "configmaps" for line in lines(server))
    made = next(line for line in lines(server) if line.get("resource") == "configmaps")
    assert made["namespace"] == "default" and made["source"] == "127.0.0.1" and made["latency_us"] > 0

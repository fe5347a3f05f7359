"""--listen beyond loopback: TLS and users, or nothing. In a network of the test's own, so that no machine is let in."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modelkit import BINARY

ADDRESS = "10.9.8.7"
TESTS = Path(__file__).resolve().parents[2]

INNER = """
import base64, http.client, json, ssl, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from modelkit import Modelkit

ADDRESS = "10.9.8.7"
server = Modelkit(Path(sys.argv[2]))
server.run("user", "add", "ada", "--group", "system:masters")
server.run("user", "add", "bob")
token = server.run("token", "create", "ada").stdout.strip()
weak = server.run("token", "create", "bob").stdout.strip()
server.stop()
server.extra = ["--listen", ADDRESS, "--host", "models.example.com"]
server.start()
port = int(server.url.rsplit(":", 1)[1])
trust = ssl.create_default_context(cafile=str(server.folder / "pki" / "ca.crt"))


def ask(path, tls=True, name=ADDRESS, host=None, headers=()):
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=20)
    connection.connect()
    if tls:
        connection.sock = trust.wrap_socket(connection.sock, server_hostname=name)
    connection.request("GET", path, headers={"Host": host or f"{name}:{port}", **dict(headers)})
    response = connection.getresponse()
    return response.status, response.read().decode()


bearer = {"Authorization": f"Bearer {token}"}
nodes = "/api/v1/nodes"
checks = {
    "health by http": ask("/health", tls=False)[0] == 200,
    "http is refused": "with TLS only" in ask(nodes, tls=False, headers=bearer)[1],
    "nobody by https": ask(nodes)[0] == 403,
    "a token by https": ask(nodes, headers=bearer)[0] == 200,
    "a weak token": ask(nodes, headers={"Authorization": f"Bearer {weak}"})[0] == 403,
    "a wrong token": ask(nodes, headers={"Authorization": "Bearer x"})[0] == 401,
    "by its name": ask(nodes, name="models.example.com", headers=bearer)[0] == 200,
    "by a foreign name": ask(nodes, host="evil.example.com", headers=bearer)[0] == 403,
    "the owner over loopback": json.loads(server.run("get", "nodes", "-o", "json").stdout)["items"] != [],
    "predictions stay on loopback": server.data_url.startswith("http://127.0.0.1:"),
}
try:
    ask(nodes, name="evil.example.com")
    checks["the certificate is for our names only"] = False
except ssl.SSLCertVerificationError:
    checks["the certificate is for our names only"] = True
server.stop()
print(json.dumps([name for name, held in checks.items() if not held]))
"""


def test_it_refuses_while_nobody_could_show_who_they_are(tmp_path):
    answer = subprocess.run([BINARY, "up", "--data", tmp_path, "--port", "0", "--data-port", "0", "--listen", ADDRESS],
                            capture_output=True, text=True, timeout=30)
    assert answer.returncode == 1
    assert "there is no user who could show a token yet" in answer.stderr and "modelkit user add" in answer.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"),
                    reason="a network of one's own needs root, unshare and ip")
def test_tls_and_tokens_for_other_machines(tmp_path):
    script = tmp_path / "inner.py"
    script.write_text(INNER)
    (tmp_path / "data").mkdir()
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", f'ip link set lo up && ip addr add {ADDRESS}/32 dev lo && exec "$@"', "sh",
         sys.executable, str(script), str(TESTS), str(tmp_path / "data")],
        capture_output=True, text=True, timeout=120, env=dict(os.environ, MODELKIT_BINARY=str(BINARY)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]", done.stdout

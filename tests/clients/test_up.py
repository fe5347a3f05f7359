"""Starting, stopping, and refusing to start."""
import http.client
import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from pathlib import Path

import pytest

from modelkit import BINARY, KUBECTL


def read(path):
    try:
        return path.read_bytes()
    except OSError:  # it has just ended
        return b""


def test_up_is_alive(server):
    assert urllib.request.urlopen(server.url + "/health").read() == b"OK"


def test_it_says_where_it_is(server):
    assert json.loads((server.folder / "endpoints.json").read_text()) == {
        "http": server.url, "https": server.url.replace("http:", "https:"), "data": server.data_url, "grpc": None}
    summary = server.output().splitlines()[:6]
    assert summary[0].startswith("modelkit ") and " is ready (" in summary[0]
    assert [line.split()[0] for line in summary[1:]] == ["console", "tracking", "kubectl", "models", "data"]
    assert server.url in summary[1] and f"MLFLOW_TRACKING_URI={server.url}" in summary[2] and server.data_url in summary[4]


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "0", "10.0.0.1", "192.168.1.2", "::ffff:0.0.0.0", "example.com", "*", ""])
def test_listening_beyond_this_machine_needs_tls(tmp_path, address):
    answer = subprocess.run([BINARY, "up", "--data", tmp_path / "data", "--listen", address], capture_output=True, text=True, timeout=20)
    assert answer.returncode == 1
    assert f"--listen {address} would let other machines in" in answer.stderr
    assert "ssh -L 7070:127.0.0.1:7070" in answer.stderr  # what to do instead
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("address", ["127.evil.example", "127.0.0.1.evil.example", "127.0.0.256"])
def test_a_name_that_only_looks_like_this_machine_is_refused(tmp_path, address):
    answer = subprocess.run([BINARY, "up", "--data", tmp_path, "--listen", address, "--port", "0", "--data-port", "0"], capture_output=True,
                            text=True, timeout=20)
    assert answer.returncode == 1 and "is not an IP address" in answer.stderr, answer.stderr


@pytest.mark.parametrize("address, host", [("127.0.0.2", "127.0.0.2"), ("::1", "[::1]"), ("localhost", "127.0.0.1")])
def test_every_address_of_this_machine_works(make_server, address, host):
    server = make_server(extra=["--listen", address])
    assert server.url.startswith(f"http://{host}:") and server.data_url.startswith(f"http://{host}:")
    found = subprocess.run([KUBECTL, "--kubeconfig", server.kubeconfig, "get", "ns", "default", "-o", "name"], capture_output=True, text=True, timeout=30)
    assert found.stdout == "namespace/default\n", found.stderr
    assert b"Default" in urllib.request.urlopen(server.url + "/api/2.0/mlflow/experiments/get?experiment_id=0").read()
    with pytest.raises(urllib.error.HTTPError) as absent:
        urllib.request.urlopen(server.data_url + "/serving/default/nobody/v2")
    assert absent.value.code == 404 and json.load(absent.value)["error"]


def test_more_names_can_be_allowed(make_server):
    server = make_server(extra=["--host", "models.example.com", "--host", "proxy.example.com:8443"])
    address = urllib.parse.urlsplit(server.url)

    def status(host, origin=None):
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
        connection.request("GET", "/api/v1/namespaces", headers={"Host": host, **({"Origin": origin} if origin else {})})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()).get("message", "")

    assert status("models.example.com:1234")[0] == status("proxy.example.com:8443")[0] == status("localhost")[0] == 200
    assert status("models.example.com", "https://models.example.com")[0] == 200
    code, message = status("other.example.com")
    assert code == 403 and '"other.example.com"' in message and "--host" in message


@pytest.mark.parametrize("words, says", [
    (["dpeloy"], "there is no verb dpeloy\n  did you mean deploy?"),
    (["up", "--prot", "1"], "--port"),
    (["up", "--port", "70000"], "--port"),
    (["up", "--port", "abc"], "--port"),
    (["up", "--port"], "--port"),
    (["get", "podz"], "did you mean pods?"),
    (["get"], "get takes a kind"),
    (["get", "pods", "-o", "xml"], "-o takes table, wide, json, yaml or name"),
    (["apply"], "apply needs -f FILE"),
    (["rollout", "promot", "x"], "rollout takes status, promote or abort"),
    (["deploy", "models:/x/1"], "--name NAME"),
    (["deploy", "models:/x/1", "--name", "x", "--canary", "101"], "--canary"),
    (["image", "mapp"], "image takes map NAME PATH|env"),
    (["logs"], "logs takes one pod"),
    (["delete", "pods"], "delete takes a kind"),
], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_typos_are_named(server, words, says):
    answer = server.run(*words, check=False)
    assert answer.returncode == 2 and says in answer.stderr, (answer.returncode, answer.stderr)
    assert answer.stdout == "" and answer.stderr.startswith("modelkit: ")


def test_two_on_one_folder_are_refused(make_server):
    first = make_server()
    answer = subprocess.run([BINARY, "up", "--data", first.folder, "--port", "0", "--data-port", "0"],
                            capture_output=True, text=True, timeout=20)
    assert answer.returncode != 0
    assert str(first.process.pid) in answer.stderr


def test_a_port_that_is_taken_is_named(make_server, tmp_path):
    port = urllib.parse.urlsplit(make_server().url).port
    answer = subprocess.run([BINARY, "up", "--data", tmp_path / "other", "--port", str(port), "--data-port", "0"], capture_output=True,
                            text=True, timeout=20)
    assert answer.returncode != 0 and str(port) in answer.stderr and "in use" in answer.stderr, answer.stderr
    # What did not come up leaves nothing behind: its gateway would hold the port of the next try.
    deadline = time.monotonic() + 90  # its shim ends just after it
    while left := [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path / "other").encode() in read(p)]:
        assert time.monotonic() < deadline, [read(p) for p in left]
        time.sleep(0.02)


def test_a_data_folder_that_cannot_be_one_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    answer = subprocess.run([BINARY, "up", "--data", tmp_path / "file", "--port", "0", "--data-port", "0"], capture_output=True, text=True, timeout=20)
    assert answer.returncode == 1 and str(tmp_path / "file") in answer.stderr, answer.stderr

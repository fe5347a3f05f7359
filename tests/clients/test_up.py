"""Starting, stopping, and refusing to start."""
import subprocess
import urllib.request

from modelkit import BINARY


def test_up_is_alive(server):
    assert urllib.request.urlopen(server.url + "/health").read() == b"OK"


def test_listening_beyond_this_machine_needs_tls(tmp_path):
    answer = subprocess.run([BINARY, "up", "--data", tmp_path, "--listen", "0.0.0.0"], capture_output=True, text=True, timeout=20)
    assert answer.returncode == 1
    assert "--listen 0.0.0.0 would let other machines in" in answer.stderr


def test_typos_are_named(tmp_path):
    answer = subprocess.run([BINARY, "dpeloy"], capture_output=True, text=True, timeout=20)
    assert (answer.returncode, answer.stderr) == (2, "modelkit: there is no verb dpeloy\n  did you mean deploy?\n")


def test_two_on_one_folder_are_refused(make_server):
    first = make_server()
    answer = subprocess.run([BINARY, "up", "--data", first.folder, "--port", "0", "--data-port", "0"],
                            capture_output=True, text=True, timeout=20)
    assert answer.returncode != 0
    assert str(first.process.pid) in answer.stderr

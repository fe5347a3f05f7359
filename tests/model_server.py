"""A `modelkit model-server` of a test's own on a free port."""
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("MODELKIT_BINARY", ROOT / "build/dev/modelkit"))
VENV = (ROOT / ".venv").resolve()  # the folder itself: a link may be set anew while a test runs


class ModelServer:
    def __init__(self, folder, log, *arguments, name="m"):
        self.name = name
        self.log = Path(log)
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                [BINARY, "model-server", "--folder", folder, "--name", name, "--port", "0", *map(str, arguments)],
                stdout=out, stderr=out)
        self.port = self.wait_for_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def wait_for_port(self):
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            for line in self.log.read_text().splitlines():
                if '"model server listens"' in line:
                    return json.loads(line)["port"]
            if self.process.poll() is not None:
                raise AssertionError(self.log.read_text())
            time.sleep(0.01)
        raise AssertionError("the model server does not listen after 20 s")

    def request(self, path, body=None, headers=None):
        """(status, text)"""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers or {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def infer(self, body):
        status, text = self.request(f"/v2/models/{self.name}/infer", body)
        return status, json.loads(text)

    def wait_until_ready(self, seconds=90):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(self.log.read_text())
            if self.request(f"/v2/models/{self.name}/ready")[0] == 200:
                return self
            time.sleep(0.05)
        raise AssertionError(f"not ready after {seconds} s:\n{self.log.read_text()}")

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

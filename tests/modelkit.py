"""A running modelkit, as tests use it: on free ports, in a folder of its own."""
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("MODELKIT_BINARY", ROOT / "build/dev/modelkit"))
READY_S = 60  # to start or to stop, on a machine that has much else to do
KUBECTL = ROOT / ".venv/bin/kubectl"


class Modelkit:
    """One `modelkit up`. `url` is the control plane, `data_url` the gateway, `folder` its data."""

    def __init__(self, folder, extra=()):
        self.folder = Path(folder)
        self.extra = list(extra)
        self.process = None
        self.start()

    def program(self):
        """What stands before the verb."""
        return [BINARY]

    def start(self):
        endpoints = self.folder / "endpoints.json"
        endpoints.unlink(missing_ok=True)
        self.log = open(self.folder.parent / f"{self.folder.name}.log", "ab")
        self.process = subprocess.Popen(
            [*self.program(), "up", "--data", self.folder, "--port", "0", "--data-port", "0", "--grpc-port", "0", *self.extra],
            stdout=self.log, stderr=self.log, start_new_session=True)
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"modelkit ended with {self.process.returncode}:\n{self.output()}")
            try:
                found = json.loads(endpoints.read_text())
                self.url, self.data_url = found["http"], found["data"]
                return
            except (FileNotFoundError, json.JSONDecodeError):
                time.sleep(0.005)
        pytest.fail(f"modelkit is not ready after {READY_S} s:\n{self.output()}")

    def output(self):
        self.log.flush()
        return Path(self.log.name).read_text(errors="replace")[-4000:]

    def kill(self):
        """As a crash would: no warning."""
        self.process.kill()
        self.process.wait()

    def left(self):
        """Processes of ours that are still there: gateways and shims, which name the folder."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            except OSError:
                continue
            if any(word.startswith(b"%s/" % bytes(self.folder)) for word in words):
                found.append(int(entry.name))
        return found

    def stop(self):
        """Whoever removes the folder afterwards finds nobody who writes to it."""
        if self.process.poll() is not None:
            for pid in self.left():  # they live on without us, by design
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        else:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=READY_S)
            except subprocess.TimeoutExpired:
                self.kill()
                pytest.fail(f"modelkit did not stop within {READY_S} s of SIGINT")
        deadline = time.monotonic() + READY_S
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.005)
        self.log.close()

    def run(self, *words, check=True):
        """A verb of the command line against this server."""
        environment = dict(os.environ, MODELKIT_DATA=str(self.folder))
        return subprocess.run([str(BINARY), *map(str, words)], env=environment, capture_output=True, text=True, check=check, timeout=120)

    @property
    def kubeconfig(self):
        return self.folder / "kubeconfig"

"""A client-go informer, which starts with a WatchList, across everything that happens to a server. Optional: needs Go and
the pinned modules of informer/go.mod."""
import json
import os
import queue
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from objects import config_map

SOURCE = Path(__file__).resolve().parent / "informer"


@pytest.fixture(scope="module")
def informer_program(tmp_path_factory):
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not go:
        pytest.skip("Go is not installed")
    environment = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-mod=readonly -trimpath")
    modules = subprocess.run([go, "mod", "download"], cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=120)
    if modules.returncode != 0:
        pytest.skip(f"the modules of client-go cannot be had: {modules.stderr.strip()[-200:]}")
    program = tmp_path_factory.mktemp("go") / "informer"
    built = subprocess.run([go, "build", "-o", program, "."], cwd=SOURCE, env=environment, capture_output=True, text=True,
                           timeout=600)
    assert built.returncode == 0, built.stderr
    return program


class Informer:
    def __init__(self, program, server, space, resync="24h"):
        self.process = subprocess.Popen([program, server.kubeconfig, space, resync], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())

    def until(self, wanted, seconds=30):
        """All lines up to `wanted`."""
        seen, deadline = [], time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                seen.append(self.lines.get(timeout=0.5))
            except queue.Empty:
                assert self.process.poll() is None, seen
                continue
            if seen[-1] == wanted:
                return seen
        pytest.fail(f"{wanted!r} did not come in {seconds} s: {seen}")

    def cached(self):
        self.process.stdin.write("list\n")
        while True:
            line = self.lines.get(timeout=30)
            if line.startswith("list"):
                return {word for word in line.split()[1:] if not word.startswith("kube-root-ca.crt")}

    def cached_is(self, wanted, seconds=40):
        deadline = time.monotonic() + seconds
        while (found := self.cached()) != wanted:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)

    def end(self):
        self.process.kill()
        self.process.wait()


def test_an_informer_across_a_restart(informer_program, server, kubectl, raw, space):
    kubectl.apply(config_map("a", space, n="1"), config_map("b", space, n="1"), namespace=space)
    informer = Informer(informer_program, server, space)
    try:
        informer.until("synced")
        informer.cached_is({"a=1", "b=1"})
        kubectl.apply(config_map("a", space, n="2"), namespace=space)
        informer.until("update a=2")
        kubectl("delete", "configmap", "b", "-n", space)
        informer.until("delete b=1")
        # Killed without a word; what changes before the informer is back must not be lost to it.
        port = server.url.rsplit(":", 1)[1]
        server.kill()
        server.extra = ["--port", port]
        server.start()
        assert server.url.endswith(port)
        kubectl.apply(config_map("a", space, n="3"), config_map("c", space, n="1"), namespace=space)
        informer.cached_is({"a=3", "c=1"})
        kubectl("delete", "configmap", "c", "-n", space)
        informer.until("delete c=1")
    finally:
        server.extra = []
        informer.end()


def test_an_informer_resyncs_and_keeps_up(informer_program, server, raw, space):
    path = f"/api/v1/namespaces/{space}/configmaps"
    informer = Informer(informer_program, server, space, resync="1s")
    try:
        informer.until("synced")
        for i in range(300):
            status, answer, _ = raw("POST", path, json.dumps(config_map(f"m{i}", space, n="1")), {"Content-Type": "application/json"})
            assert status == 201, answer
        informer.cached_is({f"m{i}=1" for i in range(300)})
        informer.until("resync m0=1")
        assert raw("DELETE", path)[0] == 200
        informer.cached_is(set())
    finally:
        informer.end()

"""The real kubectl and small readers of the API for the tests of this folder."""
import http.client
import json
import os
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

KUBECTL = Path(sys.executable).parent / "kubectl"


class Kubectl:
    def __init__(self, server, cache, program=KUBECTL):
        self.program = program
        self.environment = dict(os.environ, KUBECONFIG=str(server.kubeconfig), HOME=str(cache), KUBECACHEDIR=str(cache))
        self.url = server.url

    def start(self, *words):
        return subprocess.Popen([self.program, *map(str, words)], env=self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def run(self, *words, input=None, env=None):
        """Exit code, stdout and stderr."""
        done = subprocess.run([self.program, *map(str, words)], env={**self.environment, **(env or {})}, input=input,
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def __call__(self, *words, input=None, env=None):
        code, out, err = self.run(*words, input=input, env=env)
        assert code == 0, f"kubectl {' '.join(map(str, words))}\n{out}{err}"
        return out

    def apply(self, *objects, **options):
        words = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
        return self("apply", "-f", "-", *words, input="\n".join(json.dumps(o) for o in objects))

    def refused(self, *words, input=None):
        code, out, err = self.run(*words, input=input)
        assert code != 0, f"kubectl {' '.join(map(str, words))} was not refused: {out}"
        assert "Internal error" not in err and "an error on the server" not in err, err
        return err

    def json(self, *words):
        return json.loads(self(*words, "-o", "json"))


@pytest.fixture
def kubectl_for():
    """kubectl for a server of the test's own: kubectl_for(server, cache folder)."""
    return Kubectl


@pytest.fixture(scope="module")
def kubectl(server, tmp_path_factory):
    return Kubectl(server, tmp_path_factory.mktemp("home"))


@pytest.fixture
def space(kubectl, request):
    """A namespace of one test's own."""
    name = request.node.name.lower().replace("_", "-").replace("[", "-").replace("]", "").strip("-")[:60]
    kubectl("create", "namespace", name)
    return name


class Raw:
    """One request at a time, as bytes: for what no client would send."""

    def __init__(self, url):
        self.address = urllib.parse.urlsplit(url).netloc

    def __call__(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.address, timeout=20)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers = {"Content-Type": "application/json", **(headers or {})}
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        try:
            return response.status, json.loads(text), response.headers
        except ValueError:
            return response.status, text, response.headers

    def watch(self, path, seconds=1):
        """All events of a watch that ends after `seconds`."""
        joiner = "&" if "?" in path else "?"
        connection = http.client.HTTPConnection(self.address, timeout=20)
        connection.request("GET", f"{path}{joiner}watch=true&timeoutSeconds={seconds}")
        events = [json.loads(line) for line in connection.getresponse().read().splitlines()]
        connection.close()
        return events


@pytest.fixture(scope="module")
def raw(server):
    return Raw(server.url)


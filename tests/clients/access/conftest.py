"""Users with tokens, kubectl as one of them, and callers of another uid."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KUBECTL = Path(sys.executable).parent / "kubectl"


class Person:
    """One user of a server: a token, a kubeconfig that carries it, and kubectl with it."""

    def __init__(self, server, folder, name, groups=()):
        self.server, self.name = server, name
        server.run("user", "add", name, *[word for group in groups for word in ("--group", group)])
        self.config = folder / f"{name}.kubeconfig"
        self.config.write_text(server.run("kubeconfig", "--user", name).stdout)
        self.token = json.loads(self.config.read_text())["users"][0]["user"]["token"]
        self.environment = dict(os.environ, KUBECONFIG=str(self.config), HOME=str(folder), KUBECACHEDIR=str(folder / "cache"))

    def run(self, *words, input=None):
        done = subprocess.run([KUBECTL, *map(str, words)], env=self.environment, input=input, capture_output=True, text=True,
                              timeout=60)
        return done.returncode, done.stdout, done.stderr

    def __call__(self, *words, input=None):
        code, out, err = self.run(*words, input=input)
        assert code == 0, f"{self.name}: kubectl {' '.join(map(str, words))}\n{out}{err}"
        return out

    def refused(self, *words, input=None):
        code, out, err = self.run(*words, input=input)
        assert code != 0, f"{self.name}: kubectl {' '.join(map(str, words))} was not refused: {out}"
        return err


@pytest.fixture(scope="module")
def owner(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("owner")

    def kubectl(*words, input=None, check=True):
        done = subprocess.run([KUBECTL, *map(str, words)], input=input, capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, KUBECONFIG=str(server.kubeconfig), HOME=str(folder)))
        assert not check or done.returncode == 0, f"kubectl {' '.join(map(str, words))}\n{done.stdout}{done.stderr}"
        return done.stdout if check else done
    return kubectl


@pytest.fixture(scope="module")
def person(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    return lambda name, groups=(): Person(server, folder, name, groups)


@pytest.fixture(scope="module")
def team(owner, person):
    """Two tenants: ada may edit team-a, bob team-b, and each namespace holds something of the other's."""
    people = {}
    for name, space in (("ada", "team-a"), ("bob", "team-b")):
        owner("create", "namespace", space)
        owner("create", "configmap", "settings", "-n", space, "--from-literal=of=" + name)
        people[name] = person(name)
        owner("create", "rolebinding", name, "--clusterrole=edit", f"--user={name}", "-n", space)
    return people

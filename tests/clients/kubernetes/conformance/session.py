"""Runs the steps of a group against one server and records what it answered, in a form in which two servers compare."""
import json
import os
import shlex
import subprocess
import sys
import time
import urllib.parse

from . import normalise
from .proxy import RecordingProxy, connect

KUBECTL = os.path.join(os.path.dirname(sys.executable), "kubectl")
SETTLE_SECONDS = 20


def picked(pick, answer):
    """An answer of another shape is compared as it is."""
    try:
        return pick(answer)
    except (LookupError, TypeError, AttributeError, StopIteration):
        return answer


class Session:
    """One group's steps. `records` maps a step's words to what came of it; every step works in the group's own namespace."""

    def __init__(self, group, url, token, folder):
        self.group, self.token = group, token
        self.records = {}
        self._upstream = url
        self._proxy = RecordingProxy(url, token)
        self.folder = folder
        folder.mkdir(parents=True)
        config = folder / "kubeconfig"
        config.write_text(f"""apiVersion: v1
kind: Config
clusters: [{{name: server, cluster: {{server: "{self._proxy.url}"}}}}]
users: [{{name: owner, user: {{}}}}]
contexts: [{{name: it, context: {{cluster: server, user: owner, namespace: {group}}}}}]
current-context: it
""")
        cache = folder / "cache"
        self._environment = dict(os.environ, KUBECONFIG=str(config), HOME=str(folder), KUBECACHEDIR=str(cache), LANG="C", TZ="UTC")
        self.api("POST", "/api/v1/namespaces", {"metadata": {"name": group}})

    def close(self):
        self._proxy.stop()

    # Steps that are recorded

    def k(self, command, *objects, env=None, requests=True, keep=None, sort=False, words=(), also=""):
        """kubectl. `objects` go to its stdin as YAML documents. requests=False where their number depends on time. `keep`: only
        lines that it likes are compared. `also` tells two runs of the same words apart."""
        stdin = "\n---\n".join(o if isinstance(o, str) else json.dumps(o) for o in objects) if objects else None
        self._proxy.take()
        done = subprocess.run([KUBECTL, *shlex.split(command)], input=stdin, env={**self._environment, **(env or {})},
                              capture_output=True, text=True, timeout=60, cwd=self.folder)
        record = {"code": done.returncode}
        for name, output in (("out", done.stdout), ("err", done.stderr)):
            compared = [line for line in normalise.lines(output, words) if keep is None or keep(line)]
            if compared:
                record[name] = sorted(compared) if sort else compared
        if requests:
            asked = [r for r in self._proxy.take() if not r.startswith(("GET /api?", "GET /apis?", "GET /openapi"))]
            record["requests"] = [r for i, r in enumerate(asked) if i == 0 or r != asked[i - 1]]
        self._keep(f"kubectl {command}{' # ' + also if also else ''}", record)
        return done.stdout

    def call(self, method, path, body=None, type="application/json", accept=None, words=(), pick=None, also="", headers=()):
        """A request of our own. `pick` takes out of the answer what is compared. Gives the answer as it came."""
        code, answer, answered = self.api(method, path, body, type, accept, headers)
        record = {"status": code}
        if warnings := answered.get_all("Warning"):
            record["warnings"] = [normalise.text(w, words) for w in warnings]
        compared = picked(pick, answer) if pick and code < 300 else answer
        record["body"] = normalise.tree(compared, words=words) if not isinstance(compared, bytes) else \
            normalise.lines(compared.decode(errors="replace"), words)
        shown = "" if body is None else " " + (body if isinstance(body, str) else json.dumps(body))
        shown = shown if len(shown) < 160 else ""
        kind = "" if type == "application/json" else f" [{type}]"
        wanted = f" as {accept}" if accept else ""
        self._keep(normalise.text(f"{method} {path}{kind}{wanted}{shown}{' # ' + also if also else ''}", words), record)
        return answer

    def watch(self, path, seconds=1, pick=None, also=""):
        """All events of a watch that the server ends after `seconds`."""
        joiner = "&" if "?" in path else "?"
        code, answer, _ = self.api("GET", f"{path}{joiner}watch=true&timeoutSeconds={seconds}", lines=True)
        events = [picked(pick, e) if pick else e for e in answer] if code == 200 else answer
        shown = normalise.VERSION_WORDS.sub(r"\1RV", path)
        self._keep(normalise.text(f"WATCH {shown}{' # ' + also if also else ''}"),
                   {"status": code, "body": normalise.tree(events)})
        return answer

    # Not recorded: what a step needs to know or to wait for

    def api(self, method, path, body=None, type="application/json", accept=None, headers=(), lines=False):
        """Status, answer (JSON where it is JSON) and headers."""
        connection = connect(self._upstream, timeout=30)
        sent = dict(headers)
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if accept:
            sent["Accept"] = accept
        data = None
        if body is not None:
            data = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else json.dumps(body).encode()
            sent["Content-Type"] = type
        connection.request(method, path, data, sent)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        try:
            parsed = [json.loads(line) for line in answer.splitlines()] if lines and response.status == 200 else json.loads(answer)
        except ValueError:
            parsed = answer
        return response.status, parsed, response.headers

    def until(self, path, is_so):
        """Waits for what a controller does on its own time."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            code, answer, _ = self.api("GET", path)
            if is_so(code, answer):
                return answer
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.group}: not so after {SETTLE_SECONDS} s: GET {path}: {code} {str(answer)[:1000]}")
            time.sleep(0.05)

    @property
    def core(self):
        return f"/api/v1/namespaces/{self.group}"

    @property
    def apps(self):
        return f"/apis/apps/v1/namespaces/{self.group}"

    def _keep(self, words, record):
        name, number = words, 2
        while name in self.records:
            name, number = f"{words} ({number})", number + 1
        self.records[name] = record

"""How fast an ONNX InferenceService gets ready, and what requests notice while its versions change.

    bench/deploy.py [--binary build/release/modelkit] [--rounds 15] [--seconds 45] [--only ready,load]

Ready: from the first byte of the apply until the Ready condition is seen on a watch that was open before, a fresh name each
time; then one prediction through the gateway must be answered at once. By raw HTTP and by kubectl.

Load: bench_open_loop sends predictions through the gateway on a schedule, at half of what wrk with 64 connections got from
the same service just before, while its model, its canary and its share change. The model's last output is its version, so
requests are counted by who computed the answer. Exits 1 when a request failed, took over a second, or is missing from the
count, or when fewer than 5 changes were made.
"""
import argparse
import http.client
import json
import os
import queue
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from urllib.parse import urlparse

from serving import MAKE_MODEL, ROOT, VENV, wrk, write_script

KUBECTL = ROOT / ".venv/bin/kubectl"
SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices"
VERSIONS = 6
# What is changed in turn: (said in words, version, canaryTrafficPercent).
CHANGES = [("new storageUri", 2, None), ("canary 20 %", 3, 20), ("promoted", 3, None), ("new storageUri", 4, None),
           ("canary 50 %", 5, 50), ("canary taken back", 4, None), ("new storageUri", 6, None), ("an earlier one", 1, None)]


class Modelkit:
    """One `modelkit up` on free ports, in a folder of its own."""

    def __init__(self, binary, folder, models):
        self.folder = Path(folder) / "data"
        self.folder.mkdir()
        self.log = open(Path(folder) / "log", "wb")
        self.process = subprocess.Popen([binary, "up", "--data", self.folder, "--port", "0", "--data-port", "0", "--grpc-port", "0",
                                         "--model-files", models], stdout=self.log, stderr=self.log, start_new_session=True)
        deadline = time.monotonic() + 20
        while True:
            try:
                found = json.loads((self.folder / "endpoints.json").read_text())
                break
            except (FileNotFoundError, json.JSONDecodeError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    sys.exit("modelkit does not start:\n" + Path(self.log.name).read_text())
                time.sleep(0.01)
        self.control, self.gateway = urlparse(found["http"]), urlparse(found["data"])

    def call(self, method, path, body=None, kind="application/json"):
        connection = http.client.HTTPConnection(self.control.netloc, timeout=30)
        connection.request(method, path, body and json.dumps(body), {"Content-Type": kind})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Watch:
    """The services as a watch shows them, with the moment at which each change was read."""

    def __init__(self, modelkit):
        self.connection = http.client.HTTPConnection(modelkit.control.netloc)
        version = modelkit.call("GET", SERVICES)["metadata"]["resourceVersion"]
        self.connection.request("GET", f"{SERVICES}?watch=true&resourceVersion={version}")
        self.answer = self.connection.getresponse()
        self.events = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            while line := self.answer.readline():
                self.events.put((time.monotonic(), json.loads(line)))
        except (OSError, ValueError, AttributeError):  # closed at the end
            pass

    def until(self, name, wanted, seconds=60):
        """The moment at which `wanted` held for the service."""
        deadline = time.monotonic() + seconds
        last = None
        while True:
            try:
                moment, event = self.events.get(timeout=max(0.001, deadline - time.monotonic()))
            except queue.Empty:
                sys.exit(f"{name} is not as wanted after {seconds} s: {json.dumps(last)}")
            service = event["object"]
            if service["metadata"]["name"] != name:
                continue
            last = service.get("status")
            if event["type"] != "DELETED" and wanted(service):
                return moment


def manifest(name, models, version, canary=None):
    predictor = {"model": {"modelFormat": {"name": "onnx"}, "storageUri": f"file://{models}/{version}"}}
    if canary is not None:
        predictor["canaryTrafficPercent"] = canary
    return {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": name},
            "spec": {"predictor": predictor}}


def is_ready(service):
    status = service.get("status", {})
    conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
    return status.get("observedGeneration") == service["metadata"]["generation"] and conditions.get("Ready") == "True"


def infer_path(name):
    return f"/serving/default/{name}/v2/models/{name}/infer"


def measure_ready(modelkit, watch, models, body, rounds, by_kubectl):
    took, first = [], []
    environment = dict(os.environ, KUBECONFIG=str(modelkit.folder / "kubeconfig"), HOME=str(modelkit.folder))
    for turn in range(rounds):
        name = f"{'k' if by_kubectl else 'r'}{turn:03}"
        wanted = manifest(name, models, 1 + turn % VERSIONS)
        began = time.monotonic()
        if by_kubectl:
            subprocess.run([KUBECTL, "apply", "-f", "-"], input=json.dumps(wanted), text=True, env=environment, check=True, capture_output=True)
        else:
            modelkit.call("POST", SERVICES, wanted)
        ready = watch.until(name, is_ready)
        took.append((ready - began) * 1000)
        connection = http.client.HTTPConnection(modelkit.gateway.netloc, timeout=30)
        connection.request("POST", infer_path(name), body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            sys.exit(f"{name} is Ready, but the gateway answers {answer.status} {answer.read().decode()}")
        answer.read()
        first.append((time.monotonic() - began) * 1000)
        modelkit.call("DELETE", f"{SERVICES}/{name}")
        while json.dumps(modelkit.call("GET", "/api/v1/namespaces/default/pods")["items"]).count(f'"{name}-'):
            time.sleep(0.02)
    return took, first


def capacity(modelkit, script, seconds=4):
    class Target:  # what wrk() wants of a server
        name, port = "modelkit", modelkit.gateway.port
        cpu_seconds = staticmethod(lambda: 0)
    return wrk(Target, script, 64, seconds)["rate"]


def settled(generation, canary):
    """All that the change asks for: ready, and the shares as told."""
    def check(service):
        if service["metadata"]["generation"] != generation:
            return False
        traffic = service.get("status", {}).get("components", {}).get("predictor", {}).get("traffic", [])
        shares = [t["percent"] for t in traffic if t.get("latestRevision")]
        return is_ready(service) and shares == [100 if canary is None else canary]
    return check


def change_under_load(modelkit, models, name, load):
    """Changes until the load ends; (said in words, seconds it took) of each."""
    changed, watch = [], Watch(modelkit)
    time.sleep(2)
    began = time.monotonic()
    turn = 0
    while time.monotonic() - began < load - 8:
        words, version, canary = CHANGES[turn % len(CHANGES)]
        started = time.monotonic()
        predictor = manifest(name, models, version, canary)["spec"]["predictor"]
        patched = modelkit.call("PATCH", f"{SERVICES}/{name}", [{"op": "replace", "path": "/spec/predictor", "value": predictor}],
                                "application/json-patch+json")
        changed.append((words, watch.until(name, settled(patched["metadata"]["generation"], canary)) - started))
        turn += 1
        time.sleep(max(0, 4 - (time.monotonic() - started)))  # the old revision is stopped after 3 s, under load as well
    return changed


def measure_load(modelkit, watch, models, bodies, seconds, generator, rate):
    name = "busy"
    modelkit.call("POST", SERVICES, manifest(name, models, 1))
    watch.until(name, is_ready)
    with tempfile.TemporaryDirectory() as folder:
        script = write_script(folder, bodies, infer_path(name))
        capacity(modelkit, script, 1)  # warm
        full = capacity(modelkit, script)
    rate = rate or full / 2
    sender = subprocess.Popen([generator, modelkit.gateway.hostname, str(modelkit.gateway.port), infer_path(name), f"{rate:.0f}", str(seconds)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    sender.stdin.write("\n".join(bodies) + "\n")
    sender.stdin.close()
    changed = change_under_load(modelkit, models, name, seconds)
    result = json.loads(sender.stdout.read())
    sender.wait()
    return full, rate, changed, result


def judge(changed, result):
    """Everything that is wrong, in words."""
    wrong = [f"{count} requests failed: {why}" for why, count in result["failed"].items()]
    if result["ok"] != result["sent"]:
        wrong.append(f"{result['sent']} sent, {result['ok']} answered")
    if result["slow"]:
        wrong.append(f"{result['slow']} took over 1 s")
    if len(changed) < 5:
        wrong.append(f"only {len(changed)} changes")
    computed = sum(a["count"] for a in result["answered"])
    if computed != result["ok"]:
        wrong.append(f"{result['ok']} acknowledged, {computed} computed")
    marks = defaultdict(set)
    for answer in result["answered"]:
        marks[answer["revision"]].add(answer["mark"])
    wrong += [f"{revision} answered as versions {sorted(m)}" for revision, m in marks.items() if len(m) != 1]
    return wrong


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def show_ready(rows):
    print("| apply by | rounds | to Ready, ms: median | p99 (worst) | to the first prediction: median | worst |\n|---|---|---|---|---|---|")
    for words, (took, first) in rows.items():
        print(f"| {words} | {len(took)} | {statistics.median(took):.0f} | {quantile(took, 0.99):.0f} | {statistics.median(first):.0f} | {max(first):.0f} |")
    print()


def show_load(full, rate, changed, result, seconds):
    print(f"Capacity through the gateway, wrk, 64 connections: {full:.0f} req/s. Load: {rate:.0f} req/s for {seconds} s.\n")
    print("| sent | answered 200 | failed | over 1 s | p50 ms | p99 ms | p99.9 ms | slowest ms |\n|---|---|---|---|---|---|---|---|")
    print(f"| {result['sent']} | {result['ok']} | {sum(result['failed'].values())} | {result['slow']} | {result['p50_ms']:.2f} | "
          f"{result['p99_ms']:.2f} | {result['p999_ms']:.1f} | {result['max_ms']:.0f} |\n")
    print("| change | to Ready, ms |\n|---|---|")
    for words, took in changed:
        print(f"| {words} | {took * 1000:.0f} |")
    by_version = Counter()
    for answer in result["answered"]:
        by_version[answer["mark"]] += answer["count"]
    print("\nComputed by version: " + ", ".join(f"{v}: {n}" for v, n in sorted(by_version.items())) +
          f"; together {sum(by_version.values())}. The sender itself was at most {result['sender_late_max_ms']:.0f} ms late; "
          f"the slowest request began at {result['max_at_s']:.1f} s.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "build/release/modelkit")
    parser.add_argument("--generator", default=ROOT / "build/release/bench_open_loop")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=int, default=45)
    parser.add_argument("--rate", type=float, help="requests a second instead of half of the capacity")
    parser.add_argument("--only", default="ready,load")
    options = parser.parse_args()
    if not Path(options.generator).exists():
        subprocess.run(["cmake", "--build", "--preset", "release", "--target", "bench_open_loop"], cwd=ROOT, check=True)
    random.seed(0)
    bodies = [json.dumps({"inputs": [{"name": "x", "shape": [1, 784], "datatype": "FP32", "data": [round(random.random(), 3) for _ in range(784)]}]})
              for _ in range(32)]
    folder = tempfile.mkdtemp(prefix="modelkit-deploy-")
    os.chmod(folder, 0o755)  # the Pods' user reads the models
    models = f"{folder}/models"
    for version in range(1, VERSIONS + 1):
        os.makedirs(f"{models}/{version}")
        subprocess.run([VENV, "-c", MAKE_MODEL, f"{models}/{version}/model.onnx", str(version)], check=True)
    modelkit = Modelkit(options.binary, folder, models)
    wrong = []
    try:
        print(f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, load average at the start {os.getloadavg()[0]:.1f}\n")
        watch = Watch(modelkit)
        if "ready" in options.only:
            show_ready({words: measure_ready(modelkit, watch, models, bodies[0], options.rounds, by_kubectl)
                        for words, by_kubectl in (("HTTP", False), ("kubectl", True))})
        if "load" in options.only:
            full, rate, changed, result = measure_load(modelkit, watch, models, bodies, options.seconds, options.generator, options.rate)
            show_load(full, rate, changed, result, options.seconds)
            wrong = judge(changed, result)
    finally:
        modelkit.stop()
        if not wrong:
            shutil.rmtree(folder, ignore_errors=True)
    for sentence in wrong:
        print("WRONG: " + sentence, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

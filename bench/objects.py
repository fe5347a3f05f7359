"""The Kubernetes API against a real control plane (kube-apiserver and etcd, fsync on), on this machine in this run.

    bench/objects.py [--binary build/release/modelkit] [--real FOLDER/real_cluster.sh] [--real-binary FILE]
                     [--only ready,memory,requests,list,submit,watch,growth,updates] [--seconds 3] [--rounds 5] [--json FILE]

--real is a script that takes up and down, with RC_BIN, RC_DIR, RC_PORT, RC_WITH and RC_DURABLE in its environment; without
it the peer's columns stay empty, and that is said. Requests are made by wrk, one or 16 connections; every create has a name
of its own, every patch another value. Rounds alternate between the servers; medians. Data lies under build/bench, so keep
that folder on a real disk. submit, watch, growth and updates are of modelkit alone; the compiled bench_watch and bench_store
beside the binary make them (`./x bench objects` builds both). Prints Markdown.
"""
import argparse
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"

LUA = r"""
wrk.headers["Authorization"] = TOKEN
wrk.headers["Content-Type"] = KIND == "patch" and "application/merge-patch+json" or "application/json"
local n = 0
local pad = string.rep("x", 1850)
function request()
  n = n + 1
  if KIND == "create" then
    return wrk.format("POST", PATH, nil, string.format(
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"%s-%d"},"data":{"n":"%d","pad":"%s"}}', PREFIX, n, n, pad))
  elseif KIND == "patch" then
    return wrk.format("PATCH", PATH .. "/" .. PREFIX .. "-" .. (n % 100 + 1), nil, string.format('{"data":{"n":"%s-%d"}}', tostring(wrk), n))
  end
  return wrk.format("GET", PATH .. "/" .. PREFIX .. "-" .. (n % 100 + 1))
end
"""


class Server:
    def request(self, method, path, body=None, headers=None):
        connection = self.connect()
        status, text = ask(connection, method, path, body, {**self.headers, **(headers or {})})
        connection.close()
        return status, text

    def connect(self):
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(parts.netloc, timeout=120, context=ssl._create_unverified_context())
        return http.client.HTTPConnection(parts.netloc, timeout=120)

    def memory_mb(self):
        """Resident and proportional, of all its processes."""
        rss = pss = 0
        for pid in self.pids():
            rss += int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
            pss += int(re.search(r"Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text())[1])
        return rss / 1024, pss / 1024

    def wait_ready(self):
        """Until a durable write has been answered."""
        first = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "first"}}
        while True:
            try:
                if self.request("POST", "/api/v1/namespaces", first)[0] == 201:
                    return
            except OSError:
                pass
            time.sleep(0.001)


def ask(connection, method, path, body, headers):
    if isinstance(body, dict):
        body, headers = json.dumps(body), {"Content-Type": "application/json", **headers}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read()


class Modelkit(Server):
    name = "modelkit"
    headers = {}

    def __init__(self, binary, folder):
        self.folder = Path(folder) / "modelkit"
        self.url = f"http://127.0.0.1:{free_port()}"
        start = time.monotonic()
        self.process = subprocess.Popen([binary, "up", "--data", self.folder, "--port", self.url.rsplit(":", 1)[1],
                                         "--data-port", "0", "--grpc-port", "0"],
                                        stdout=subprocess.DEVNULL, stderr=open(Path(folder) / "modelkit.log", "ab"))
        self.wait_ready()
        self.ready_ms = (time.monotonic() - start) * 1000

    def pids(self):
        return [self.process.pid]

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)


class Real(Server):
    name = "kube-apiserver and etcd"

    def __init__(self, script, binary, folder):
        self.folder = Path(folder) / "real"
        port = free_port(5)
        self.url = f"https://127.0.0.1:{port}"
        self.script = script
        self.environment = dict(os.environ, RC_DIR=str(self.folder), RC_PORT=str(port), RC_WITH="",
                                RC_DURABLE="--log-level=warn", **({"RC_BIN": binary} if binary else {}))
        start = time.monotonic()
        subprocess.run([script, "up"], env=self.environment, check=True, stdout=subprocess.DEVNULL, timeout=120)
        token = (self.folder / "tokens.csv").read_text().split(",")[0]
        self.headers = {"Authorization": f"Bearer {token}"}
        self.wait_ready()
        self.ready_ms = (time.monotonic() - start) * 1000
        for _ in range(200):  # made by a controller of the API server's own
            if self.request("GET", "/api/v1/namespaces/default")[0] == 200:
                break
            time.sleep(0.1)

    def pids(self):
        return [int(p.read_text()) for p in self.folder.glob("*.pid")]

    def stop(self):
        subprocess.run([self.script, "down"], env=self.environment, check=False, stdout=subprocess.DEVNULL, timeout=60)


def free_port(count=1):
    import socket
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        try:
            for i in range(count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + i))
            return port
        except OSError:
            continue


def wrk(server, kind, connections, seconds, prefix, folder):
    """Latency at the median and the 99th percentile in ms, and requests a second."""
    script = Path(folder) / "wrk.lua"
    settings = {"KIND": kind, "PATH": MAPS, "PREFIX": prefix, "TOKEN": server.headers.get("Authorization", "none")}
    script.write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items()) + LUA)
    if server.headers == {}:
        script.write_text(script.read_text().replace('wrk.headers["Authorization"] = TOKEN\n', ""))
    return load(server, server.url, kind, connections, seconds, ["-s", script])


def load(server, url, kind, connections, seconds, arguments):
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *arguments, url],
                         capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", out)
    if bad:
        sys.exit(f"{server.name}: {kind} requests failed\n{out}")
    unit = {"us": 0.001, "ms": 1, "s": 1000}

    def share(percent):
        value, word = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", out).groups()
        return float(value) * unit[word]
    return share(50), share(99), float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])


def make_many(server, path, bodies, threads=16):
    """Creates all of them; each must be answered with 201."""
    bodies, lock, refused = iter(bodies), threading.Lock(), []

    def work():
        connection = server.connect()
        while True:
            with lock:
                body = next(bodies, None)
            if body is None or refused:
                return connection.close()
            status, text = ask(connection, "POST", path, body, dict(server.headers))
            if status != 201:
                refused.append((status, text[:300]))
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if refused:
        sys.exit(f"{server.name} refused {refused[0]}")


def config(name, size):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": "bench"}}, "data": {"pad": "x" * size}}


def ratio(theirs, ours):
    return f"{theirs / ours:.1f}x" if theirs and ours else "-"


def shown(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.ours = Modelkit(options.binary, folder)
        self.real = Real(options.real, options.real_binary, folder) if options.real else None
        self.servers = [s for s in (self.ours, self.real) if s]
        self.found = {}

    def both(self, measure):
        return [measure(self.ours), measure(self.real) if self.real else None]

    def rounds(self, measure):
        """Medians of each of the three figures that `measure` gives, of rounds that alternate."""
        found = [[] for _ in self.servers]
        for i in range(self.options.rounds):
            for results, server in zip(found, self.servers):
                results.append(measure(server, i))
        medians = [[statistics.median(r[j] for r in results) for j in range(3)] for results in found]
        return medians[0], medians[1] if self.real else [None] * 3

    def row(self, name, ours, theirs, digits=2):
        self.found[name] = {"ours": ours, "real": theirs}
        print(f"| {name} | {shown(theirs, digits)} | {shown(ours, digits)} | {ratio(theirs, ours)} |", flush=True)

    def head(self, what):
        print(f"\n| {what} | real | modelkit | ratio |\n|---|---|---|---|")

    def ready(self):
        self.head("start")
        starts = [[s.ready_ms] for s in self.servers]
        for _ in range(2):  # both are running: the next ones stand beside them, as do ours beside theirs
            more = Bench(self.options, tempfile.mkdtemp(dir=self.folder))
            for times, server in zip(starts, more.servers):
                times.append(server.ready_ms)
            more.stop()
        ready = [statistics.median(times) for times in starts]
        self.row("first durable write answered, ms", ready[0], ready[1] if self.real else None, 0)
        ours, theirs = self.both(lambda s: s.memory_mb())
        self.row("memory, empty, MB resident", ours[0], theirs and theirs[0], 1)
        self.row("memory, empty, MB proportional", ours[1], theirs and theirs[1], 1)

    def requests(self):
        for server in self.servers:
            make_many(server, MAPS, (config(f"few-{i + 1}", 1850) for i in range(100)))
        self.head("durable, 2 KB object over HTTP")
        for connections in (1, 16):
            for kind in ("create", "patch", "get"):
                prefix = "b{}-{}" if kind == "create" else "few"
                ours, theirs = self.rounds(lambda server, i: wrk(
                    server, kind, connections, self.options.seconds, prefix.format(connections, i), self.folder))
                for j, word in enumerate(("p50 ms", "p99 ms")):
                    self.row(f"{kind}, {connections} client{'s' if connections > 1 else ''}, {word}", ours[j], theirs[j])
                self.found[f"{kind}, {connections}, a second"] = {"ours": ours[2], "real": theirs[2]}

    def list(self):
        self.head("list of 10,000 objects of 1 KB, to the last byte")
        for server in self.servers:
            server.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "many"}})
            make_many(server, "/api/v1/namespaces/many/configmaps", (config(f"c{i}", 900) for i in range(10_000)))

        path = "/api/v1/namespaces/many/configmaps"
        for name, accept in (("full", "application/json"), ("Table", TABLE)):
            for server in self.servers:  # what is timed is what was asked for
                status, text = server.request("GET", path, None, {"Accept": accept})
                found = json.loads(text)
                items = found["rows"] if name == "Table" else found["items"]
                # Ours also has the kube-root-ca.crt that a controller manager would make.
                assert status == 200 and len(items) in (10_000, 10_001), f"{server.name}: {status}, {len(items)} objects"

            def timed(server, _, accept=accept):
                headers = [word for pair in {"Accept": accept, **server.headers}.items() for word in ("-H", ": ".join(pair))]
                return load(server, server.url + path, "list", 1, self.options.seconds, headers)
            ours, theirs = self.rounds(timed)
            self.row(f"{name}, p50 ms", ours[0], theirs[0], 1)
            self.row(f"{name}, p99 ms", ours[1], theirs[1], 1)

    def compiled(self, name, *words):
        program = Path(self.options.binary).parent / name
        if not program.exists():
            sys.exit(f"{program} is not built: ./x bench objects builds it")
        print(subprocess.run([program, *words], capture_output=True, text=True, check=True, timeout=600).stdout, flush=True)

    def submit(self):
        print("\nIn process, a transaction a write:\n")
        self.compiled("bench_store", "commits", self.folder, "1000", "64")

    def watch(self):
        print()
        self.compiled("bench_watch", "http", self.ours.url.rsplit(":", 1)[1])
        self.compiled("bench_watch", "inprocess", self.folder)

    def updates(self):
        print()
        self.compiled("bench_watch", "updates", self.folder)

    def memory(self):
        self.head("1,000 nodes and 6,000 pods")

        def node(i):
            return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{i}", "labels": {"zone": f"z{i % 3}"}},
                    "status": {"capacity": {"cpu": "32", "memory": "128Gi", "pods": "110", "nvidia.com/gpu": "8"}}}

        def pod(i):
            return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{i}", "labels": {"app": f"a{i % 50}"}},
                    "spec": {"nodeName": f"node-{i % 1000}", "containers": [
                        {"name": "c", "image": "busybox", "resources": {"requests": {"cpu": "1"}}}]}}
        # Alone: what other parts have written is not counted.
        alone = Bench(self.options, tempfile.mkdtemp(dir=self.folder))
        for server in alone.servers:
            make_many(server, "/api/v1/nodes", (node(i) for i in range(1000)))
            make_many(server, "/api/v1/namespaces/default/pods", (pod(i) for i in range(6000)))
        time.sleep(10)
        ours, theirs = alone.both(lambda s: s.memory_mb())
        alone.stop()
        self.row("MB resident", ours[0], theirs and theirs[0], 1)
        self.row("MB proportional", ours[1], theirs and theirs[1], 1)

    def growth(self):
        print("\n| objects of 1 KB in modelkit | create p50 ms, 1 client | get p50 ms | MB resident | bytes of memory an object | "
              "database MB |\n|---|---|---|---|---|---|")
        server = Modelkit(self.options.binary, tempfile.mkdtemp(dir=self.folder))
        server.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "grow"}})
        make_many(server, MAPS, (config(f"few-{i + 1}", 1850) for i in range(100)))
        empty, made = server.memory_mb()[0], 0
        for count in (1000, 10_000, 100_000):
            make_many(server, "/api/v1/namespaces/grow/configmaps", (config(f"g{i}", 850) for i in range(made, count)))
            made = count
            resident = server.memory_mb()[0]
            create = wrk(server, "create", 1, 1, f"g{count}", self.folder)
            get = wrk(server, "get", 1, 1, "few", self.folder)
            size = sum(p.stat().st_size for p in server.folder.glob("*.db*") if "reserve" not in p.name) / 1e6
            print(f"| {count} | {create[0]:.2f} | {get[0]:.2f} | {resident:.0f} | {(resident - empty) * 1048576 / count:.0f} | {size:.0f} |",
                  flush=True)
        server.stop()

    def stop(self):
        for server in self.servers:
            server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "build/release/modelkit")
    parser.add_argument("--real", help="the script that starts the real control plane")
    parser.add_argument("--real-binary", help="its RC_BIN")
    parser.add_argument("--only", default="ready,memory,requests,list,submit,watch,growth,updates")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each round of requests")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: ./x setup")
    if not options.real:
        print("The real control plane is not measured: give its script with --real.")
    (ROOT / "build/bench").mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(dir=ROOT / "build/bench", prefix="objects-")
    bench = Bench(options, folder)
    print(f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, rounds of {options.seconds} s, medians of {options.rounds}, "
          f"load {os.getloadavg()[0]:.1f} at the start")
    try:
        for part in options.only.split(","):
            getattr(bench, part)()
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(bench.found, indent=1))


if __name__ == "__main__":
    main()

"""One model over V2 REST: modelkit's model server against KServe's Python server and MLServer, same model file, same ONNX Runtime.

    bench/serving.py [--binary build/release/modelkit] [--connections 1,8,64] [--seconds 4] [--rounds 5] [--servers ours,gateway,kserve1,...]

An MLP of 784-1024-1024-10 with random weights; requests are JSON of 1 x 784 values, 32 different bodies in turn, sent
by wrk with one thread on the same machine. Rounds alternate between the servers; the middle round is shown. Every reply
must be 200 and the answer to each body is compared with the model's own before and after. CPU is of all the server's
processes. The peers go into .cache (from PyPI) on first use. "gateway" is ours behind `modelkit gateway`.
"""
import argparse
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv/bin/python"
CACHE = ROOT / ".cache"
PEERS = ROOT / "bench/serving_peers"
PACKAGES = {"kserve": ["kserve==0.21.0", "onnxruntime==1.31.1", "numpy"],
            # A newer uvloop ends its parallel workers at the start.
            "mlserver": ["mlserver==1.7.1", "uvloop==0.21.0", "onnxruntime==1.31.1", "numpy"]}
BODIES = 32

# Arguments: the file and, if wanted, a number that becomes an 11th output, by which versions are told apart.
MAKE_MODEL = """
import sys, numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper
rng, sizes, nodes, weights, x = np.random.default_rng(0), (784, 1024, 1024, 10), [], [], "x"
mark = sys.argv[2:]
for i in range(3):
    scale = np.sqrt(sizes[i])
    weights += [numpy_helper.from_array((rng.standard_normal((sizes[i], sizes[i + 1])) / scale).astype("f"), f"w{i}"),
                numpy_helper.from_array(rng.standard_normal(sizes[i + 1]).astype("f"), f"b{i}")]
    nodes.append(helper.make_node("Gemm", [x, f"w{i}", f"b{i}"], [f"g{i}"])); x = f"g{i}"
    if i < 2:
        nodes.append(helper.make_node("Relu", [x], [f"r{i}"])); x = f"r{i}"
if mark:
    weights += [numpy_helper.from_array(np.zeros((1024, 1), "f"), "zero"),
                numpy_helper.from_array(np.full(1, mark[0], "f"), "mark")]
    nodes += [helper.make_node("Gemm", ["r1", "zero", "mark"], ["m"]), helper.make_node("Softmax", [x], ["s"], axis=1),
              helper.make_node("Concat", ["s", "m"], ["y"], axis=1)]
else:
    nodes.append(helper.make_node("Softmax", [x], ["y"], axis=1))
info = lambda name, width: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
model = helper.make_model(helper.make_graph(nodes, "mlp", [info("x", 784)], [info("y", 11 if mark else 10)], weights),
                          opset_imports=[helper.make_opsetid("", 17)])
model.ir_version = 8
onnx.save(model, sys.argv[1])
"""
EXPECT = """
import sys, json, numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
rows = np.array(json.load(sys.stdin), "f")
print(json.dumps([session.run(None, {"x": row[None]})[0][0].tolist() for row in rows]))
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, name, command, port):
        self.name, self.port, self.command = name, port, command
        self.process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/mlp/ready", timeout=5).read()
                return
            except OSError:
                if self.process.poll() is not None:
                    sys.exit(f"{name} ended with {self.process.returncode}")
                time.sleep(0.1)
        sys.exit(f"{name} is not ready after 90 s")

    def processes(self):
        """Every process of the server's session."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if int(fields[3]) == self.process.pid:
                    found.append((int(entry.name), int(fields[11]) + int(fields[12])))
        return found

    def cpu_seconds(self):
        return sum(ticks for _, ticks in self.processes()) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self):
        total = 0
        for pid, _ in self.processes():
            match = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
            total += int(match[1])
        return total / 1024

    def infer(self, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v2/models/mlp/infer", body.encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)["outputs"][0]["data"]

    def check(self, bodies, wanted):
        for body, answer in zip(bodies, wanted):
            got = self.infer(body)
            got = got[0] if isinstance(got[0], list) else got
            if max(abs(a - b) for a, b in zip(got, answer)) > 1e-4:
                sys.exit(f"{self.name} answers {got}, the model says {answer}")

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def milliseconds(text):
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    return float(match[1]) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[match[2]] if match else float("nan")


def wrk(server, script, connections, seconds):
    before = server.cpu_seconds()
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency", "-s", script,
                          f"http://127.0.0.1:{server.port}"], capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    errors = re.search(r"Socket errors: .*", out)
    if bad or errors:
        sys.exit(f"{server.name}: {(bad or errors)[0]}")
    count = int(re.search(r"(\d+) requests in", out)[1])
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
            "p50": milliseconds(re.search(r"50%\s+(\S+)", out)[1]), "p99": milliseconds(re.search(r"99%\s+(\S+)", out)[1]),
            "cpu": (server.cpu_seconds() - before) / count * 1e6}


def write_script(folder, bodies, target="/v2/models/mlp/infer"):
    path = Path(folder) / "bodies.lua"
    listed = ",\n".join(f"[==[{b}]==]" for b in bodies)
    path.write_text(f"""local bodies = {{{listed}}}
local requests, n = {{}}, 0
function init()
  for i, body in ipairs(bodies) do
    requests[i] = wrk.format("POST", "{target}", {{["Content-Type"] = "application/json"}}, body)
  end
end
function request() n = n % #requests + 1; return requests[n] end
""")
    return str(path)


def start_ours(binary, model, folder):
    port = free_port()
    return Server("modelkit", [binary, "model-server", "--folder", model, "--name", "mlp", "--port", port], port)


def start_ours_threads(binary, model, folder):
    port = free_port()
    return Server("modelkit --threads 2", [binary, "model-server", "--folder", model, "--name", "mlp", "--port", port, "--threads", 2], port)


class Gateway(Server):
    """Our model server behind our gateway; both count."""

    def __init__(self, binary, model, folder):
        self.inner = start_ours(binary, model, folder)
        Path(folder, "routes.json").write_text(json.dumps({"schemaVersion": 1, "generation": 1, "routes": [
            {"service": "default/mlp", "hosts": [], "pathPrefixes": [{"prefix": "/v2/models/mlp", "strip": False}],
             "backends": [{"revision": "mlp-1", "weight": 100, "endpoints": [{"address": "127.0.0.1", "port": self.inner.port}]}]}]}))
        port = free_port()
        super().__init__("modelkit, gateway", [binary, "gateway", "--folder", folder, "--port", port], port)

    def processes(self):
        return super().processes() + self.inner.processes()

    def stop(self):
        super().stop()
        self.inner.stop()


def environment_of(peer):
    """The Python of the peer's own environment."""
    place = CACHE / peer
    if not (place / "bin/python").exists():
        print(f"installing {', '.join(PACKAGES[peer])} into {place.relative_to(ROOT)}", file=sys.stderr)
        subprocess.run(["/usr/bin/python3.11", "-m", "venv", place], check=True)
        subprocess.run([place / "bin/python", "-m", "pip", "install", "-q", *PACKAGES[peer]], check=True)
    return place / "bin/python"


def kserve(workers, threads):
    def start(binary, model, folder):
        os.environ |= {"BENCH_MODEL": model, "BENCH_THREADS": str(threads)}
        port = free_port()
        name = f"KServe 0.21.0, workers {workers}" + ("" if threads else ", all threads")
        return Server(name, [environment_of("kserve"), PEERS / "kserve_onnx.py", "--http_port", port, "--workers", workers], port)
    return start


def write_mlserver_settings(folder, port, workers, batch):
    """Without what the comparison does not need: gzip, debug, access log, metrics."""
    server = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "host": "127.0.0.1", "parallel_workers": workers,
              "debug": False, "gzip_enabled": False, "metrics_endpoint": None, "metrics_dir": folder,
              "logging_settings": {"version": 1, "disable_existing_loggers": True, "root": {"level": "ERROR"}}}
    model = {"name": "mlp", "implementation": "mlserver_onnx.Onnx"}
    if batch:
        model |= {"max_batch_size": batch, "max_batch_time": 0.001}
    Path(folder, "settings.json").write_text(json.dumps(server))
    Path(folder, "model-settings.json").write_text(json.dumps(model))


def mlserver(workers, threads, batch=0):
    def start(binary, model, folder):
        port = free_port()
        write_mlserver_settings(folder, port, workers, batch)
        os.environ |= {"BENCH_MODEL": model, "BENCH_THREADS": str(threads), "PYTHONPATH": str(PEERS)}
        name = f"MLServer 1.7.1, parallel_workers {workers}" + (f", batches of {batch}" if batch else "") + ("" if threads else ", all threads")
        try:
            return Server(name, [environment_of("mlserver").parent / "mlserver", "start", folder], port)
        finally:
            del os.environ["PYTHONPATH"]
    return start


# By name for --servers. Workers: of KServe, processes that serve; of MLServer, processes that compute beside the one that
# serves, 0 = in that one. Threads: of one run of ONNX Runtime; 0 = its default, all processors.
SERVERS = {"ours": start_ours, "ours2": start_ours_threads, "gateway": Gateway, "kserve1": kserve(1, 1), "kserve2": kserve(2, 1), "kserve1t": kserve(1, 0),
           "mlserver0": mlserver(0, 1), "mlserver1": mlserver(1, 1), "mlserver2": mlserver(2, 1), "mlserver0b": mlserver(0, 1, 32),
           "mlserver0t": mlserver(0, 0)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "build/release/modelkit")
    parser.add_argument("--connections", default="1,8,64")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--servers", default="ours,gateway,kserve1,kserve2,kserve1t,mlserver0,mlserver0b,mlserver2", help=", ".join(SERVERS))
    parser.add_argument("--json")
    arguments = parser.parse_args()

    random.seed(0)
    rows = [[round(random.random(), 3) for _ in range(784)] for _ in range(BODIES)]
    bodies = [json.dumps({"inputs": [{"name": "x", "shape": [1, 784], "datatype": "FP32", "data": row}]}) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        model = f"{folder}/mlp.onnx"
        subprocess.run([VENV, "-c", MAKE_MODEL, model], check=True)
        wanted = json.loads(subprocess.run([VENV, "-c", EXPECT, model], input=json.dumps(rows), capture_output=True, text=True,
                                           check=True).stdout)
        script = write_script(folder, bodies)
        servers = []
        try:
            for name in arguments.servers.split(","):
                own = Path(folder, name)
                own.mkdir()
                servers.append(SERVERS[name](arguments.binary, model, str(own)))
            results = measure(servers, bodies, wanted, script, arguments)
            show(servers, results, arguments)
        finally:
            for server in servers:
                server.stop()
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=2))


def measure(servers, bodies, wanted, script, arguments):
    for server in servers:
        server.check(bodies, wanted)
        wrk(server, script, 8, 1)  # warm
    results = {}
    for connections in map(int, arguments.connections.split(",")):
        for _ in range(arguments.rounds):
            for server in servers:
                results.setdefault(f"{server.name}/{connections}", []).append(wrk(server, script, connections, arguments.seconds))
    for server in servers:
        server.check(bodies, wanted)
    return results


def show(servers, results, arguments):
    print(f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, load average at the end {os.getloadavg()[0]:.1f} on {os.cpu_count()} "
          f"processors; {arguments.rounds} rounds of {arguments.seconds} s each, alternating.\n")
    connections = [int(c) for c in arguments.connections.split(",")]
    middle = {}
    print("| server | connections | req/s (min - max) | p50 ms | p99 ms | CPU us/req |\n|---|---|---|---|---|---|")
    for count in connections:
        for server in servers:
            rounds = results[f"{server.name}/{count}"]
            m = middle[server.name, count] = {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}
            rates = [r["rate"] for r in rounds]
            print(f"| {server.name} | {count} | {m['rate']:.0f} ({min(rates):.0f} - {max(rates):.0f}) | {m['p50']:.2f} | {m['p99']:.2f} | {m['cpu']:.0f} |")
    print("\n| server | memory (PSS) | command |\n|---|---|---|")
    for server in servers:
        words = " ".join(Path(str(c)).name if str(c).startswith("/") else str(c) for c in server.command)
        print(f"| {server.name} | {server.memory_mib():.0f} MiB | `{words}` |")
    peers = [s.name for s in servers if not s.name.startswith("modelkit")]
    if peers and "modelkit" in [s.name for s in servers]:
        print("\n| connections | modelkit req/s | best peer req/s | ratio | modelkit p99 ms | best peer p99 ms |\n|---|---|---|---|---|---|")
        for count in connections:
            ours, best = middle["modelkit", count], max(peers, key=lambda name: middle[name, count]["rate"])
            fastest = min(middle[name, count]["p99"] for name in peers)
            print(f"| {count} | {ours['rate']:.0f} | {middle[best, count]['rate']:.0f} ({best}) | {ours['rate'] / middle[best, count]['rate']:.2f}x | "
                  f"{ours['p99']:.2f} | {fastest:.2f} |")


if __name__ == "__main__":
    main()

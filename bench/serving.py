"""One model over V2 REST: modelkit's model server against KServe's Python server, same model file, same ONNX Runtime.

    bench/serving.py [--binary build/release/modelkit] [--connections 1,8,64] [--seconds 4] [--rounds 5] [--no-peer]

An MLP of 784-1024-1024-10 with random weights; requests are JSON of 1 x 784 values, 32 different bodies in turn, sent
by wrk with one thread on the same machine. Rounds alternate between the servers; the middle round is shown. Every reply
must be 200 and the answer to each body is compared with the model's own before and after. CPU is of all the server's
processes. KServe goes into .cache/kserve (from PyPI) on first use.
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
PEER = CACHE / "kserve"
PEER_PACKAGES = ["kserve==0.21.0", "onnxruntime==1.31.1", "numpy"]
BODIES = 32

MAKE_MODEL = """
import sys, numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper
rng, sizes, nodes, weights, x = np.random.default_rng(0), (784, 1024, 1024, 10), [], [], "x"
for i in range(3):
    scale = np.sqrt(sizes[i])
    weights += [numpy_helper.from_array((rng.standard_normal((sizes[i], sizes[i + 1])) / scale).astype("f"), f"w{i}"),
                numpy_helper.from_array(rng.standard_normal(sizes[i + 1]).astype("f"), f"b{i}")]
    nodes.append(helper.make_node("Gemm", [x, f"w{i}", f"b{i}"], [f"g{i}"])); x = f"g{i}"
    if i < 2:
        nodes.append(helper.make_node("Relu", [x], [f"r{i}"])); x = f"r{i}"
nodes.append(helper.make_node("Softmax", [x], ["y"], axis=1))
info = lambda name, width: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
model = helper.make_model(helper.make_graph(nodes, "mlp", [info("x", 784)], [info("y", 10)], weights),
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


def write_script(folder, bodies):
    path = Path(folder) / "bodies.lua"
    listed = ",\n".join(f"[==[{b}]==]" for b in bodies)
    path.write_text(f"""local bodies = {{{listed}}}
local requests, n = {{}}, 0
function init()
  for i, body in ipairs(bodies) do
    requests[i] = wrk.format("POST", "/v2/models/mlp/infer", {{["Content-Type"] = "application/json"}}, body)
  end
end
function request() n = n % #requests + 1; return requests[n] end
""")
    return str(path)


def start_ours(binary, model):
    port = free_port()
    return Server("modelkit", [binary, "model-server", "--folder", model, "--name", "mlp", "--port", port], port)


def start_peer(model, workers):
    os.environ["BENCH_MODEL"] = model
    if not (PEER / "bin/python").exists():
        print(f"installing {', '.join(PEER_PACKAGES)} into {PEER.relative_to(ROOT)}", file=sys.stderr)
        subprocess.run(["/usr/bin/python3.11", "-m", "venv", PEER], check=True)
        subprocess.run([PEER / "bin/python", "-m", "pip", "install", "-q", *PEER_PACKAGES], check=True)
    port = free_port()
    name = f"KServe {workers} worker{'s' if workers > 1 else ''}"
    return Server(name, [PEER / "bin/python", ROOT / "bench/serving_peers/kserve_onnx.py", "--http_port", port,
                         "--workers", workers], port)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "build/release/modelkit")
    parser.add_argument("--connections", default="1,8,64")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-peer", action="store_true")
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
            servers.append(start_ours(arguments.binary, model))
            if not arguments.no_peer:
                for workers in (1, 2):
                    servers.append(start_peer(model, workers))
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
    print(f"Load average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; {arguments.rounds} rounds of "
          f"{arguments.seconds} s each, alternating.\n")
    print("| server | connections | req/s | p50 ms | p99 ms | CPU us/req |\n|---|---|---|---|---|---|")
    for connections in map(int, arguments.connections.split(",")):
        for server in servers:
            rounds = results[f"{server.name}/{connections}"]
            middle = {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}
            print(f"| {server.name} | {connections} | {middle['rate']:.0f} | {middle['p50']:.2f} | {middle['p99']:.2f} | "
                  f"{middle['cpu']:.0f} |")
    print("\n| server | memory (PSS) | command |\n|---|---|---|")
    for server in servers:
        words = " ".join(Path(str(c)).name if str(c).startswith("/") else str(c) for c in server.command)
        print(f"| {server.name} | {server.memory_mib():.0f} MiB | `{words}` |")


if __name__ == "__main__":
    main()

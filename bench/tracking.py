"""Tracking against `mlflow server`, on this machine in this run: writes by wrk, searches and histories by one client.

    bench/tracking.py [--binary build/release/modelkit] [--mlflow .venv/bin/mlflow] [--only log_metric,search]
                      [--seconds 5] [--rounds 5] [--runs 10000] [--points 100000] [--no-peer] [--json FILE]

Every request differs (own step, value, threshold). After each writing case what was stored is counted and compared with
what was acknowledged. Prints Markdown tables; rounds alternate between the servers, the middle one is shown. CPU is of all
the server's processes. Data lies under build/bench, so keep that folder on a real disk.
"""
import argparse
import http.client
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 8
KEYS = 10  # metrics in a batch of 1000

# wrk calls setup() once a thread, then request() for each request. KIND, RUNS and EXPERIMENT come before this text.
LUA = r"""
local threads = 0
function setup(thread) thread:set("id", threads); threads = threads + 1 end
local n = 0
local template
function init()
  wrk.method = "POST"; wrk.headers["Content-Type"] = "application/json"
  if KIND == "log_batch" then
    local parts = {}
    for j = 0, 999 do
      parts[#parts + 1] = string.format('{"key":"m%d","value":@.%03d,"timestamp":1700000000000,"step":@%02d}', j % 10, j, math.floor(j / 10))
    end
    template = '{"run_id":"%s","metrics":[' .. table.concat(parts, ",") .. "]}"
  end
end
local function number() n = n + 1; return (id + 1) * 1000000 + n end
function request()
  local k = number()
  local run = RUNS[k % #RUNS + 1]
  if KIND == "log_metric" then
    return wrk.format(nil, "/api/2.0/mlflow/runs/log-metric", nil, string.format(
      '{"run_id":"%s","key":"m","value":%d.5,"timestamp":%d,"step":%d}', run, k, 1700000000000 + k, k))
  elseif KIND == "create_run" then
    return wrk.format(nil, "/api/2.0/mlflow/runs/create", nil, string.format(
      '{"experiment_id":"%s","user_id":"bench","run_name":"r%d","start_time":%d,"tags":[{"key":"mlflow.user","value":"bench"},' ..
      '{"key":"mlflow.source.name","value":"train.py"},{"key":"mlflow.source.type","value":"LOCAL"}]}', EXPERIMENT, k, 1700000000000 + k))
  else
    local body = template:gsub("@", tostring(k)):gsub("%%s", run)
    return wrk.format(nil, "/api/2.0/mlflow/runs/log-batch", nil, body)
  end
end
function done(summary, latency)
  io.write(string.format("RESULT %d %d %d %f %f %f\n", summary.requests,
    summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


class Api:
    """One keep-alive connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def raw(self, method, path, body=None):
        self.connection.request(method, "/api/2.0/mlflow/" + path, body=json.dumps(body) if body is not None else None,
                                headers={"Content-Type": "application/json"})
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{path}: {reply.status} {text[:300]}")
        return text

    def call(self, method, path, body=None):
        return json.loads(self.raw(method, path, body))

    def new_experiment(self):
        return self.call("POST", "experiments/create", {"name": f"bench-{time.time_ns()}"})["experiment_id"]

    def new_run(self, experiment):
        return self.call("POST", "runs/create", {"experiment_id": experiment, "start_time": int(time.time() * 1000)})["run"]["info"]["run_id"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processes_of(root):
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(int(Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()[1]), []).append(int(name))
            except OSError:
                pass
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def cpu_seconds(root):
    total = 0.0
    for pid in processes_of(root):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            pass
    return total


class Server:
    def __init__(self, name, command, folder, port=None, endpoints=None):
        self.name, self.command, self.folder, self.port, self.endpoints = name, command, folder, port, endpoints

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = open(self.folder / "bench.log", "ab")
        environment = dict(os.environ, MLFLOW_DISABLE_TELEMETRY="true")
        if self.endpoints:
            self.endpoints.unlink(missing_ok=True)
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log, start_new_session=True, env=environment, cwd=self.folder)
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended at once; see {self.log.name}")
            try:
                if self.endpoints:
                    self.port = urllib.parse.urlparse(json.loads(self.endpoints.read_text())["http"]).port
                Api(self.port).call("GET", "experiments/get?experiment_id=0")
                return self
            except (OSError, ValueError, RuntimeError, http.client.HTTPException):
                time.sleep(0.1)
        sys.exit(f"{self.name} is not ready after 180 s; see {self.log.name}")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()


def wrk(server, kind, runs, experiment, seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        listed = ",".join(f'"{run}"' for run in runs)
        script.write(f'KIND = "{kind}"\nRUNS = {{{listed}}}\nEXPERIMENT = "{experiment}"\n' + LUA)
        script.flush()
        cpu = cpu_seconds(server.process.pid)
        out = subprocess.run(["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}", "--timeout", "60", "-s", script.name,
                              f"http://127.0.0.1:{server.port}"], capture_output=True, text=True, check=True).stdout
        cpu = cpu_seconds(server.process.pid) - cpu
    result = next(line for line in out.splitlines() if line.startswith("RESULT")).split()[1:]
    requests, refused, broken = (int(v) for v in result[:3])
    if refused or broken:
        raise RuntimeError(f"{server.name} {kind}: {refused} refused, {broken} broken\n{out}")
    took, p50, p99 = (float(v) for v in result[3:])
    return {"requests": requests, "per_s": requests / took, "p50_ms": p50, "p99_ms": p99, "cpu_ms": cpu * 1000 / max(requests, 1)}


def check_count(server, kind, stored, acknowledged, each=1):
    # What was sent but not answered when wrk stopped may be stored too: at most one request a connection.
    if not acknowledged * each <= stored <= (acknowledged + CONNECTIONS) * each:
        raise RuntimeError(f"{server.name} {kind}: {acknowledged * each} acknowledged, {stored} stored")


def count_history(api, run, key):
    seen, token = 0, ""
    while True:
        query = {"run_id": run, "metric_key": key, "max_results": 25000, **({"page_token": token} if token else {})}
        page = api.call("GET", "metrics/get-history?" + urllib.parse.urlencode(query))
        seen += len(page.get("metrics", []))
        token = page.get("next_page_token")
        if not token:
            return seen


def count_runs(api, experiment):
    seen, token = 0, None
    while True:
        page = api.call("POST", "runs/search", {"experiment_ids": [experiment], "max_results": 5000, **({"page_token": token} if token else {})})
        seen += len(page.get("runs", []))
        token = page.get("next_page_token")
        if not token:
            return seen


def write_case(server, kind, options):
    api = Api(server.port)
    experiment = api.new_experiment()
    runs = [api.new_run(experiment) for _ in range(CONNECTIONS)]
    result = wrk(server, kind, runs, experiment, options.seconds)
    api = Api(server.port)  # some servers close idle connections
    if kind == "create_run":
        check_count(server, kind, count_runs(api, experiment) - len(runs), result["requests"])
    elif kind == "log_metric":
        check_count(server, kind, sum(count_history(api, run, "m") for run in runs), result["requests"])
    else:
        stored = sum(count_history(api, run, f"m{k}") for run in runs for k in range(KEYS))
        check_count(server, kind, stored, result["requests"], 1000)
        result["metrics_per_s"] = result["per_s"] * 1000
    return result


def seed_runs(server, count):
    """`count` runs of 20 params, 20 metrics and a tag -> their experiment."""
    experiment = Api(server.port).new_experiment()

    def work(first):
        api = Api(server.port)
        for i in range(first, count, 4):
            run, now = api.new_run(experiment), int(time.time() * 1000)
            api.call("POST", "runs/log-batch", {
                "run_id": run, "params": [{"key": f"p{j}", "value": str((i * 7 + j) % 100)} for j in range(20)],
                "metrics": [{"key": f"m{j}", "value": ((i * 31 + j * 17) % 1000) / 1000, "timestamp": now, "step": 0} for j in range(20)],
                "tags": [{"key": "team", "value": "ab"[i % 2]}]})

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return experiment


def search_case(server, experiment, options):
    """Filter by a metric, order by another, 100 of all runs; the threshold changes each call and writes go on."""
    api, stop, written = Api(server.port), threading.Event(), [0]
    targets = [r["info"]["run_id"] for r in api.call("POST", "runs/search", {"experiment_ids": [experiment], "max_results": 50})["runs"]]

    def write():
        mine = Api(server.port)
        while not stop.is_set():
            mine.call("POST", "runs/log-metric", {"run_id": random.choice(targets), "key": "m1", "value": random.random(),
                                                  "timestamp": int(time.time() * 1000), "step": written[0] + 1})
            written[0] += 1
            time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    times, cpu = [], cpu_seconds(server.process.pid)
    deadline = time.monotonic() + options.seconds
    try:
        while time.monotonic() < deadline or len(times) < 3:
            body = {"experiment_ids": [experiment], "max_results": 100, "order_by": ["metrics.m1 DESC"],
                    "filter": f"metrics.m3 > {0.3 + random.random() * 0.4:.6f}"}
            begun = time.perf_counter()
            text = api.raw("POST", "runs/search", body)
            times.append((time.perf_counter() - begun) * 1000)
            if len(times) == 1 and len(json.loads(text)["runs"]) != 100:
                raise RuntimeError(f"{server.name}: the search gave fewer than 100 runs")
    finally:
        stop.set()
        writer.join()
    times.sort()
    return {"requests": len(times), "p50_ms": statistics.median(times), "p99_ms": times[int(len(times) * 0.99)],
            "cpu_ms": (cpu_seconds(server.process.pid) - cpu) * 1000 / len(times), "writes_meanwhile": written[0]}


def history_case(server, run, options):
    api, times, cpu = Api(server.port), [], cpu_seconds(server.process.pid)
    for _ in range(3):
        begun = time.perf_counter()
        text = api.raw("GET", f"metrics/get-history?run_id={run}&metric_key=h")
        times.append((time.perf_counter() - begun) * 1000)
    points = len(json.loads(text)["metrics"])
    if points != options.points:
        raise RuntimeError(f"{server.name}: {points} of {options.points} points came back")
    return {"requests": 3, "p50_ms": statistics.median(times), "cpu_ms": (cpu_seconds(server.process.pid) - cpu) * 1000 / 3}


def seed_history(server, points):
    api = Api(server.port)
    run = api.new_run("0")
    for first in range(0, points, 1000):
        api.call("POST", "runs/log-batch", {"run_id": run, "metrics": [
            {"key": "h", "value": random.random(), "timestamp": 1_700_000_000_000 + s, "step": s} for s in range(first, min(first + 1000, points))]})
    return run


CASES = ("create_run", "log_metric", "log_batch", "search", "history")


def measure(server, options, seeds):
    results = {}
    for case in options.only:
        if case == "search":
            if "search" not in seeds:
                seeds["search"] = seed_runs(server, options.runs)
            results[case] = search_case(server, seeds["search"], options)
        elif case == "history":
            if "history" not in seeds:
                seeds["history"] = seed_history(server, options.points)
            results[case] = history_case(server, seeds["history"], options)
        else:
            results[case] = write_case(server, case, options)
        print(f"  {server.name}: {case} {json.dumps({k: round(v, 3) for k, v in results[case].items()})}", file=sys.stderr, flush=True)
    return results


def middle(rounds):
    """For each field the median over the rounds."""
    return {field: statistics.median(r[field] for r in rounds) for field in rounds[0]}


def table(options, results):
    names = list(results)
    print(f"\nLoad average {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs, {options.rounds} rounds of {options.seconds} s, medians.\n")
    titles = {"create_run": f"create_run, {CONNECTIONS} connections", "log_metric": f"log_metric, {CONNECTIONS} connections",
              "log_batch": f"log_batch of 1000, {CONNECTIONS} connections",
              "search": f"search {options.runs} runs, metric filter + order, 100 rows, writes go on",
              "history": f"history of {options.points} points, one reply"}
    print("| work | " + " | ".join(names) + (" | times faster |" if len(names) > 1 else " |"))
    print("|---|" + "---|" * (len(names) + (len(names) > 1)))
    for case in options.only:
        cells, speeds = [], []
        for name in names:
            r = middle(results[name][case])
            if "metrics_per_s" in r:
                text, speed = f"{r['metrics_per_s']:,.0f} metrics/s", r["per_s"]
            elif "per_s" in r:
                text, speed = f"{r['per_s']:,.0f}/s", r["per_s"]
            else:
                text, speed = "", 1 / r["p50_ms"]
            text += f"{', ' if text else ''}p50 {r['p50_ms']:.2f} ms" + (f", p99 {r['p99_ms']:.2f} ms" if "p99_ms" in r else "")
            cells.append(text + f", {r['cpu_ms']:.3f} CPU-ms each")
            speeds.append(speed)
        ratio = f" {speeds[0] / max(speeds[1:]):,.0f} (of the faster peer) |" if len(names) > 1 else ""
        print(f"| {titles[case]} | " + " | ".join(cells) + " |" + ratio)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "build/release/modelkit", type=Path)
    parser.add_argument("--mlflow", default=ROOT / ".venv/bin/mlflow", type=Path)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--seconds", default=5, type=int)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--runs", default=10_000, type=int)
    parser.add_argument("--points", default=100_000, type=int)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.binary, options.mlflow = options.binary.absolute(), options.mlflow.absolute()
    options.only = options.only.split(",")
    if options.runs < 400:
        sys.exit("--runs must be at least 400, so that every search fills its page")
    if unknown := set(options.only) - set(CASES):
        sys.exit(f"there is no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    folder = ROOT / "build/bench/tracking"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def ours():
        return Server("modelkit", [options.binary, "up", "--data", folder / "ours", "--port", "0", "--data-port", "0", "--grpc-port", "0"],
                      folder / "ours", endpoints=folder / "ours/endpoints.json")

    def peer(name, *extra):
        port = free_port()
        return Server(name, [options.mlflow, "server", "--host", "127.0.0.1", "--port", str(port), "--backend-store-uri",
                             f"sqlite:///{folder}/peer/mlflow.db", "--artifacts-destination", str(folder / "peer/artifacts"), *extra],
                      folder / "peer", port=port)

    servers = [ours]
    if not options.no_peer:
        servers += [lambda: peer("mlflow server --workers 1", "--workers", "1"), lambda: peer("mlflow server")]
    results, seeds = {}, {"ours": {}, "peer": {}}  # both peers use one database: it is filled once
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
        for make in servers:
            with make() as server:
                for case, result in measure(server, options, seeds["ours" if make is ours else "peer"]).items():
                    results.setdefault(server.name, {}).setdefault(case, []).append(result)
    table(options, results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

"""Start to ready and idle memory, against `mlflow server`, on this machine in this run.

    bench/startup.py [--binary build/release/modelkit] [--mlflow .venv/bin/mlflow] [--rounds 5] [--idle 10] [--alone]

Every start has a fresh folder. Ready: the first durable write (experiments/create) has been answered, and for modelkit the
gateway, too. Memory: PSS of every process that was started, after IDLE seconds without a request. Rounds alternate; medians. --alone: without the peer.
"""
import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processes_naming(folder, root):
    """`root`, its descendants, and whatever names `folder` on its command line (the gateway and its shim outlive us)."""
    parents, found = {}, {root}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            parents[int(entry)] = int(Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1])
            if str(folder).encode() in Path(f"/proc/{entry}/cmdline").read_bytes():
                found.add(int(entry))
        except OSError:
            pass
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        grown = bool(more)
        found |= more
    return found


def pss_mb(pids):
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:
            pass
    return total / 1024


def answers(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except OSError:
        return 0
    finally:
        connection.close()


def one_start(command, folder, port, data_port, idle):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log = open(folder.parent / "startup.log", "wb")
    environment = dict(os.environ, PATH=f"{ROOT}/.venv/bin:{os.environ['PATH']}", MLFLOW_DISABLE_TELEMETRY="true")
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment, start_new_session=True)
    tries = 0
    while answers(port, "POST", "/api/2.0/mlflow/experiments/create", {"name": f"first-{tries}"}) != 200:
        tries += 1
        time.sleep(0.001)
        if time.monotonic() - began > 120:
            raise SystemExit(f"{command[0]} is not ready after 120 s")
    # 404 in its own words is an answer: it has no routes yet.
    while data_port and answers(data_port, "GET", "/v2/models/none") != 404:
        time.sleep(0.001)
    ready = time.monotonic() - began
    time.sleep(idle)
    pids = processes_naming(folder, process.pid)
    memory, count = pss_mb(pids), len(pids)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    return ready, memory, count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=ROOT / "build/release/modelkit")
    parser.add_argument("--mlflow", default=ROOT / ".venv/bin/mlflow")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle", type=float, default=10)
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    folder = ROOT / "build/bench/startup"
    rows = {"modelkit up": [], "mlflow server --workers 1": [], "mlflow server (default)": []}
    if options.alone:
        rows = {"modelkit up": []}
    for _ in range(options.rounds):
        for name, results in rows.items():
            port, data_port = free_port(), 0
            if name == "modelkit up":
                data_port = free_port()
                command = [str(options.binary), "up", "--data", str(folder), "--port", str(port), "--data-port", str(data_port)]
            else:
                command = [str(options.mlflow), "server", "--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
                           "--artifacts-destination", f"{folder}/artifacts", *(["--workers", "1"] if "1" in name else [])]
            results.append(one_start(command, folder, port, data_port, options.idle))
    print(f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, medians of {options.rounds}, load {os.getloadavg()[0]:.1f} at the end\n")
    print("| server | start to ready, ms (min - max) | idle PSS, MB | processes |\n|---|---|---|---|")
    for name, results in rows.items():
        ready = [r[0] * 1000 for r in results]
        print(f"| {name} | {statistics.median(ready):.0f} ({min(ready):.0f} - {max(ready):.0f}) | "
              f"{statistics.median(r[1] for r in results):.1f} | {results[0][2]} |")


if __name__ == "__main__":
    main()

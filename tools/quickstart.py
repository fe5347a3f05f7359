"""The main job, end to end, with the clients people use: track, register, deploy, predict, canary, promote, go back."""
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("MODELKIT_BINARY", ROOT / "build/release/modelkit"))
PYTHON = ROOT / ".venv/bin/python"
EXAMPLE = ROOT / "examples/quickstart"
FOLDER = Path(os.environ.get("QUICKSTART_FOLDER", ROOT / "build/quickstart"))
DATA = FOLDER / "data"
PORTS = {"--port": 7070, "--data-port": 7080, "--grpc-port": 7081}


def step(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def show(command):
    print(f"  $ {command}", flush=True)


def endpoints():
    try:
        found = json.loads((DATA / "endpoints.json").read_text())
        urllib.request.urlopen(found["http"] + "/health", timeout=2)
        return found
    except (OSError, ValueError):
        return None


def port_is_free(port):
    import socket
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def start():
    """The server outlives this script; a second quickstart finds it running."""
    found = endpoints()
    if found:
        print(f"  already running at {found['http']}")
        return found
    DATA.mkdir(parents=True, exist_ok=True)
    (DATA / "endpoints.json").unlink(missing_ok=True)
    words = [BINARY, "up", "--data", DATA]
    for name, port in PORTS.items():
        words += [name, str(port if port_is_free(port) else 0)]
    log = open(FOLDER / "modelkit.log", "wb")
    started = time.monotonic()
    process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    while not endpoints():
        if process.poll() is not None or time.monotonic() - started > 20:
            sys.exit("modelkit did not start:\n" + (FOLDER / "modelkit.log").read_text())
        time.sleep(0.01)
    (FOLDER / "pid").write_text(str(process.pid))
    print("".join("  " + line for line in open(FOLDER / "modelkit.log")), end="")
    return endpoints()


def run(*words, environment, quiet=False):
    show(" ".join(str(w).replace(str(ROOT) + "/", "") for w in words))
    answer = subprocess.run([str(w) for w in words], env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE if quiet else None)
    if answer.returncode:
        sys.exit(f"quickstart: that failed with exit code {answer.returncode}; the log is {FOLDER / 'modelkit.log'}")
    return answer.stdout


def split(url, requests=1000):
    """Which revision answers how many of `requests` predictions."""
    import http.client
    from urllib.parse import urlparse
    place = urlparse(url)
    connection = http.client.HTTPConnection(place.netloc)
    body = json.dumps({"inputs": [{"name": INPUT, "shape": [1, 13], "datatype": "FP32", "data": [13.0] * 13}]})
    count = Counter()
    for _ in range(requests):
        connection.request("POST", place.path + "/v2/models/wine/infer", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            sys.exit(f"quickstart: a prediction failed with {answer.status}")
        count[answer.headers["X-Modelkit-Revision"]] += 1
    for revision, number in sorted(count.items()):
        print(f"    {revision:24} {number:5} of {requests}  {'#' * (number * 40 // requests)}")


INPUT = "X"


def latest(url, model, alias):
    with urllib.request.urlopen(f"{url}/api/2.0/mlflow/registered-models/alias?name={model}&alias={alias}") as answer:
        return json.load(answer)["model_version"]["version"]


def main():
    started = time.monotonic()
    step("1. Start modelkit: one process, everything in it")
    found = start()
    url, data = found["http"], found["data"]
    environment = dict(os.environ, MLFLOW_TRACKING_URI=url, MODELKIT_DATA=str(DATA), KUBECONFIG=str(DATA / "kubeconfig"),
                       QUICKSTART_OUT=str(FOLDER), MLFLOW_DISABLE_TELEMETRY="true", PYTHONWARNINGS="ignore")

    step("2. Train and track, with plain MLflow")
    run(PYTHON, EXAMPLE / "train.py", environment=environment)
    first, second = latest(url, "wine", "champion"), latest(url, "wine", "challenger")

    step("3. Deploy the champion")
    run(BINARY, "deploy", "models:/wine@champion", "--name", "wine", "--format", "onnx", environment=environment)

    step("4. Predict: curl, and the unmodified Triton client, compared with the local model")
    body = json.dumps({"inputs": [{"name": INPUT, "shape": [1, 13], "datatype": "FP32",
                                   "data": [13.2, 1.8, 2.4, 15.6, 127, 2.8, 3.1, 0.3, 2.3, 5.6, 1.0, 3.9, 1065]}]})
    run("curl", "-s", "-w", "\\n", f"{data}/serving/default/wine/v2/models/wine/infer", "-d", body, environment=environment)
    run(PYTHON, EXAMPLE / "predict.py", f"{data}/serving/default/wine", f"models:/wine/{first}", FOLDER / "wine_rows.npy",
        environment=environment)

    step("5. The challenger gets 10 % of the requests")
    run(BINARY, "deploy", "models:/wine@challenger", "--name", "wine", "--format", "onnx", "--canary", "10", environment=environment)
    run(BINARY, "rollout", "status", "wine", environment=environment)
    split(f"{data}/serving/default/wine")

    step("6. Promote it, then go back")
    run(BINARY, "rollout", "promote", "wine", environment=environment)
    split(f"{data}/serving/default/wine")
    run(BINARY, "deploy", f"models:/wine/{first}", "--name", "wine", "--format", "onnx", environment=environment)
    split(f"{data}/serving/default/wine")

    step("7. The same with kubectl: the scikit-learn flavour, in a sandboxed Python worker")
    kubectl = PYTHON.parent / "kubectl"
    run(kubectl, "apply", "-f", EXAMPLE / "wine-sklearn.yaml", environment=environment)
    run(kubectl, "wait", "--for=condition=Ready", "isvc/wine-sklearn", "--timeout=300s", environment=environment)
    run(kubectl, "get", "isvc", environment=environment)
    run(PYTHON, EXAMPLE / "predict.py", f"{data}/serving/default/wine-sklearn", "models:/wine-sklearn/1", FOLDER / "wine_rows.npy",
        environment=environment)

    step(f"Done in {time.monotonic() - started:.0f} s.")
    pid = (FOLDER / "pid").read_text() if (FOLDER / "pid").exists() else "PID"
    print(f"""  Look:  {url}   (runs, charts, models, deployments)
  Try:   export MODELKIT_DATA={DATA} KUBECONFIG={DATA}/kubeconfig
         build/release/modelkit get isvc
         .venv/bin/kubectl describe isvc wine
         build/release/modelkit logs isvc/wine
  Stop:  kill -INT {pid}        (start again: build/release/modelkit up --data {DATA})""")


if __name__ == "__main__":
    main()

"""The quickstart as a newcomer runs it: every step must work, the served answers must be the local model's, and the split what was
asked. Its environment is built once a checkout and kept in build/quickstart-test."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelkit import BINARY, ROOT

FOLDER = ROOT / "build/quickstart-test"


def stop():
    pid = FOLDER / "pid"
    if not pid.exists():
        return
    try:
        os.kill(int(pid.read_text()), signal.SIGINT)
        deadline = time.monotonic() + 90
        while Path(f"/proc/{pid.read_text()}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    except ProcessLookupError:
        pass
    pid.unlink()


@pytest.mark.timeout(600)  # the first run of a checkout builds the environment
def test_the_main_job_walks():
    stop()
    (FOLDER / "data").mkdir(parents=True, exist_ok=True)
    for old in (FOLDER / "data").iterdir():
        if old.name != "environments":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    environment = dict(os.environ, QUICKSTART_FOLDER=str(FOLDER), MODELKIT_BINARY=str(BINARY), MLFLOW_HTTP_REQUEST_MAX_RETRIES="2")
    try:
        done = subprocess.run([sys.executable, ROOT / "tools/quickstart.py"], env=environment, capture_output=True, text=True, timeout=560)
        text = done.stdout
        assert done.returncode == 0, text[-3000:] + done.stderr[-2000:]
        assert [line for line in text.splitlines() if re.match(r"\d\. ", line)] and len(re.findall(r"^\d\. ", text, re.M)) == 7
        # What curl printed is a V2 answer; the Triton client's answers are the local model's, for ONNX and for scikit-learn.
        assert '"model_name":"wine"' in text and len(re.findall(r"served = local", text)) == 2
        split = re.findall(r"(wine-predictor-0000\d) +(\d+) of 1000", text)
        assert split == [("wine-predictor-00001", "900"), ("wine-predictor-00002", "100"),  # the canary
                         ("wine-predictor-00002", "1000"),                                 # promoted
                         ("wine-predictor-00001", "1000")], split                          # and back
        assert re.search(r"Look: +http://127.0.0.1:\d+", text) and "Try:" in text and "Stop:  kill -INT" in text
        # Nothing of ours is imported by the script.
        assert not re.search(r"^\s*(import|from) modelkit", (ROOT / "examples/quickstart/train.py").read_text(), re.M)
    finally:
        stop()

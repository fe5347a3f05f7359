"""Every kept input of every fuzz target still keeps its promises (./x fuzz TARGET looks for new ones)."""
import os
import subprocess

from modelkit import ROOT

PROGRAM = os.environ.get("MODELKIT_FUZZ", str(ROOT / "build/dev/modelkit_fuzz"))
CORPUS = ROOT / "tests/fuzz/corpus"


def test_every_kept_input():
    targets = subprocess.run([PROGRAM, "--list"], capture_output=True, text=True, check=True).stdout.split()
    assert sorted(targets) == sorted(p.name for p in CORPUS.iterdir())
    done = subprocess.run([PROGRAM, CORPUS], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-300:]
    assert done.stdout == f"{sum(1 for p in CORPUS.glob('*/*'))} inputs\n"

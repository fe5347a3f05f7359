"""The control plane under virtual time, from many seeds (docs/simulation.md). MK_SIM_SEEDS sets how many."""
import os
import subprocess

import pytest

from modelkit import ROOT

PROGRAM = os.environ.get("MODELKIT_SIM", str(ROOT / "build/dev/modelkit_sim"))
SEEDS = int(os.environ.get("MK_SIM_SEEDS", "200"))
PROCESSES = 2


def start(*words):
    return subprocess.Popen([PROGRAM, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_nothing_goes_wrong_from_many_seeds():
    share = SEEDS // PROCESSES
    running = [start(1 + i * share, "--count", share) for i in range(PROCESSES)]
    for process in running:
        text, _ = process.communicate(timeout=60 + 2 * SEEDS)
        assert process.returncode == 0, text[-4000:]
        assert f"{share} seeds" in text and " 0 wrong" in text


@pytest.mark.parametrize("bug", ["ack-before-sync", "lost-event", "two-owners", "lost-requeue", "merged-delete-create"])
def test_a_planted_bug_is_found_within_200_seeds(bug):
    process = start(1, "--count", 200, "--bug", bug)
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text[-2000:]
    assert "the planted bug was found" in text


def test_the_same_seed_gives_the_same_run():
    digests = [start(11).communicate(timeout=60)[0].splitlines()[0] for _ in range(2)]
    assert digests[0].startswith("seed 11: digest ") and digests[0] == digests[1]

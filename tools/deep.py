"""`./x test --deep [WORD...]`: everything that takes hours, step by step. Each step has a limit of time and a log of its own in
build/deep, whose last line is shown every half minute; one that fails does not keep the next from running. WORDs choose the
steps that have one of them in their name. Ends with a table for the log in docs/deep.md."""
import concurrent.futures
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from x import ROOT, SANITIZERS, VENV, say

LOGS = ROOT / "build/deep"
TICK_S = 30
SEEDS, SEEDS_AT_ONCE = int(os.environ.get("MK_SIM_SEEDS", "10000")), 100
FUZZ_S = int(os.environ.get("MK_FUZZ_SECONDS", "120"))


@dataclass
class Step:
    name: str
    minutes_max: int
    command: list
    env: dict = field(default_factory=dict)


def x(*words):
    return [sys.executable, ROOT / "tools/x.py", *words]


def pytest(*words):
    return [VENV / "bin/python", "-m", "pytest", "-v", "-rs", *words]


def steps():
    dev = ROOT / "build/dev"
    yield Step("rules of the house", 5, x("tidy"))
    yield Step("build dev", 60, x("build", "dev"))
    yield Step("unit tests dev", 30, [dev / "modelkit_tests", "-d=true"], {"MK_CRASH_CYCLES": "300"})
    for preset, env in SANITIZERS.items():
        yield Step(f"build {preset}", 90, x("build", preset, "modelkit_tests"))
        yield Step(f"unit tests {preset}", 60, [ROOT / "build" / preset / "modelkit_tests", "-d=true"], env)
    yield Step("types of the console", 5, [ROOT / "web/node_modules/.bin/tsc", "--noEmit", "-p", ROOT / "web"])
    yield Step(f"simulation {SEEDS} seeds", 240, [sys.executable, __file__, "seeds"])
    yield Step("kill 1000 times", 90, pytest("-s", "--timeout=5400", "tests/crash/test_kill.py"), {"MK_KILL_CYCLES": "1000"})
    yield Step("build fuzz", 60, x("build", "fuzz", "modelkit_fuzz"))
    for target in sorted(p.name for p in (ROOT / "tests/fuzz/corpus").iterdir()):
        yield Step(f"fuzz {target}", FUZZ_S // 60 + 3, x("fuzz", target, "--seconds", str(FUZZ_S)))
    yield Step("real clients", 120, pytest("--timeout=900", "tests"))


def last_line(path):
    with open(path, "rb") as log:
        log.seek(max(0, path.stat().st_size - 4096))
        lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip(" =")]
    return lines[-1].strip()[:110] if lines else ""


def carry_out(step, log):
    """"ok", or what went wrong."""
    with open(log, "wb") as out:
        process = subprocess.Popen([str(c) for c in step.command], cwd=ROOT, env={**os.environ, **step.env}, stdout=out,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
    started = time.monotonic()
    try:
        while True:
            try:
                code = process.wait(timeout=TICK_S)
                return "ok" if code == 0 else f"failed with {code}"
            except subprocess.TimeoutExpired:
                minutes = (time.monotonic() - started) / 60
                if minutes > step.minutes_max:
                    return f"not done after {step.minutes_max} min"
                print(f"    {minutes:5.1f} min  {last_line(log)}", flush=True)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run(words):
    LOGS.mkdir(parents=True, exist_ok=True)
    chosen = [step for step in steps() if not words or any(word in step.name for word in words)]
    if not chosen:
        sys.exit("no step has such a word in its name; there are: " + ", ".join(step.name for step in steps()))
    results = []
    for number, step in enumerate(chosen, 1):
        log = LOGS / f"{step.name.replace(' ', '-')}.log"
        say(f"{number}/{len(chosen)} {step.name} (at most {step.minutes_max} min; {log.relative_to(ROOT)})")
        started = time.monotonic()
        result = carry_out(step, log)
        results.append((step.name, time.monotonic() - started, result, last_line(log)))
        if result != "ok":
            print(log.read_text(errors="replace")[-3000:])
        print(f"    {result}: {last_line(log)}", flush=True)
    print(f"\n{date.today()}\n\n| step | minutes | result | its last words |\n|---|---|---|---|")
    for name, seconds, result, words_ in results:
        print(f"| {name} | {seconds / 60:.1f} | {result} | {words_.replace('|', '/')} |")
    sys.exit(any(result != "ok" for _, _, result, _ in results))


def seeds():
    """The simulation from SEEDS seeds, two programs at a time, in slices that say how far it is."""
    subprocess.run(x("build", "dev", "modelkit_sim"), check=True)
    done = lives = changes = wrong = 0

    def slice_of(first):
        count = min(SEEDS_AT_ONCE, SEEDS + 1 - first)
        return count, subprocess.run([ROOT / "build/dev/modelkit_sim", str(first), "--count", str(count)], stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL, text=True)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for count, ended in pool.map(slice_of, range(1, SEEDS + 1, SEEDS_AT_ONCE)):
            done += count
            *complaints, summary = ended.stdout.strip().splitlines() or [""]
            for line in complaints:
                print(line)
            if not summary.endswith(" wrong"):
                sys.exit(f"a slice before seed {done} ended with {ended.returncode}: {ended.stdout[-300:]}")
            numbers = [int(word) for word in summary.replace(",", "").replace(":", "").split() if word.isdigit()]
            lives, changes, wrong = lives + numbers[1], changes + numbers[2], wrong + numbers[3]
            print(f"{done} of {SEEDS} seeds, {lives} lives, {changes} changes: {wrong} wrong", flush=True)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    if sys.argv[1:] != ["seeds"]:
        sys.exit("this is a part of ./x test --deep")
    seeds()

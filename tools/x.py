"""What `./x` does: set up, build, test, show. Debian's python3 and its standard library only."""
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"

# name -> why, so that setup can say what it installs. Versions are those of Debian 12; names carry the major version
# where more than one exists.
DEBIAN = {
    "the compiler": ["clang-19", "clang-tidy-19", "clang-format-19", "libclang-rt-19-dev", "llvm-19"],
    "the build": ["cmake", "ninja-build", "ccache", "mold"],
    "libraries": ["libboost1.81-dev", "libboost-url1.81-dev", "libssl-dev", "libsqlite3-dev", "libfmt-dev", "libyaml-dev",
                  "libre2-dev", "libzstd-dev", "nlohmann-json3-dev", "doctest-dev", "libbenchmark-dev"],
    "tests and the console": ["python3-venv", "python3-dev", "nodejs", "npm", "chromium", "wrk", "iproute2", "curl", "openssl",
                              "uidmap"],
}


def say(text):
    print(f"\033[1m==> {text}\033[0m" if sys.stdout.isatty() else f"==> {text}", flush=True)


def run(*command, **options):
    options.setdefault("cwd", ROOT)
    subprocess.run([str(c) for c in command], check=True, **options)


def installed(package):
    answer = subprocess.run(["dpkg-query", "-W", "-f=${db:Status-Status}", package], capture_output=True, text=True)
    return answer.stdout == "installed"


def provided(package):
    """Node may come from elsewhere than Debian; any version that works will do."""
    return {"nodejs": "node", "npm": "npm"}.get(package) is not None and shutil.which(
        {"nodejs": "node", "npm": "npm"}[package]) is not None


def stamped(folder, *inputs):
    """True when the inputs are those of the last time mark() was called. The mark lies in the folder that it vouches for, so
    that the two go together."""
    digest = hashlib.sha256(b"".join(Path(ROOT / i).read_bytes() for i in inputs)).hexdigest()
    stamp = folder / ".made-from"

    def mark():
        stamp.write_text(digest)

    return stamp.exists() and stamp.read_text() == digest, mark


def setup_debian():
    missing = [p for group in DEBIAN.values() for p in group if not installed(p) and not provided(p)]
    if not missing:
        return
    say(f"installing Debian packages: {' '.join(missing)}")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run(*sudo, "apt-get", "update", "-q", env=env, stdout=subprocess.DEVNULL)
    run(*sudo, "apt-get", "install", "-y", "-q", "--no-install-recommends", *missing, env=env)


def setup_npm(folder):
    if not (ROOT / folder / "package-lock.json").exists():
        return
    done, mark = stamped(ROOT / folder / "node_modules", f"{folder}/package-lock.json")
    if done:
        return
    say(f"installing npm packages of {folder}/ (pinned by hash)")
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=ROOT / folder)
    mark()


def setup_python():
    """The real clients that the tests and the quickstart use, pinned by hash, in .venv on Debian's python3.11."""
    lock = "tests/clients/requirements.lock"
    if not (ROOT / lock).exists():
        return
    done, mark = stamped(VENV, lock)
    if done:
        return
    say(f"installing Python packages into .venv (pinned by hash in {lock})")
    if not (VENV / "bin/python").exists():
        run("/usr/bin/python3.11", "-m", "venv", VENV)
    run(VENV / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes",
        "--only-binary", ":all:", "-r", ROOT / lock)
    mark()


OLD_KUBECTL = {  # Debian's kubectl 1.20.2: the oldest that people still meet; only unpacked, never installed
    "package": "kubernetes-client", "version": "1.20.5+really1.20.2-1.1+deb12u1",
    "sha256": {"amd64": "087c42dc26c847740043cdaa8b16db666be5591a1da957f822922aa1b677494e"},
}


def setup_old_kubectl():
    target = VENV / "bin/kubectl-1.20"
    arch = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True).stdout.strip()
    wanted = OLD_KUBECTL["sha256"].get(arch)
    if target.exists() or not wanted:
        return
    say("unpacking Debian's kubectl 1.20 into .venv/bin (pinned by hash)")
    with tempfile.TemporaryDirectory() as folder:
        run("apt-get", "download", "-q", f"{OLD_KUBECTL['package']}={OLD_KUBECTL['version']}", cwd=folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        package = next(Path(folder).glob("*.deb"))
        if hashlib.sha256(package.read_bytes()).hexdigest() != wanted:
            sys.exit(f"{package.name} is not the file that tools/x.py pins; nothing of it was used")
        run("dpkg", "-x", package, f"{folder}/root")
        shutil.copy2(f"{folder}/root/usr/bin/kubectl", target)


def setup():
    setup_debian()
    setup_npm("third_party")
    setup_npm("web")
    setup_python()
    setup_old_kubectl()


def build(preset="release", *targets):
    folder = ROOT / "build" / preset
    if not (folder / "build.ninja").exists():
        run("cmake", "--preset", preset, stdout=subprocess.DEVNULL)
    run("cmake", "--build", "--preset", preset, *(("--target", *targets) if targets else ()))


# A finding ends the program with this; the tests look at exit codes of their own programs, which stay far from it.
SANITIZERS = {
    "asan": {"ASAN_OPTIONS": "exitcode=99:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
             "UBSAN_OPTIONS": "print_stacktrace=1"},
    "tsan": {"TSAN_OPTIONS": f"exitcode=99:halt_on_error=0:second_deadlock_stack=1:suppressions={ROOT}/tests/tsan.supp"},
}


def sanitized(preset, program):
    say(f"building ({preset}: {program})")
    build(preset, program)
    say(f"unit tests under {preset}")
    run(ROOT / "build" / preset / program, env=dict(os.environ, **SANITIZERS[preset]))


def test(arguments):
    """All that a change must pass. --deep: everything there is, for hours (tools/deep.py)."""
    started = time.time()
    setup()
    if "--deep" in arguments:
        import deep
        deep.run([a for a in arguments if a != "--deep"])
    say("checking the rules of the house (tools/tidy.py)")
    run(sys.executable, "tools/tidy.py")
    say("building (dev)")
    build("dev")
    say("unit tests")
    run(ROOT / "build/dev/modelkit_tests")
    sanitized("asan", "modelkit_ground_tests")
    say("types of the console (tsc)")
    run(ROOT / "web/node_modules/.bin/tsc", "--noEmit", cwd=ROOT / "web")
    code = 0
    if (ROOT / "tests/clients").exists() and any((ROOT / "tests").glob("*/test_*.py")):
        say("tests with real clients")
        code = subprocess.run([VENV / "bin/python", "-m", "pytest", "-q", *(arguments or ["tests"])], cwd=ROOT).returncode
    say(f"done in {time.time() - started:.0f} s")
    sys.exit(code)


NEEDED_PROGRAMS = {"objects": ["bench_store", "bench_watch"]}  # compiled parts of a bench/NAME.py


def bench(arguments):
    """bench/NAME_bench.cc, built as in a release, or bench/NAME.py, which measures a peer beside us. Further arguments go to it."""
    programs = {p.name.removesuffix("_bench.cc"): p for p in (ROOT / "bench").glob("*_bench.cc")}
    scripts = {p.stem: p for p in (ROOT / "bench").glob("*.py")}
    name = arguments[0] if arguments else ""
    if name not in programs and name not in scripts:
        sys.exit(f"usage: ./x bench NAME [arguments]; NAME is one of: {', '.join(sorted([*programs, *scripts]))}")
    setup()
    if name in programs:
        build("release", f"bench_{name}")
        run(ROOT / "build/release" / f"bench_{name}", *arguments[1:])
    else:
        build("release", "modelkit", *NEEDED_PROGRAMS.get(name, []))
        run(VENV / "bin/python", scripts[name], *arguments[1:])


def sim(arguments):
    """The control plane under virtual time (docs/simulation.md)."""
    setup()
    build("dev", "modelkit_sim")
    sys.exit(subprocess.run([ROOT / "build/dev/modelkit_sim", *arguments], stderr=subprocess.DEVNULL).returncode)


def fuzz(arguments):
    """libFuzzer on one reader of what comes from outside. What breaks it is kept in build/fuzz and belongs, repaired, in
    tests/fuzz/corpus/TARGET."""
    corpora = ROOT / "tests/fuzz/corpus"
    target = arguments[0] if arguments else ""
    seconds = int(arguments[2]) if len(arguments) == 3 and arguments[1] == "--seconds" else 60
    if not (corpora / target).is_dir() or not target or len(arguments) not in (1, 3):
        sys.exit(f"usage: ./x fuzz TARGET [--seconds N]; TARGET is one of: {', '.join(sorted(p.name for p in corpora.iterdir()))}")
    setup()
    build("fuzz", "modelkit_fuzz")
    found = ROOT / "build/fuzz/found" / target
    found.mkdir(parents=True, exist_ok=True)
    run(ROOT / "build/fuzz/modelkit_fuzz", f"-max_total_time={seconds}", "-timeout=60", "-rss_limit_mb=2048", "-print_final_stats=1",
        f"-artifact_prefix={found.parent}/{target}-", found, corpora / target, env=dict(os.environ, MK_FUZZ_TARGET=target))


def setup_environment():
    """The Python environment of the quickstart's scikit-learn model, made by the code that makes every model's."""
    folder = ROOT / "build/quickstart"
    done, mark = stamped(folder / "data/environments", "examples/quickstart/requirements.txt", "tests/clients/requirements.lock")
    if done:
        return
    say("building the quickstart's first model environment (PyPI wheels, in a sandbox)")
    shutil.rmtree(folder / "model", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    run(VENV / "bin/python", ROOT / "examples/quickstart/save_model.py", folder / "model",
        env=dict(os.environ, MLFLOW_DISABLE_TELEMETRY="true"))
    run(ROOT / "build/release/modelkit", "environment", "build", "--folder", folder / "model", "--data", folder / "data",
        stdout=subprocess.DEVNULL)
    mark()


def quickstart():
    setup()
    say("building (release)")
    build("release", "modelkit")
    setup_environment()
    run(sys.executable, "tools/quickstart.py")


def conformance(arguments):
    """tests/clients/kubernetes/conformance: modelkit against a real Kubernetes control plane."""
    setup()
    if arguments[:1] != ["build"]:
        build("dev", "modelkit")
    places = os.pathsep.join(str(ROOT / p) for p in ("tests/clients/kubernetes", "tests"))
    sys.exit(subprocess.run([VENV / "bin/python", "-m", "conformance", *arguments], cwd=ROOT, env=dict(os.environ, PYTHONPATH=places)).returncode)


def fmt():
    files = [f for f in subprocess.check_output(["git", "ls-files", "src", "bench"], cwd=ROOT, text=True).split()
             if f.endswith((".cc", ".h"))]
    run("clang-format-19", "-i", *files)


VERBS = {
    "setup": ("install what building and testing need (Debian, npm and PyPI packages)", lambda a: setup()),
    "build": ("build the program; leaves build/release/modelkit.  ./x build [dev|release|asan|tsan [TARGET...]], all = everything",
              lambda a: (setup(), build(*(a[:1] or ["release"]), *(a[1:] or ["modelkit"])))),
    "quickstart": ("set up, build, and walk the main job: track, register, deploy, predict, canary", lambda a: quickstart()),
    "test": ("set up, build and run all tests.  ./x test [pytest arguments], ./x test --deep [WORD...]", test),
    "bench": ("measure; prints a Markdown table.  ./x bench NAME", bench),
    "conformance": ("compare the Kubernetes API with a real control plane.  ./x conformance build|record|diff|open|live [GROUP]", conformance),
    "sim": ("run the control plane under virtual time.  ./x sim SEED [--count N] [--bug NAME] [--verbose]", sim),
    "fuzz": ("look for inputs that break a reader.  ./x fuzz TARGET [--seconds N]", fuzz),
    "fmt": ("format the C++ sources", lambda a: fmt()),
    "tidy": ("check the rules of the house", lambda a: run(sys.executable, "tools/tidy.py", *a)),
}


def main():
    verb = sys.argv[1] if len(sys.argv) > 1 else "help"
    if verb not in VERBS:
        print("usage: ./x VERB\n")
        for name, (what, _) in VERBS.items():
            print(f"  {name:11} {what}")
        sys.exit(0 if verb in ("help", "-h", "--help") else 2)
    try:
        VERBS[verb][1](sys.argv[2:])
    except subprocess.CalledProcessError as error:
        sys.exit(f"./x {verb}: `{' '.join(map(str, error.cmd))[:200]}` failed with exit code {error.returncode}")


if __name__ == "__main__":
    main()

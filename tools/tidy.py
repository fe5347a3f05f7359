"""The rules of the house that no compiler checks: who may include whom, file sizes, banned names and headers."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# room -> rooms it may include. ARCHITECTURE.md draws this.
MAY_INCLUDE = {
    "base": set(),
    "os": {"base"},
    "kinds": {"base"},
    "net": {"base", "os"},
    "store": {"base", "os"},
    "blob": {"base", "os"},
    "core": {"base", "os", "kinds", "net", "store", "blob"},
    "node": {"base", "os", "kinds", "net", "store", "blob", "core"},
    "modules": {"base", "os", "kinds", "net", "store", "blob", "core"},
    "dataplane": {"base", "os", "net"},
    "shim": {"base", "os"},
    "api": {"base", "os", "kinds", "net", "store", "blob", "core", "node", "modules"},
    "cli": {"base", "os", "kinds", "net", "store", "blob", "core", "node", "modules", "api", "dataplane"},
    "app": {"base", "os", "kinds", "net", "store", "blob", "core", "node", "modules", "api", "cli", "dataplane"},
}
# Only these modules may see the routing snapshot.
SEES_DATAPLANE_CONFIG = {"modules/serving", "modules/traffic"}
# Third-party headers, and the only places that may include them (each costs seconds a file).
FACADES = {
    r"boost/": ("src/net/",),
    r"nlohmann/": ("src/base/",),
    r"simdjson": ("src/base/json.cc", "src/api/mlflow/", "src/dataplane/protocols/"),
    r"yaml\.h": ("src/base/yaml.cc",),
    r"sqlite3": ("src/store/",),
    r"re2/": ("src/base/",),
    r"openssl/": ("src/net/", "src/base/"),
    r"zstd": ("src/base/", "src/store/"),
    r"fmt/": ("src/base/format.h",),
}
# What callers may see is decided in core: protocols read through Objects::read, sight and list, which ask who it is for.
BANNED_IN_API = re.compile(r"\bstore\(\)\.(get|list|watch)\(|\bobjects_?\.get\(")
MAY_READ_ALL = ("src/api/kubernetes/watch.cc",  # by the Sight of its caller
                "src/api/kubernetes/writes.cc")  # after the write was allowed
# Time, chance and threads come through os/.
BANNED_HEADERS = {"thread": "os/executor.h", "mutex": "os/", "random": "os/random.h", "regex": "RE2 or a hand parser",
                  "iostream": "base/log.h or stdio", "condition_variable": "os/"}
MAY_USE_THREADS = ("src/os/", "src/net/", "src/store/", "src/core/", "src/base/log.cc", "src/kinds/registry.cc", "src/dataplane/", "src/node/",
                   "src/modules/", "src/api/", "src/app/")
BANNED_CALLS = {r"std::thread\b": ("src/os/", "src/net/", "src/store/"),
                r"std::chrono::(system|steady|high_resolution)_clock": ("src/os/",),
                r"\b(std::)?time\(\s*(NULL|nullptr|0)\s*\)": ("src/os/",),
                r"\bstd::random_device\b|\brand\(\)": ("src/os/",)}
BANNED_NAMES = re.compile(r"(^|[/_])(util|utils|helper|helpers|manager|common|misc)(\.|_|/|$)", re.I)
LINES_MAX = 800
HEADER_LINES_MAX = 300


def room_of(path):
    parts = path.split("/")
    return parts[1] if len(parts) > 2 else ""


def check_includes(path, text, problems):
    room = room_of(path)
    is_test = path.endswith(("_test.cc", "_bench.cc", "_fuzz.cc"))
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r'#include "([^"]+)"', line):
            target = match[1]
            other = target.split("/")[0]
            where = f"{path}:{number}"
            if other == "embedded" or other not in MAY_INCLUDE:
                continue
            if room == "modules" and other == "modules":
                if target.split("/")[1] != path.split("/")[2]:
                    problems.append(f"{where}: modules never include each other ({target}); meet through objects")
            elif other != room and other not in MAY_INCLUDE.get(room, set()) and not is_test:
                module = "/".join(path.split("/")[1:3])
                if target.startswith("dataplane/config/") and module in SEES_DATAPLANE_CONFIG:
                    continue
                problems.append(f"{where}: {room}/ may not include {target}")
        elif match := re.match(r"#include <([^>]+)>", line):
            header = match[1]
            for pattern, places in FACADES.items():
                if re.match(pattern, header) and not path.startswith(places):
                    problems.append(f"{path}:{number}: <{header}> belongs in {' or '.join(places)}")
            if header in BANNED_HEADERS and not path.startswith(MAY_USE_THREADS) and not is_test:
                problems.append(f"{path}:{number}: <{header}> is not used here; see {BANNED_HEADERS[header]}")


def check_file(path, problems):
    if BANNED_NAMES.search(path.removeprefix("src/")) and path.startswith("src/"):
        problems.append(f"{path}: a file is named after its noun, not util, helper, manager or common")
    text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
    lines = text.count("\n")
    if path.endswith((".cc", ".h", ".ts", ".tsx", ".py")) and lines > LINES_MAX:
        problems.append(f"{path}: {lines} lines; split it ({LINES_MAX} at most)")
    if path.startswith("src/") and path.endswith((".cc", ".h")):
        if path.endswith(".h"):
            if "#pragma once" not in text:
                problems.append(f"{path}: no #pragma once")
            if lines > HEADER_LINES_MAX:
                problems.append(f"{path}: {lines} lines; a header has {HEADER_LINES_MAX} at most")
        check_includes(path, text, problems)
        if path.startswith("src/api/") and path not in MAY_READ_ALL and (match := BANNED_IN_API.search(text)):
            problems.append(f"{path}: {match[0]} does not ask who reads; use Objects::read, or sight and list")
        if not path.endswith(("_test.cc", "_bench.cc")):
            for pattern, places in BANNED_CALLS.items():
                if not path.startswith(places) and (match := re.search(pattern, text)):
                    problems.append(f"{path}: {match[0]} is not used outside {' '.join(places)}")
    if re.search(r"\b(TODO|FIXME|XXX)\b", text) and not path.startswith(("tools/tidy.py", "web/package")):
        problems.append(f"{path}: open work belongs in an issue, not in a TODO")


def main():
    listed = subprocess.check_output(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True)
    problems = []
    for path in listed.splitlines():
        file = ROOT / path
        if file.is_symlink():
            problems.append(f"{path}: no links in the tree; leave it out with git rm --cached")
            continue
        if not file.is_file():
            continue
        if file.stat().st_size > 1 << 20:
            problems.append(f"{path}: larger than 1 MiB")
        elif path.endswith((".cc", ".h", ".py", ".ts", ".tsx", ".sh", ".cmake")):
            check_file(path, problems)
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(f"tidy: {len(problems)} problems")
    print("tidy: clean")


if __name__ == "__main__":
    main()

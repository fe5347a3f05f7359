"""./x conformance: compares modelkit with a real control plane, live."""
import json
import sys
import tempfile
import time
from pathlib import Path

from . import real
from .compare import HERE, differences, known_differences, report
from .groups import all_groups
from .record import record, recorded, write_recorded


def ask(names, url, token, folder):
    """The named groups' records, or all; a group that cannot go on ends with what it has."""
    out = {}
    for name, steps in all_groups().items():
        if not names or name in names:
            started = time.monotonic()
            out[name], problem = record(name, steps, url, token, folder)
            print(f"{name}: {len(out[name])} steps in {time.monotonic() - started:.1f} s{f'; STOPPED: {problem}' if problem else ''}",
                  file=sys.stderr)
    return out


def ask_the_real_one(names, folder):
    plane = real.RealKubernetes(Path(folder) / "plane")
    try:
        return ask(names, plane.url, plane.token, Path(folder) / "real")
    finally:
        plane.stop()


def ask_ours(names, folder):
    from modelkit import Modelkit
    (Path(folder) / "data").mkdir()
    server = Modelkit(Path(folder) / "data")
    try:
        return ask(names, server.url, None, Path(folder) / "ours")
    finally:
        server.stop()


def print_differences(ours, real_answers):
    known, unknown = known_differences(), 0
    for group, records in ours.items():
        found = []
        for difference in differences(real_answers(group), records):
            row = next((k for k in known if k.covers(difference)), None)
            if row:
                row.seen += 1
            else:
                found.append(difference)
        unknown += len(found)
        print(f"== {group}: {len(records)} steps, {len({d.step for d in found})} differ{report(found)}")
    for row in known:
        print(f"known: {row.name}: {row.seen} lines")
    return unknown


def write_open(ours):
    """Makes open.json say which steps differ now."""
    known, out = known_differences(), {}
    for group, records in ours.items():
        steps = {d.step for d in differences(recorded(group), records) if not any(k.covers(d) for k in known)}
        if steps:
            out[group] = sorted(steps)
    (HERE / "open.json").write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n")
    print(f"{sum(map(len, out.values()))} steps of {sum(map(len, ours.values()))} are open")


def main(words):
    verb, names = (words[0] if words else "help"), words[1:]
    if verb == "build":
        return real.build()
    with tempfile.TemporaryDirectory() as folder:
        if verb == "record":
            for group, records in ask_the_real_one(names, folder).items():
                write_recorded(group, records)
            return None
        if verb == "diff":
            return 1 if print_differences(ask_ours(names, folder), recorded) else 0
        if verb == "open":
            return write_open(ask_ours([], folder))
        if verb == "live":
            answers = ask_the_real_one(names, folder)
            return 1 if print_differences(ask_ours(names, folder), answers.get) else 0
    print("usage: ./x conformance build           build the real control plane (Go 1.26, ten minutes)\n"
          "       ./x conformance record [GROUP]  ask it every step and keep its answers in recorded/\n"
          "       ./x conformance diff [GROUP]    compare modelkit with the answers kept\n"
          "       ./x conformance open            list in open.json what differs now\n"
          "       ./x conformance live [GROUP]    compare modelkit with the real one, now")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

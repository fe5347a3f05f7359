"""Differences between two recordings, each as one line: "STEP: where: -real +ours"."""
import difflib
import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
KNOWN_MAX = 10


@dataclass
class Difference:
    step: str
    where: str  # "status", "code", "out", "requests", "body.metadata.labels"
    line: str   # "- what the real one says" or "+ what we say"

    def __str__(self):
        return f"{self.where}: {self.line}"

    @property
    def is_of_status(self):
        return self.where in ("status", "code")


@dataclass
class Known:
    """A difference that docs/kubernetes.md tells about: `steps` and `lines` are patterns."""
    name: str
    reason: str
    steps: str
    lines: str
    never_500: bool = False  # the real one answers 500 and we 400, of these steps; no other status may differ
    seen: int = field(default=0)

    def covers(self, difference):
        if difference.is_of_status and not (self.never_500 and str(difference) in ("status: - 500", "status: + 400")):
            return False
        return bool(re.search(self.steps, difference.step) and re.search(self.lines, str(difference)))


def known_differences():
    rows = tomllib.loads((HERE / "differences.toml").read_text()).get("difference", [])
    return [Known(r["name"], r["reason"], r.get("steps", ""), r["lines"], r.get("never_500", False)) for r in rows]


def open_steps(group):
    """Steps that are known to differ and shall not: what is left to do. `./x conformance open` writes the list."""
    return set(json.loads((HERE / "open.json").read_text()).get(group, ()))


def flat(value, path):
    if isinstance(value, dict) and value:
        for key in value:
            yield from flat(value[key], f"{path}.{key}" if re.fullmatch(r"[\w-]+", key) else f"{path}[{key}]")
    elif isinstance(value, list) and value and any(isinstance(v, (dict, list)) for v in value):
        for number, item in enumerate(value):
            yield from flat(item, f"{path}[{number}]")
    else:
        yield path, json.dumps(value, sort_keys=True)


def of_lists(step, where, real, ours):
    for line in difflib.unified_diff(real, ours, lineterm="", n=0):
        if not line.startswith(("---", "+++", "@@")):
            yield Difference(step, where, f"{line[0]} {line[1:]}")


def of_trees(step, where, real, ours):
    real, ours = dict(flat(real, where)), dict(flat(ours, where))
    for path in [*real, *(p for p in ours if p not in real)]:
        if real.get(path) != ours.get(path):
            if path in real:
                yield Difference(step, path, f"- {real[path]}")
            if path in ours:
                yield Difference(step, path, f"+ {ours[path]}")


def differences(real, ours):
    """Of two groups' records."""
    for step in [*real, *(s for s in ours if s not in real)]:
        if step not in ours or step not in real:
            yield Difference(step, "step", f"{'-' if step in real else '+'} only one of the two ran it; record again")
            continue
        a, b = real[step], ours[step]
        for key in [*a, *(k for k in b if k not in a)]:
            x, y = a.get(key, []), b.get(key, [])
            if x == y:
                continue
            if key in ("out", "err", "requests", "warnings") or all(isinstance(v, list) and v and isinstance(v[0], str) for v in (x, y)):
                yield from of_lists(step, key, x, y)
            else:
                yield from of_trees(step, key, x, y)


def report(found):
    out, step = [], None
    for difference in found:
        if difference.step != step:
            step = difference.step
            out.append(f"\n{step}")
        out.append(f"    {str(difference)[:300]}")
    return "\n".join(out)

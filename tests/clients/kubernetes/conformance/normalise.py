"""What differs from run to run of one and the same server, taken out of its answers."""
import re

UID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
LONG_TIME = re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}")
TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")
CLUSTER_IP = re.compile(r"\b10\.\d+\.\d+\.\d+\b")
LOOPBACK = re.compile(r"(https?://)?127\.0\.0\.1:\d+")
AGE = re.compile(r"(?<![\w.-])(\d+m)?\d+(\.\d+)?m?s( ago)?(?=\s|$|\)|,)|<unknown>|<invalid>")
RANDOM_NAME = re.compile(r"\b(gen-)[a-z0-9]{5}\b")
HASH = re.compile(r"(?<=[-=\" ])[0-9bcdf]?[0-9a-z]{7,10}(-[0-9a-z]{5})?(?=\b)")
KLOG = re.compile(r"^([IWEF])\d{4} [\d:.]+ +\d+ (\w+\.go:\d+\])")
PATCHED = re.compile(r'((?:patch: |^)Invalid value: )\\?"\{(\\.|[^"\\])*"')  # the whole object, in Go's own spelling
VERSION_FIELD = re.compile(r"(resourceVersion:? ?\"?:? ?\"?)\d+")
DESCRIBED_VERSION = re.compile(r"(Resource Version: +)\d+")
VERSION_WORDS = re.compile(r"(resource version: |current: |\(|resourceVersion=)\d{1,9}\b")
SET_NAME = re.compile(r'(ReplicaSet \\?"[\w.-]+-)[0-9a-z]{8,10}(?=\\?" )')  # in a Deployment's conditions
TEMPLATE_HASH = re.compile(r"(pod-template-hash[=:] ?)[0-9a-z]+")

STATE_KEYS = {"uid": "UID", "resourceVersion": "RV", "continue": "CONTINUE", "pod-template-hash": "HASH"}


def text(value, words=()):
    """`words`: further (pattern, replacement) of the step's own."""
    for pattern, instead in ((KLOG, r"\1 \2"), (PATCHED, r"\1OBJECT"), (UID, "UID"), (TIME, "TIME"), (LONG_TIME, "TIME"), (TOKEN, "TOKEN"), (LOOPBACK, "SERVER"),
                             (CLUSTER_IP, "IP"), (RANDOM_NAME, r"\1RANDOM"), (TEMPLATE_HASH, r"\1HASH"), (SET_NAME, r"\1HASH"),
                             (VERSION_FIELD, r"\1RV"), (DESCRIBED_VERSION, r"\1RV"), *words):
        value = re.sub(pattern, instead, value)
    return value


def lines(output, words=()):
    """kubectl's output: ages, and the widths of columns that depend on them, are gone too."""
    out = []
    for line in text(output, words).splitlines():
        line = AGE.sub("AGE", line)
        indent = len(line) - len(line.lstrip(" "))
        out.append(" " * indent + re.sub(r"( {2,}|\t)+", "  ", line.strip()))
    return out


def tree(value, key="", words=()):
    """A JSON value."""
    if isinstance(value, dict):
        return {k: tree(v, k, words) for k, v in value.items()}
    if isinstance(value, list):
        return [tree(v, key, words) for v in value]
    if isinstance(value, str):
        if key in STATE_KEYS and value not in ("", "0"):
            return STATE_KEYS[key]
        return text(value, words)
    return value

"""Writes src/api/kubernetes/field_table.cc: which fields the built-in Kubernetes messages have, with their protobuf
numbers and patch strategies. These are facts that the Go modules state as struct tags; only the facts are taken.

  python3 tools/kubernetes_fields.py $(go list -m -f '{{.Dir}}' k8s.io/api k8s.io/apimachinery) > src/api/kubernetes/field_table.cc
"""
import re
import sys
from pathlib import Path

API, MACHINERY = Path(sys.argv[1]), Path(sys.argv[2])
PACKAGES = {  # our short name -> where its types are
    "core": API / "core/v1", "apps": API / "apps/v1", "batch": API / "batch/v1", "meta": MACHINERY / "pkg/apis/meta/v1",
    "authorization": API / "authorization/v1", "authentication": API / "authentication/v1",
    "coordination": API / "coordination/v1", "autoscaling": API / "autoscaling/v1", "policy": API / "policy/v1",
    "rbac": API / "rbac/v1", "networking": API / "networking/v1", "scheduling": API / "scheduling/v1",
    "discovery": API / "discovery/v1", "storage": API / "storage/v1", "node": API / "node/v1",
    "autoscaling2": API / "autoscaling/v2", "events": API / "events/v1",
}
IMPORTS = {"metav1": "meta", "v1": "core", "corev1": "core", "apiv1": "core"}
ROOTS = """core.Namespace core.ConfigMap core.Secret core.Pod core.Service core.ServiceAccount core.Event core.Node
core.ResourceQuota apps.Deployment apps.ReplicaSet batch.Job batch.CronJob coordination.Lease autoscaling.Scale
authorization.SelfSubjectAccessReview authorization.SelfSubjectRulesReview authorization.SubjectAccessReview
authorization.LocalSubjectAccessReview authentication.SelfSubjectReview authentication.TokenRequest authentication.TokenReview
meta.DeleteOptions policy.PodDisruptionBudget rbac.Role rbac.RoleBinding rbac.ClusterRole rbac.ClusterRoleBinding
networking.Ingress networking.NetworkPolicy scheduling.PriorityClass apps.StatefulSet apps.DaemonSet
apps.ControllerRevision core.PersistentVolume core.PersistentVolumeClaim core.LimitRange discovery.EndpointSlice
storage.StorageClass node.RuntimeClass core.Binding core.Endpoints core.ReplicationController events.Event
autoscaling.HorizontalPodAutoscaler autoscaling2.HorizontalPodAutoscaler""".split()
# Messages whose JSON is not an object of their fields; protobuf.cc decodes them by name.
SPECIAL = {"meta.Time", "meta.MicroTime", "meta.FieldsV1", "meta.Duration"}
FOREIGN = {"resource.Quantity": "Quantity", "intstr.IntOrString": "IntOrString", "runtime.RawExtension": "RawExtension"}
WORDS_MAX = 96  # characters of a line of the table

structs, aliases = {}, {}


def read_package(name, folder):
    for file in sorted(folder.glob("*types*.go")) + sorted(folder.glob("*time*.go")) + sorted(folder.glob("duration.go")):
        text = re.sub(r"//.*", "", file.read_text())
        for match in re.finditer(r"^type (\w+) struct \{\n(.*?)^\}", text, re.M | re.S):
            structs[f"{name}.{match[1]}"] = match[2]
        for match in re.finditer(r"^\s*(?:type )?(\w+) (string|bool|int32|int64|\[\]\w+|map\[\w+\][\w.]+)$", text, re.M):
            aliases[f"{name}.{match[1]}"] = match[2]


def qualified(package, go_type):
    if go_type in FOREIGN:
        return FOREIGN[go_type]
    if "." in go_type:
        where, word = go_type.split(".")
        return f"{IMPORTS.get(where, where)}.{word}"
    return f"{package}.{go_type}"


def type_code(package, go_type, wanted):
    """s string, b boolean, i integer, d double, y bytes, or a message's name; [x repeated, {x map of string to x,
    *x where absent and empty differ."""
    if go_type.startswith("*"):
        return "*" + type_code(package, go_type[1:], wanted)
    if go_type == "[]byte":
        return "y"
    if go_type.startswith("[]"):
        return "[" + type_code(package, go_type[2:], wanted)
    if match := re.match(r"map\[[\w.]+\](.+)", go_type):
        return "{" + type_code(package, match[1], wanted)
    simple = {"string": "s", "bool": "b", "int32": "i", "int64": "i", "int": "i", "uint32": "i", "float64": "d"}
    if go_type in simple:
        return simple[go_type]
    name = qualified(package, go_type)
    if name in FOREIGN.values() or name in SPECIAL:
        return name
    if name in structs:
        wanted.append(name)
        return name
    if name in aliases:
        if aliases[name].startswith("[]"):  # a named list is a message of its own on the wire
            return "List"
        return type_code(name.split(".")[0], aliases[name], wanted)
    if "." not in go_type or name.split(".")[0] == "types":
        return "s"
    sys.exit(f"unknown type {go_type} in {package}")


def fields(message, wanted):
    package = message.split(".")[0]
    for line in structs[message].splitlines():
        match = re.match(r"\s*(?:(\w+)\s+)?([\w.\[\]*]+)\s+`(.*)`", line)
        if not match:
            continue
        go_type, tags = match[2], dict(re.findall(r'(\w+):"([^"]*)"', match[3]))
        if "protobuf" not in tags:
            continue
        number = tags["protobuf"].split(",")[1]
        json_name = tags.get("json", "").split(",")[0]
        code = type_code(package, go_type, wanted)
        if not json_name:
            json_name = "^"  # the message's fields stand directly in its parent
        strategy = tags.get("patchStrategy", "").split(",")
        suffix = (("~" + tags.get("patchMergeKey", "")) if "merge" in strategy else "") + (
            "=" if "retainKeys" in strategy else "")
        yield f"{number} {json_name} {code}{suffix}"


def main():
    for name, folder in PACKAGES.items():
        read_package(name, folder)
    waiting, seen, out = list(ROOTS), {}, []
    while waiting:
        message = waiting.pop(0)
        if message not in seen:
            seen[message] = list(fields(message, waiting))
    print("// Written by tools/kubernetes_fields.py from the struct tags of the Go modules k8s.io/api and")
    print("// k8s.io/apimachinery v0.36.3: message, then \"number name type\" of each field. fields.h explains the types.")
    print('#include "api/kubernetes/fields.h"\n\nnamespace mk::api::kubernetes {\n')
    print("// clang-format off\nconst char* const kFieldTable =")
    for message in sorted(seen):
        line = f'    "{message}:'
        for field in seen[message]:
            if len(line) + len(field) > WORDS_MAX + 8:
                out.append(line + '"')
                line = '    "'
            line += field + ";"
        out.append(line + '\\n"')
    print("\n".join(out) + ";\n// clang-format on\n\n}  // namespace mk::api::kubernetes")


main()

"""apply by the client and by the server, diff, dry runs."""
from ..shapes import config_map, deployment


def editor(s, name, expression):
    path = s.folder / name
    path.write_text(f"#!/bin/sh\nsed -i '{expression}' \"$1\"\n")
    path.chmod(0o755)
    return {"KUBE_EDITOR": str(path)}


FILES = [(r"/tmp/(LIVE|MERGED)-\d+/", r"\1/"), (r"(?m)^(---|\+\+\+) .*", r"\1 FILE"), (r"(?m)^diff -u .*", "diff"),
         (r"(generation: )\d+", r"\1N"), (r"(?m)^@@.*", "@@")]


def steps(s):
    s.k("apply -f -", config_map("a", x="1"))
    s.k("apply -f -", config_map("a", x="1"), also="unchanged")
    s.k("apply -f - --dry-run=server", config_map("a", x="2"))
    s.k("apply -f - --dry-run=client", config_map("a", x="2"))
    s.k("diff -f -", config_map("a", x="2"), words=FILES)
    s.k("diff -f -", config_map("a", x="1"), also="same", words=FILES)
    s.k("diff -f -", config_map("new", x="1"), also="new", words=FILES)
    s.k("apply -f - -o yaml", config_map("a", x="2"))
    s.k("apply -f -", config_map("b", x="1"), config_map("c", x="1"), also="two")
    s.k("apply view-last-applied configmap a")
    s.k("apply set-last-applied -f - --create-annotation", config_map("a", x="2"))
    s.k("apply -f -", deployment("web", 0), also="deployment")
    s.k("apply -f -", deployment("web", 0, "nginx:2"), also="deployment changed")
    s.k("apply -f -", deployment("web", 0, "nginx:2"), also="deployment unchanged")
    s.k("get deployment web -o jsonpath='{.spec.template.spec.containers}'")
    s.k("apply -f -", {**config_map("a"), "metadata": {"name": "a", "namespace": "elsewhere"}}, also="elsewhere")
    s.k("apply -f - -n applying-none", config_map("a"), also="no namespace")
    s.k("apply -f -", {"apiVersion": "v9", "kind": "ConfigMap", "metadata": {"name": "x"}}, also="no version")
    s.k("apply -f -", {**config_map("a"), "colour": "red"}, also="unknown field")
    s.k("apply -f - --validate=warn", {**config_map("a"), "colour": "red"}, also="unknown field")
    s.k("apply -f - --validate=false", {**config_map("a"), "colour": "red"}, also="unknown field")
    s.k("apply -f - --prune -l prune=yes", {**config_map("p"), "metadata": {"name": "p", "labels": {"prune": "yes"}}}, requests=False)
    s.k("edit configmap a", env=editor(s, "to-9", "s/x: \"2\"/x: \"9\"/"))
    s.k("edit configmap a", env=editor(s, "to-same", "s/none/none/"), also="unchanged")
    s.k("edit configmap a -o yaml", env=editor(s, "to-7", "s/x: \"9\"/x: \"7\"/"))
    s.k("apply edit-last-applied configmap a", env=editor(s, "to-8", "s/x: \"2\"/x: \"8\"/"))
    by_server(s)


def by_server(s):
    ssa = "apply --server-side -f -"
    s.k(ssa, config_map("s", x="1", y="1"))
    s.k(ssa, config_map("s", x="1", y="1"), also="unchanged")
    s.k(f"{ssa} --field-manager=other", config_map("s", x="2"))
    s.k(f"{ssa} --field-manager=other --force-conflicts", config_map("s", x="2"))
    s.k(f"{ssa} --dry-run=server", config_map("s", y="3"))
    s.k("get configmap s -o yaml --show-managed-fields")
    s.k(ssa, config_map("s"), also="nothing left")
    s.k("get configmap s -o jsonpath='{.data}'")
    s.k(ssa, config_map("b", x="2"), also="made by the client before")
    s.k(ssa, deployment("apart", 0), also="deployment")
    s.k("scale deployment apart --replicas=0")
    s.k("get deployment apart -o yaml --show-managed-fields", words=[(r"(generation: )\d+", r"\1N"), (r"(observedGeneration: )\d+", r"\1N")])
    s.k("diff --server-side -f -", config_map("s", x="5"), words=FILES)
    at, kind = f"{s.core}/configmaps/t", "application/apply-patch+yaml"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "t"}, "data": {"x": "1"}}
    s.call("PATCH", at, body, kind)
    s.call("PATCH", f"{at}?fieldManager=m1", body, kind, also="made")
    s.call("PATCH", f"{at}?fieldManager=m2", {**body, "data": {"x": "2"}}, kind, also="conflict")
    s.call("PATCH", f"{at}?fieldManager=m2&force=true", {**body, "data": {"x": "2"}}, kind, also="forced")
    s.call("PATCH", f"{at}?fieldManager=m2&force=maybe", {**body, "data": {"x": "2"}}, kind)
    s.call("PATCH", f"{at}?fieldManager=m1", {**body, "metadata": {"name": "u"}}, kind, also="another name")
    s.call("PATCH", f"{at}?fieldManager=m1", {**body, "metadata": {"name": "t", "managedFields": [{}]}}, kind, also="with managedFields")
    s.call("PATCH", f"{at}?fieldManager=m1", {**body, "colour": "red"}, kind, also="unknown field")
    s.call("PATCH", f"{at}?fieldManager=m1", "{ not yaml", kind)
    s.call("PATCH", f"{at}?force=true", {"op": "x"}, "application/merge-patch+json", also="force without apply")

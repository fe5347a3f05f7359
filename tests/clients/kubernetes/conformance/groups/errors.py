"""What a server refuses, and in which words."""
import copy

from ..shapes import config_map, deployment, pod


def changed(value, path, to):
    """A copy of `value` with the field at `path` ("spec.containers.0.name") set, or removed for None."""
    out = copy.deepcopy(value)
    *way, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    at = out
    for part in way:
        at = at[part]
    if to is None:
        del at[last]
    else:
        at[last] = to
    return out


def steps(s):
    at = f"{s.core}/configmaps"
    good = config_map("a", x="1")
    s.api("POST", at, good)
    s.call("POST", at, good, also="exists")
    s.call("POST", at, "", also="empty")
    s.call("POST", at, "{", also="no JSON")
    s.call("POST", at, "[]", also="a list")
    s.call("POST", at, "{}", also="nothing")
    s.call("POST", at, good, "text/plain")
    s.call("POST", at, "kind: ConfigMap\napiVersion: v1\nmetadata: {name: by-yaml}\n", "application/yaml")
    s.call("POST", at, changed(good, "kind", "Secret"))
    s.call("POST", at, changed(good, "apiVersion", "v2"))
    s.call("POST", at, changed(good, "metadata", {"name": "a", "namespace": "other"}))
    s.call("POST", at, changed(good, "metadata", {"name": "UPPER"}))
    s.call("POST", at, changed(good, "metadata", {"generateName": "gen-"}), also="generateName")
    s.call("POST", at, changed(good, "metadata", {"name": "n", "labels": {"a b": "1"}}))
    s.call("POST", at, changed(good, "metadata", {"name": "n", "labels": {"a": 1}}))
    s.call("POST", at, changed(good, "metadata", {"name": "n", "finalizers": ["short"]}))
    s.call("POST", at, changed(good, "metadata", {"name": "n", "uid": "x", "resourceVersion": "5"}))
    s.call("POST", at, changed(good, "metadata", {"name": "n", "ownerReferences": [{"kind": "Pod"}]}))
    s.call("POST", at, changed(good, "metadata", {"name": "n", "annotations": {"big": "x" * 262145}}), also="long annotation")
    s.call("POST", at, changed(good, "data", {"not a key": "1"}))
    s.call("POST", at, changed(good, "data", "text"))
    s.call("POST", "/api/v1/namespaces/errors-none/configmaps", good)
    s.call("POST", "/api/v1/configmaps", good)
    s.call("PUT", at, good)
    s.call("POST", f"{at}/a", good)
    s.call("GET", f"{s.core}/configmaps/a/none")
    unknown = {**config_map("u"), "colour": "red"}
    for mode in ("Strict", "Warn", "Ignore", "Sometimes"):
        s.call("POST", f"{at}?fieldValidation={mode}&dryRun=All", unknown)
    s.call("POST", f"{at}?fieldValidation=Strict", '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"twice"},"data":{"a":"1","a":"2"}}')
    s.call("POST", f"{at}?fieldValidation=Strict", {**deployment("d"), "spec": {**deployment("d")["spec"], "repliccas": 1}})
    s.call("POST", f"{at}?dryRun=Half", good)
    s.call("POST", f"{at}?fieldManager={'m' * 129}", good)
    s.call("GET", f"{at}/a?pretty=maybe", pick=lambda a: a["kind"])
    of_workloads(s)
    of_other_kinds(s)


def of_workloads(s):
    at, good = f"{s.apps}/deployments", deployment("d")
    for path, to in (("spec", {}), ("spec.replicas", -1), ("spec.replicas", "two"), ("spec.replicas", 1.5), ("spec.selector", None),
                     ("spec.selector.matchLabels", {"app": "other"}), ("spec.selector", {}), ("spec.template.spec.containers", []),
                     ("spec.template.spec.containers.0.image", None), ("spec.template.spec.containers.0.name", "Not_Good"),
                     ("spec.template.spec.containers.0.ports.0.containerPort", 70000),
                     ("spec.template.spec.restartPolicy", "Never"), ("spec.strategy", {"type": "Sideways"}),
                     ("spec.strategy", {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}), ("spec.minReadySeconds", -5),
                     ("spec.template.spec.containers.0.resources", {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
                     ("spec.template.spec.containers.0.resources", {"requests": {"cpu": "lots"}}),
                     ("spec.template.spec.volumes", [{"name": "v", "configMap": {"name": "a"}, "emptyDir": {}}]),
                     ("spec.template.spec.containers.0.volumeMounts", [{"name": "none", "mountPath": "/x"}]),
                     ("spec.template.spec.containers.0.env", [{"name": "", "value": "1"}]),
                     ("spec.template.spec.containers.0.livenessProbe", {}),
                     ("spec.template.spec.containers.0.imagePullPolicy", "Sometimes")):
        s.call("POST", at, changed(good, path, to), also=f"{path} = {to}")
    at, good = f"{s.core}/pods", pod("p")
    for path, to in (("spec.containers", []), ("spec.restartPolicy", "Maybe"), ("spec.containers.0.name", None),
                     ("spec.terminationGracePeriodSeconds", -1), ("spec.nodeSelector", {"a b": "1"}), ("spec.dnsPolicy", "None"),
                     ("spec.activeDeadlineSeconds", 0)):
        s.call("POST", at, changed(good, path, to), also=f"pod {path} = {to}")
    s.api("POST", at, good)
    s.call("PATCH", f"{at}/p", {"spec": {"containers": [{"name": "web", "image": "nginx:2"}]}}, "application/strategic-merge-patch+json",
           pick=lambda a: a["spec"]["containers"][0]["image"])
    s.call("PATCH", f"{at}/p", {"spec": {"restartPolicy": "Never"}}, "application/merge-patch+json",
           words=[(r"(?s)(may not change fields other than).*", r"\1 ...")])
    s.call("GET", f"{at}/p/log")
    s.call("GET", f"{at}/none/log")
    s.k("logs p")
    s.k("logs none")
    s.k("exec p -- true")
    s.k("port-forward p 0:80")


def of_other_kinds(s):
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    at = f"{s.core}/services"
    for path, to in (("spec.ports", []), ("spec.ports.0.port", 0), ("spec.type", "Sideways"), ("metadata.name", "1-digit"),
                     ("spec.ports", [{"port": 80}, {"port": 81}]), ("spec.sessionAffinity", "Always"), ("spec.clusterIP", "not-an-address")):
        s.call("POST", at, changed(service, path, to), also=f"service {path} = {to}")
    s.call("POST", f"{s.core}/secrets", {"metadata": {"name": "x"}, "data": {"a": "not base64!"}}, words=[(r"input byte \d+", "input byte N")])
    s.call("POST", f"{s.core}/secrets", {"metadata": {"name": "x"}, "type": "kubernetes.io/tls"})
    s.call("POST", f"{s.core}/secrets", {"metadata": {"name": "fixed"}, "type": "Opaque", "stringData": {"a": "1"}})
    s.call("PATCH", f"{s.core}/secrets/fixed", {"type": "Other"}, "application/merge-patch+json")
    s.call("POST", "/api/v1/namespaces", {"metadata": {"name": "errors", "labels": {"a": "1"}}})
    s.call("POST", "/api/v1/namespaces", {"metadata": {"name": "a.b"}})
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{s.group}/leases"
    s.call("POST", lease, {"metadata": {"name": "l"}, "spec": {"leaseDurationSeconds": 0}})
    s.call("POST", lease, {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15,
                                                               "acquireTime": "2026-01-01T00:00:00.000000Z"}})
    s.call("POST", lease, {"metadata": {"name": "m"}, "spec": {"renewTime": "yesterday"}})

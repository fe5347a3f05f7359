"""What a client asks before it asks anything."""

KINDS = ("bindings", "configmaps", "endpoints", "events", "namespaces", "nodes", "pods", "secrets", "serviceaccounts", "services",
         "persistentvolumeclaims", "resourcequotas", "limitranges", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs",
         "cronjobs", "leases", "ingresses", "networkpolicies", "poddisruptionbudgets", "priorityclasses", "roles", "rolebindings", "clusterroles",
         "clusterrolebindings", "customresourcedefinitions", "horizontalpodautoscalers", "selfsubjectaccessreviews",
         "selfsubjectreviews", "subjectaccessreviews", "tokenreviews")
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def of_our_kinds(line):
    return line.split() and line.split()[0].split(".")[0] in ("NAME", *KINDS)


def resources(names):
    """The entries of an APIResourceList, less a hash that only caches read."""
    return lambda answer: [{k: v for k, v in r.items() if k != "storageVersionHash"}
                           for r in answer["resources"] if r["name"].split("/")[0] in names]


def aggregated(group, version, names):
    def pick(answer):
        item = next(i for i in answer["items"] if i["metadata"].get("name", "") == group)
        versions = next(v for v in item["versions"] if v["version"] == version)
        return {"kind": answer["kind"], "apiVersion": answer["apiVersion"], "freshness": versions["freshness"],
                "resources": [r for r in versions["resources"] if r["resource"] in names]}
    return pick


def steps(s):
    s.k("version -o json", keep=lambda line: "minor" in line or "major" in line or "platform" in line)
    s.k("api-resources --no-headers", keep=of_our_kinds, sort=True)
    s.k("api-resources --namespaced=false -o name", keep=of_our_kinds, sort=True)
    s.k("api-resources --api-group=apps -o wide", keep=of_our_kinds, sort=True)
    s.k("api-resources --verbs=list,get --categories=all -o name", keep=of_our_kinds, sort=True)
    s.k("api-versions", keep=lambda line: line in ("v1", "apps/v1", "batch/v1", "rbac.authorization.k8s.io/v1", "coordination.k8s.io/v1",
                                                   "authorization.k8s.io/v1", "authentication.k8s.io/v1", "apiextensions.k8s.io/v1",
                                                   "autoscaling/v1", "autoscaling/v2", "events.k8s.io/v1", "networking.k8s.io/v1",
                                                   "policy/v1", "scheduling.k8s.io/v1"))
    s.k("explain configmaps")
    s.k("explain deployments.spec.replicas")
    s.k("explain pods.spec.nothing")
    s.k("explain unicorns")
    for path in ("/healthz", "/livez", "/readyz", "/readyz?verbose=false", "/healthz/ping", "/api", "/apis/apps", "/apis/none.example/v1",
                 "/apis/apps/v9", "/api/v9", "/nothing", "/api/v1/unicorns", "/api/v1/namespaces/discovery/unicorns/one"):
        s.call("GET", path, pick=lambda a: {**a, "serverAddressByClientCIDRs": []} if isinstance(a, dict) else a)
    s.call("GET", "/version", pick=lambda a: {"major": a["major"], "minor": a["minor"], "keys": sorted(set(a) - {
        "emulationMajor", "emulationMinor", "minCompatibilityMajor", "minCompatibilityMinor"})})
    core = ("configmaps", "secrets", "events", "namespaces", "nodes", "serviceaccounts", "services", "pods")
    s.call("GET", "/api/v1", pick=resources(("configmaps", "secrets", "events", "namespaces", "nodes", "services")))
    s.call("GET", "/apis/apps/v1", pick=resources(("deployments", "replicasets")))
    s.call("GET", "/apis/coordination.k8s.io/v1", pick=resources(("leases",)))
    s.call("GET", "/apis", pick=lambda a: {**a, "groups": [g for g in a["groups"] if g["name"] in ("apps",)]})
    s.call("GET", "/api", accept=AGGREGATED, pick=aggregated("", "v1", core[:4]))
    s.call("GET", "/apis", accept=AGGREGATED, pick=aggregated("apps", "v1", ("deployments", "replicasets")))
    s.call("GET", "/openapi/v3", pick=lambda a: {g: sorted(v) for g, v in a["paths"].items() if g in ("api/v1", "apis/apps/v1")},
           words=[(r"hash=[0-9A-F]+", "hash=*")])
    s.call("GET", f"{s.core}/configmaps", accept="text/html")
    s.call("GET", f"{s.core}/configmaps", accept="application/yaml", pick=lambda a: b"a list" if b"kind: ConfigMapList" in a else a)
    _, _, headers = s.api("GET", "/apis", accept=AGGREGATED)
    s.call("GET", "/apis", accept=AGGREGATED, headers=[("If-None-Match", headers["ETag"])], also="the same ETag")

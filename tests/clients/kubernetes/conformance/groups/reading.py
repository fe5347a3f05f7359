"""get in every form, describe, lists by selector and in pages."""
from ..shapes import config_map, deployment, pod

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
HASHES = [(r"\bweb-[0-9a-z]{7,10}\b(-[0-9a-z]{5})?", "web-HASH"), (r"pod-template-hash=[0-9a-z]+", "pod-template-hash=HASH")]


def steps(s):
    s.api("POST", f"{s.core}/configmaps", {**config_map("a", x="1"), "metadata": {"name": "a", "labels": {"tier": "front", "step": "1"}}})
    s.api("POST", f"{s.core}/configmaps", {**config_map("b", x="1", y="2"), "metadata": {"name": "b", "labels": {"tier": "back", "step": "2"}}})
    s.api("POST", f"{s.core}/configmaps", {**config_map("c"), "metadata": {"name": "c", "labels": {"step": "3"}}})
    s.api("POST", f"{s.core}/pods", pod("solo", app="solo"))
    s.api("POST", f"{s.apps}/deployments", deployment("web", 1))
    s.until(f"{s.apps}/deployments/web", lambda code, o: o.get("status", {}).get("unavailableReplicas") == 1
            and len(o["status"].get("conditions", ())) == 2)
    s.api("POST", f"{s.core}/services", {"metadata": {"name": "front"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})
    s.api("POST", f"{s.core}/secrets", {"metadata": {"name": "hidden"}, "stringData": {"user": "ann"}})
    # Labels are counted in 'configmaps' only where the label is asked for: others may put theirs into every namespace.
    for output in ("-o wide", "-o name", "-o yaml", "-o jsonpath='{.items[*].metadata.name}'", "--show-labels", "-L tier,step --no-headers",
                   "-o custom-columns=N:.metadata.name,T:.metadata.labels.tier", "--sort-by=.metadata.labels.step --show-kind",
                   "-o go-template='{{range .items}}{{.metadata.name}} {{end}}'"):
        s.k(f"get configmaps -l step {output}")
    for selector in ("tier=front", "tier!=front,step", "'tier in (front,back)'", "'tier notin (front),step'", "'!tier,step'", "'a b c'", "'tier in ()'"):
        s.k(f"get configmaps -o name -l {selector}")
    for fields in ("metadata.name=a", "metadata.name!=a,metadata.namespace=reading", "data.x=1", "metadata.name"):
        s.k(f"get configmaps -l step -o name --field-selector {fields}")
    for fields in ("status.phase=Pending", "status.phase!=Pending", "spec.nodeName=none", "spec.schedulerName=nobody", "spec.restartPolicy=Never",
                   "status.podIP=1.2.3.4", "spec.serviceAccountName=x", "spec.hostNetwork=true", "status.nominatedNodeName=", "spec.none=1"):
        s.k(f"get pods -o name --field-selector {fields}", words=HASHES)
    s.k("get secrets -o name --field-selector type=Opaque")
    s.k("get namespaces -o name --field-selector metadata.name=reading,status.phase=Active")
    s.k("get events -o name --field-selector involvedObject.name=none,reason=x,type=Normal,source=y,reportingComponent=z")
    s.k("get nodes -o name --field-selector spec.unschedulable=true")
    s.k("get replicasets -o name --field-selector status.replicas=9")
    s.k("get configmaps -A -l step")
    s.k("get configmap/a secret/hidden")
    s.k("get configmap a none b")
    s.k("get configmap none --ignore-not-found")
    s.k("get configmaps -n reading-none")
    s.k("get deployments")
    s.k("get deployments -o wide")
    s.k("get replicasets -o wide", words=HASHES)
    s.k("get pods solo")
    s.k("get pods solo -o wide")
    s.k("get pods -l app=web", words=HASHES)
    s.k("get pod solo -o yaml")
    s.k("get deployment web -o yaml", words=HASHES)
    s.k("get deployment web --subresource=status -o jsonpath='{.status.replicas}'")
    s.k("get deployment web --subresource=scale -o yaml")
    s.k("get services")
    s.k("get secrets hidden")
    s.k("get namespace reading")
    s.k("get all -l step=9")
    s.k("get configmaps -l step --chunk-size=1 -o name")
    s.k("get --raw /api/v1/namespaces/reading/configmaps/none")
    for thing in ("configmap b", "secret hidden", "pod solo", "deployment web", "service front", "namespace reading", "configmaps -l tier=front",
                  "configmap none"):
        s.k(f"describe {thing}", words=HASHES + [(r"(?m)^.*EndpointSlice.*$", "")], keep=lambda line: "ScalingReplicaSet" not in line)
    for kind in ("configmaps", "secrets", "serviceaccounts", "services", "namespaces", "pods", "nodes", "events"):
        s.call("GET", f"/api/v1/{kind}?fieldSelector=metadata.name%3Dnone", accept=TABLE)
    for kind in ("apps/v1/deployments", "apps/v1/replicasets", "coordination.k8s.io/v1/leases"):
        s.call("GET", f"/apis/{kind}?fieldSelector=metadata.name%3Dnone", accept=TABLE)
    s.call("GET", f"{s.core}/configmaps/b", accept=TABLE, words=[(r"^\d+s$", "AGE")])
    s.call("GET", f"{s.core}/configmaps/b?includeObject=None", accept=TABLE, words=[(r"^\d+s$", "AGE")])
    s.call("GET", f"{s.core}/configmaps/b?includeObject=Object", accept=TABLE, words=[(r"^\d+s$", "AGE")])
    s.call("GET", f"{s.core}/configmaps/b?includeObject=Half", accept=TABLE)
    s.call("GET", f"{s.core}/configmaps/b", accept=PARTIAL)
    s.call("GET", f"{s.core}/configmaps?labelSelector=tier%3Dfront", accept=PARTIAL_LIST)
    s.call("GET", f"{s.core}/configmaps?labelSelector=tier%3Dfront")
    s.call("GET", f"{s.core}/pods/solo/status", pick=lambda a: a["status"])
    s.call("GET", f"{s.core}/configmaps/a/status")
    pages(s)


def names_of_page(answer):
    return {"names": [o["metadata"]["name"] for o in answer["items"]], "metadata": answer["metadata"], "kind": answer["kind"]}


def pages(s):
    at = f"{s.core}/configmaps?labelSelector=step&limit=2"
    first = s.call("GET", f"{s.core}/configmaps?labelSelector=step&limit=2", pick=names_of_page)
    s.call("GET", f"{at}&continue={first['metadata']['continue']}", pick=names_of_page, words=[(r"continue=[^& ]+", "continue=*")])
    s.call("GET", f"{at}&continue=nonsense")
    s.call("GET", f"{at}&continue={first['metadata']['continue']}&resourceVersion=5", words=[(r"continue=[^& ]+", "continue=*")])
    s.call("GET", f"{s.core}/configmaps?limit=-1")
    s.call("GET", f"{s.core}/configmaps?limit=x")
    s.call("GET", f"{s.core}/configmaps?labelSelector=a+b+c")
    s.call("GET", f"{s.core}/configmaps?fieldSelector=data.x%3D1")
    s.call("GET", f"{s.core}/configmaps?fieldSelector=%3D%3D%3D")
    s.call("GET", f"{s.core}/configmaps?resourceVersion=x")
    s.call("GET", f"{s.core}/configmaps?resourceVersion=99999999999", words=[(r"current: \d+", "current: RV")])
    s.call("GET", f"{s.core}/configmaps?resourceVersion=0&labelSelector=step", pick=names_of_page)
    s.call("GET", f"{s.core}/configmaps?resourceVersionMatch=Exact")
    s.call("GET", f"{s.core}/configmaps?resourceVersionMatch=Exact&resourceVersion=0")
    s.call("GET", f"{s.core}/configmaps?resourceVersionMatch=Sometimes&resourceVersion=1")
    s.call("GET", f"{s.core}/configmaps?sendInitialEvents=true")
    s.call("GET", f"{s.core}/configmaps/a?resourceVersion=0", pick=lambda a: a["data"])
    s.call("GET", "/api/v1/namespaces/reading-none/configmaps", pick=names_of_page)

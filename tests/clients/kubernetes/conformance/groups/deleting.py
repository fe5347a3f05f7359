"""delete with every policy, preconditions, finalizers, collections, namespaces that end."""
from ..shapes import config_map, deployment, pod


def held(name):
    made = config_map(name)
    made["metadata"]["finalizers"] = ["example.com/hold"]
    return made


def owned(name, owner, blocks=False):
    made = config_map(name)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    made["metadata"]["ownerReferences"] = [{**reference, "blockOwnerDeletion": True} if blocks else reference]
    return made


def steps(s):
    at = f"{s.core}/configmaps"
    make = lambda o: s.api("POST", at, o)[1]  # noqa: E731
    for name in "abcdefgh":
        make({**config_map(name), "metadata": {"name": name, "labels": {"set": "1" if name < "e" else "2"}}})
    s.k("delete configmap a")
    s.k("delete configmap a", also="again")
    s.k("delete configmap a --ignore-not-found")
    s.k("delete configmap b --dry-run=server")
    s.k("delete configmap b --now", requests=False)
    s.k("delete configmaps -l set=1", requests=False)
    s.k("delete configmaps -l set=9")
    s.k("delete configmap/e secret/none", requests=False)
    s.k("delete configmap f --wait=false -o name")
    s.k("delete configmap g --grace-period=0 --force", requests=False)
    s.k("delete -f -", config_map("h"), requests=False)
    s.k("delete configmap")
    with_policies(s, at, make)
    with_conditions(s, at, make)
    collections(s, at, make)
    pods(s)
    namespaces(s)


def with_policies(s, at, make):
    for policy in ("background", "foreground", "orphan"):
        owner = make(config_map(f"owner-{policy}"))
        make(owned(f"owned-{policy}", owner, blocks=True))
        s.k(f"delete configmap owner-{policy} --cascade={policy}", requests=False)
        gone = policy != "orphan"
        s.until(f"{at}/owned-{policy}", lambda code, o: code == 404 if gone else "ownerReferences" not in o["metadata"])
        s.k(f"get configmap owned-{policy} owner-{policy} -o name")
    make(held("held"))
    s.k("delete configmap held --wait=false")
    s.call("GET", f"{at}/held", also="deleted but held")
    s.call("DELETE", f"{at}/held", also="again")
    s.call("PATCH", f"{at}/held", {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}, "application/merge-patch+json")
    s.k("patch configmap held --type=json -p '[{\"op\":\"remove\",\"path\":\"/metadata/finalizers\"}]'")
    s.call("GET", f"{at}/held", also="let go")
    make(config_map("later"))
    s.call("DELETE", f"{at}/later?propagationPolicy=Foreground", also="nothing owned",
           pick=lambda a: {k: v for k, v in a["metadata"].items() if k != "managedFields"})
    make(config_map("policy"))
    s.call("DELETE", f"{at}/policy?propagationPolicy=Sideways")
    s.call("DELETE", f"{at}/policy", {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan", "orphanDependents": True})
    s.call("DELETE", f"{at}/policy?dryRun=All")
    s.call("DELETE", f"{at}/policy?gracePeriodSeconds=x")
    s.call("DELETE", f"{at}/policy", "{", also="no JSON")


def with_conditions(s, at, make):
    made = make(config_map("exact"))
    options = {"kind": "DeleteOptions", "apiVersion": "v1"}
    s.call("DELETE", f"{at}/exact", {**options, "preconditions": {"uid": "5b2c5bd2-0000-4000-8000-000000000000"}})
    s.call("DELETE", f"{at}/exact", {**options, "preconditions": {"resourceVersion": "1"}},
           words=[(r"(in record )\(\d+\)", r"\1(RV)")])
    s.call("DELETE", f"{at}/exact", {**options, "preconditions": {"uid": made["metadata"]["uid"]}})
    s.call("DELETE", f"{at}/exact", also="gone")


def collections(s, at, make):
    for name in ("x", "y", "z"):
        make({**config_map(name), "metadata": {"name": name, "labels": {"many": "yes"}}})
    names = lambda a: [a["kind"], sorted(i["metadata"]["name"] for i in a["items"])] if "items" in a else a  # noqa: E731
    s.call("DELETE", f"{at}?labelSelector=many&dryRun=All", pick=names)
    s.call("DELETE", f"{at}?fieldSelector=metadata.name%3Dz", pick=names)
    s.call("DELETE", f"{at}?labelSelector=many", pick=names)
    s.call("DELETE", f"{at}?labelSelector=many", pick=names, also="nothing left")
    s.call("DELETE", f"{at}?labelSelector=a+b")
    s.call("DELETE", "/api/v1/configmaps")
    s.k("delete services --all")


def pods(s):
    s.api("POST", f"{s.core}/pods", pod("p"))
    s.k("delete pod p --wait=false")
    s.until(f"{s.core}/pods/p", lambda code, _: code == 404)
    s.api("POST", f"{s.apps}/deployments", deployment("web", 1))
    s.until(f"{s.core}/pods?labelSelector=app%3Dweb", lambda code, o: len(o["items"]) == 1)
    s.k("delete deployment web", requests=False)
    s.until(f"{s.core}/pods?labelSelector=app%3Dweb", lambda code, o: not o["items"])
    s.k("get deployments,replicasets,pods")


def namespaces(s):
    s.api("POST", "/api/v1/namespaces", {"metadata": {"name": "deleting-space"}})
    s.api("POST", "/api/v1/namespaces/deleting-space/configmaps", held("held"))
    s.k("delete namespace deleting-space --wait=false")
    s.until("/api/v1/namespaces/deleting-space", lambda code, o: o["status"].get("conditions"))
    s.k("get namespace deleting-space -o jsonpath='{.status.phase}'")
    s.call("POST", "/api/v1/namespaces/deleting-space/configmaps", config_map("late"))
    s.api("PATCH", "/api/v1/namespaces/deleting-space/configmaps/held", {"metadata": {"finalizers": None}}, "application/merge-patch+json")
    s.until("/api/v1/namespaces/deleting-space", lambda code, _: code == 404)
    s.k("delete namespace default")
    s.k("delete namespace kube-system --dry-run=server")

"""The kinds of patch, replace, label, annotate, scale, set, and what each refuses."""
from ..shapes import config_map, deployment

JSON, MERGE, STRATEGIC = ("application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json")
COUNTS = [(r"(generation: )\d+", r"\1N"), (r"(observedGeneration: )\d+", r"\1N")]


def counts_left_out(answer):
    """Of a Deployment: what its controller does not change meanwhile."""
    return {"metadata": {k: v for k, v in answer["metadata"].items() if k not in ("generation", "managedFields", "annotations")},
            "spec": answer["spec"]}


def steps(s):
    s.api("POST", f"{s.core}/configmaps", config_map("a", x="1"))
    s.api("POST", f"{s.apps}/deployments", deployment("web", 0))
    s.until(f"{s.apps}/deployments/web", lambda code, o: len(o.get("status", {}).get("conditions", ())) == 2)
    s.k("patch configmap a -p '{\"data\":{\"y\":\"2\"}}'")
    s.k("patch configmap a --type=merge -p '{\"data\":{\"y\":null}}' -o yaml")
    s.k("patch configmap a --type=json -p '[{\"op\":\"add\",\"path\":\"/data/z\",\"value\":\"3\"}]'")
    s.k("patch configmap a --type=merge -p '{\"data\":{\"z\":\"3\"}}'", also="no change")
    s.k("patch configmap a --type=merge -p '{\"data\":{\"z\":4}}'", also="a number")
    s.k("patch configmap a --type=merge -p '{\"data\":{\"z\":\"5\"}}' --dry-run=server -o jsonpath='{.data.z}'")
    s.k("patch configmap none --type=merge -p '{}'")
    s.k("patch configmap a --type=json -p '[{\"op\":\"test\",\"path\":\"/data/z\",\"value\":\"9\"}]'")
    s.k("patch configmap a --type=json -p '[{\"op\":\"remove\",\"path\":\"/data/none\"}]'")
    s.k("patch deployment web --subresource=scale --type=merge -p '{\"spec\":{\"replicas\":0}}'")
    s.k("patch deployment web --subresource=status --type=merge -p '{\"status\":{\"collisionCount\":3}}'")
    s.k("label configmap a tier=front")
    s.k("label configmap a tier=front", also="again")
    s.k("label configmap a tier=back")
    s.k("label configmap a tier=back --overwrite")
    s.k("label configmap a tier-")
    s.k("label configmap a 'bad key=1'")
    s.k("label configmap a tier=-bad-")
    s.k("label configmaps -l none=1 tier=x")
    s.k("annotate configmap a note='two words'")
    s.k("annotate configmap a note-")
    s.k("annotate configmap a --list")
    s.k("scale deployment web --replicas=0")
    s.k("scale deployment web --replicas=1 --current-replicas=9")
    s.k("scale deployment none --replicas=1")
    s.k("scale configmap a --replicas=1")
    s.k("set image deployment web web=nginx:3")
    s.k("set env deployment web B=2")
    s.k("set resources deployment web --limits=cpu=100m,memory=64Mi --requests=cpu=50m")
    s.k("set serviceaccount deployment web robot")
    s.k("set selector service none app=x")
    s.k("replace -f -", {**config_map("a", q="1")})
    s.k("replace -f -", config_map("none", q="1"), also="none")
    s.k("replace --force -f -", config_map("a", r="1"), requests=False)
    s.k("replace -f -", {**config_map("a", q="1"), "metadata": {"name": "a", "resourceVersion": "1"}}, also="stale")
    raw_patches(s)
    replacing(s)


def raw_patches(s):
    at, web = f"{s.core}/configmaps/a", f"{s.apps}/deployments/web"
    s.call("PATCH", at, [{"op": "replace", "path": "/data", "value": {"k": "v"}}], JSON)
    s.call("PATCH", at, [{"op": "move", "from": "/data/k", "path": "/data/l"}, {"op": "copy", "from": "/data/l", "path": "/data/m"}], JSON)
    s.call("PATCH", at, [{"op": "jump", "path": "/data"}], JSON)
    s.call("PATCH", at, [{"op": "replace", "path": "/data/none/deep", "value": "1"}], JSON)
    s.call("PATCH", at, {"not": "a list"}, JSON)
    s.call("PATCH", at, "[", JSON)
    s.call("PATCH", at, "{", MERGE)
    s.call("PATCH", at, "[]", MERGE)
    s.call("PATCH", at, "{}", "application/json")
    s.call("PATCH", at, "{}", "text/plain")
    s.call("PATCH", at, {"metadata": {"name": "other"}}, MERGE)
    s.call("PATCH", at, {"metadata": {"namespace": "other"}}, MERGE)
    s.call("PATCH", at, {"metadata": {"uid": "5b2c5bd2-0000-4000-8000-000000000000"}}, MERGE)
    s.call("PATCH", at, {"metadata": {"resourceVersion": "1"}}, MERGE)
    s.call("PATCH", at, {"kind": "Secret"}, MERGE)
    s.call("PATCH", at, {"colour": "red"}, MERGE)
    s.call("PATCH", f"{at}?fieldValidation=Strict", {"colour": "red"}, MERGE)
    s.call("PATCH", f"{at}?fieldValidation=Ignore", {"colour": "red"}, MERGE)
    s.call("PATCH", at, {"metadata": {"labels": {"a": "-"}}}, MERGE)
    s.call("PATCH", f"{s.core}/configmaps/none", {}, MERGE)
    containers = {"spec": {"template": {"spec": {"containers": [{"name": "web", "tty": True}, {"name": "more", "image": "busybox"}]}}}}
    s.call("PATCH", web, containers, STRATEGIC, pick=counts_left_out)
    gone = {"spec": {"template": {"spec": {"containers": [{"name": "more", "$patch": "delete"}]}}}}
    s.call("PATCH", web, gone, STRATEGIC, pick=counts_left_out)
    s.call("PATCH", web, {"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}}, STRATEGIC)
    s.call("PATCH", web, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}, STRATEGIC, pick=counts_left_out)
    s.call("PATCH", web, {"spec": {"$patch": "shred"}}, STRATEGIC)
    s.call("PATCH", web, {"spec": {"selector": {"matchLabels": {"app": "other"}}}}, MERGE)
    s.call("PATCH", web, {"spec": {"replicas": -1}}, MERGE)
    s.call("PATCH", web, {"spec": {"replicas": "many"}}, MERGE)
    s.call("PATCH", f"{web}/scale", {"spec": {"replicas": -1}}, MERGE)
    s.call("PATCH", f"{web}/scale", {"spec": {"replicas": 0}}, MERGE)
    s.call("PATCH", f"{web}/status", {"spec": {"replicas": 7}}, MERGE, pick=lambda a: a["spec"]["replicas"])


def replacing(s):
    at = f"{s.core}/configmaps/r"
    s.call("PUT", at, config_map("r", a="1"))
    s.api("POST", f"{s.core}/configmaps", config_map("r", a="1"))
    s.call("PUT", at, config_map("r", a="2"))
    s.call("PUT", at, config_map("q", a="2"), also="another name")
    s.call("PUT", at, {**config_map("r"), "metadata": {"name": "r", "namespace": "other"}})
    s.call("PUT", at, {**config_map("r"), "metadata": {"name": "r", "resourceVersion": "1"}})
    s.call("PUT", at, {**config_map("r"), "metadata": {"name": "r", "uid": "5b2c5bd2-0000-4000-8000-000000000000"}})
    s.call("PUT", at, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "r"}})
    s.call("PUT", at, {"metadata": {}})
    s.call("PUT", f"{at}?dryRun=All", config_map("r", a="9"))
    s.call("PUT", f"{at}?dryRun=Some", config_map("r", a="9"))
    s.call("PUT", f"{s.apps}/deployments/web/scale", {"apiVersion": "autoscaling/v1", "kind": "Scale",
                                                       "metadata": {"name": "web", "namespace": s.group}, "spec": {"replicas": 0}})
    s.call("PATCH", at, {"immutable": True}, MERGE, pick=lambda a: a["immutable"])
    s.call("PUT", at, {**config_map("r", a="3"), "immutable": True}, also="immutable")

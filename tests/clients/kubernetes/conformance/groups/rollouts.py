"""Deployments as people drive them: rollout, scale, restart, pause. Their Pods never start, on either server."""
from ..shapes import deployment

HASHES = [(r"\bweb-[0-9a-z]{7,10}\b(-[0-9a-z]{5})?", "web-HASH"), (r"(?m)^(\s+)(kubectl.kubernetes.io/restartedAt:).*", r"\1\2 TIME")]


def settled(s):
    s.until(f"{s.apps}/deployments/web", lambda code, o: o.get("status", {}).get("observedGeneration") == o["metadata"]["generation"]
            and o["status"].get("conditions"))


def steps(s):
    s.k("apply -f -", deployment("web", 0))
    settled(s)
    s.until(f"{s.apps}/deployments/web", lambda code, o: len(o["status"]["conditions"]) == 2)
    s.k("rollout status deployment/web --timeout=5s", requests=False)
    s.k("rollout history deployment/web")
    s.k("set image deployment/web web=nginx:2")
    settled(s)
    s.k("rollout history deployment/web", also="two")
    s.k("rollout history deployment/web --revision=2", words=HASHES)
    s.k("rollout history deployment/web --revision=9")
    s.k("rollout undo deployment/web")
    settled(s)
    s.until(f"{s.apps}/replicasets", lambda code, o: {i["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
                                                      for i in o["items"]} == {"2", "3"})
    s.k("rollout history deployment/web", also="undone")
    s.k("get deployment web -o jsonpath='{.spec.template.spec.containers[0].image}'")
    s.k("rollout pause deployment/web")
    s.k("rollout pause deployment/web", also="again")
    s.k("rollout undo deployment/web", also="paused")
    s.k("rollout resume deployment/web")
    s.k("rollout restart deployment/web")
    settled(s)
    s.k("rollout restart deployment/none")
    s.k("rollout status deployment/none")
    s.k("scale deployment/web --replicas=2")
    s.until(f"{s.apps}/deployments/web", lambda code, o: o["status"].get("unavailableReplicas") == 2)
    s.k("get deployment web")
    s.k("rollout status deployment/web --timeout=1s", requests=False)
    s.k("get pods", words=HASHES)
    s.k("get replicasets", words=HASHES, sort=True)
    s.k("describe deployment web", words=HASHES, keep=lambda line: "deployment-controller" not in line)
    s.k("scale deployment/web --replicas=0")
    s.until(f"{s.apps}/deployments/web", lambda code, o: not o["status"].get("replicas"))
    s.call("GET", f"{s.apps}/deployments/web/scale", pick=lambda a: {**a, "metadata": sorted(a["metadata"])})
    s.call("GET", f"{s.apps}/replicasets", words=HASHES, pick=lambda a: sorted((
        [o["metadata"]["annotations"]["deployment.kubernetes.io/revision"], o["metadata"]["ownerReferences"][0]["kind"], o["spec"],
         {k: v for k, v in o["status"].items() if k != "observedGeneration"}] for o in a["items"]), key=lambda row: row[0]))

"""Built-in kinds without behaviour: kubectl makes, changes and shows them as it does anywhere."""
import json

import pytest
import yaml

GENERATED = [
    (("job", "j", "--image=busybox", "--", "true"), "job", ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]),
    (("cronjob", "c", "--image=busybox", "--schedule=*/5 * * * *"), "cronjob",
     ["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST", "SCHEDULE", "AGE"]),
    (("poddisruptionbudget", "p", "--selector=app=x", "--min-available=1"), "pdb",
     ["NAME", "MIN", "AVAILABLE", "MAX", "UNAVAILABLE", "ALLOWED", "DISRUPTIONS", "AGE"]),
    (("quota", "q", "--hard=pods=4"), "quota", ["NAME", "REQUEST", "LIMIT", "AGE"]),
    (("ingress", "i", "--rule=example.com/x=web:80"), "ingress", ["NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS", "AGE"]),
]


@pytest.mark.parametrize("words,kind,header", GENERATED, ids=[g[1] for g in GENERATED])
def test_made_by_kubectl_create(kubectl, space, words, kind, header):
    kubectl("create", *words[:2], "-n", space, *words[2:])
    lines = kubectl("get", kind, "-n", space).splitlines()
    assert lines[0].split() == header and len(lines) == 2


def test_a_priority_class(kubectl):
    kubectl("create", "priorityclass", "high", "--value=1000")
    assert kubectl("get", "pc", "high").splitlines()[1].split()[:3] == ["high", "1000", "false"]
    kubectl("delete", "pc", "high")


APPLIED = yaml.safe_load_all("""
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec: {serviceName: s, selector: {matchLabels: {a: s}}, template: {metadata: {labels: {a: s}}, spec: {containers: [{name: c, image: i}]}},
  volumeClaimTemplates: [{metadata: {name: d}, spec: {accessModes: [ReadWriteOnce], volumeMode: Filesystem, resources: {requests: {storage: 1Gi}}}}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d}
spec: {selector: {matchLabels: {a: d}}, template: {metadata: {labels: {a: d}}, spec: {containers: [{name: c, image: i}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: p}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: l}
spec: {limits: [{type: Container, default: {cpu: 500m}}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: e}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1]}]
ports: [{port: 80, protocol: TCP}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: n}
spec: {podSelector: {matchLabels: {a: b}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 80, protocol: TCP}]}]}
""")


@pytest.mark.parametrize("thing", list(APPLIED), ids=lambda t: t["kind"])
def test_applied_twice_and_explained(kubectl, space, thing):
    kubectl.apply(thing, namespace=space)
    # A strategic merge patch. (Lists that are one value have no defaults above: kubectl sends those again each time.)
    thing["metadata"]["labels"] = {"changed": "yes"}
    assert "configured" in kubectl.apply(thing, namespace=space)
    assert "unchanged" in kubectl.apply(thing, namespace=space)
    name = f"{thing['kind'].lower()}/{thing['metadata']['name']}"
    assert kubectl.json("get", name, "-n", space)["metadata"]["labels"]["changed"] == "yes"
    kubectl("explain", thing["kind"].lower())
    kubectl("describe", name, "-n", space)
    kubectl("delete", name, "-n", space)


def test_refused(kubectl, space):
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"},
           "spec": {"template": {"spec": {"restartPolicy": "Always", "containers": [{"name": "c", "image": "i"}]}}}}
    err = kubectl.refused("create", "-n", space, "-f", "-", input=json.dumps(job))
    assert "spec.template.spec.restartPolicy" in err and "OnFailure" in err

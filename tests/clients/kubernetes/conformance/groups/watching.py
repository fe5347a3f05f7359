"""Watches in every form, wait."""
from ..shapes import config_map

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def short(event):
    o = event["object"]
    if o.get("kind") == "Status":
        return event
    return [event["type"], o.get("kind"), o.get("metadata", {}).get("name"), o.get("data"), o.get("metadata", {}).get("annotations")]


def steps(s):
    at = f"{s.core}/configmaps"
    first = s.api("POST", at, {**config_map("a", x="1"), "metadata": {"name": "a", "labels": {"on": "yes"}}})[1]
    before = first["metadata"]["resourceVersion"]
    s.api("POST", at, config_map("b", x="1"))
    s.api("PATCH", f"{at}/b", {"data": {"x": "2"}}, "application/merge-patch+json")
    s.api("PATCH", f"{at}/a", {"metadata": {"labels": {"on": "no"}}}, "application/merge-patch+json")
    s.api("PATCH", f"{at}/a", {"metadata": {"labels": {"on": "yes"}}}, "application/merge-patch+json")
    s.api("DELETE", f"{at}/b")
    s.watch(f"{at}?resourceVersion={before}", pick=short)
    s.watch(f"{at}?resourceVersion={before}&labelSelector=on%3Dyes", pick=short)
    s.watch(f"{at}?resourceVersion={before}&fieldSelector=metadata.name%3Db", pick=short)
    s.watch(f"{at}?fieldSelector=metadata.name%3Da", pick=short, also="from now")
    s.watch(f"{at}?resourceVersion=0&fieldSelector=metadata.name%3Da", pick=short)
    initial = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&fieldSelector=metadata.name%3Da"
    s.watch(f"{at}?{initial}&allowWatchBookmarks=true", pick=short)
    s.watch(f"{at}?sendInitialEvents=true")
    s.watch(f"{at}?sendInitialEvents=true&resourceVersionMatch=Exact")
    s.watch(f"{at}?resourceVersionMatch=NotOlderThan&resourceVersion=1")
    s.watch(f"{at}?resourceVersion=x")
    s.watch(f"{at}?labelSelector=a+b")
    s.watch(f"{at}?fieldSelector=data.x%3D1")
    s.watch("/api/v1/namespaces/watching-none/configmaps", pick=short)
    s.call("GET", f"{at}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Da", accept=TABLE,
           pick=lambda a: a if isinstance(a, dict) else a.decode(), words=[(r"^\d+s$", "AGE")])
    s.call("GET", f"{at}?watch=maybe&timeoutSeconds=1&labelSelector=none", pick=lambda a: "a watch" if a == b"" else a)
    s.call("GET", f"{s.core}/configmaps/a?watch=true&timeoutSeconds=1", pick=lambda a: "an object" if "data" in a else "a watch")
    s.k("get configmap a --watch --request-timeout=1s", requests=False, keep=lambda line: "Unable to decode" not in line)
    s.k("wait --for=create configmap/a --timeout=5s", requests=False)
    s.k("wait --for=jsonpath='{.data.x}'=1 configmap/a --timeout=5s", requests=False)
    s.k("wait --for=jsonpath='{.data.x}'=9 configmap/a --timeout=1s", requests=False)
    s.k("wait --for=condition=Ready namespace/watching --timeout=1s", requests=False)
    s.k("wait --for=delete configmap/none --timeout=1s", requests=False)
    s.k("wait --for=condition=Ready configmap/none --timeout=1s", requests=False)
    s.k("wait --for=condition=Ready pods --all --timeout=1s", requests=False)
    s.k("get events")
    s.k("events")
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "a.1"}, "type": "Warning", "reason": "Tested", "message": "a sentence",
             "involvedObject": {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "namespace": s.group}, "count": 2,
             "source": {"component": "test"}, "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z"}
    s.call("POST", f"{s.core}/events", event)
    years = [(r"\b\d+d\b", "AGE")]
    s.k("get events", also="one", words=years)
    s.k("get events -o wide", words=years)
    s.k("events --types=Warning", words=years)
    s.k("events --for=configmap/a -o name")
    s.call("GET", f"/apis/events.k8s.io/v1/namespaces/{s.group}/events/a.1")
    s.call("POST", f"{s.core}/events", {**event, "involvedObject": {"namespace": "other"}}, also="elsewhere")

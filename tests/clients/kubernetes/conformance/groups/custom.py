"""Kinds that users bring."""

GROUP = "things.example.com"


def definition(**changes):
    schema = {"type": "object", "required": ["spec"], "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 9}, "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "tags": {"type": "array", "items": {"type": "string"}}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
               "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}},
               "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                                            {"name": "Colour", "type": "string", "jsonPath": ".spec.colour", "priority": 1}]}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"widgets.{GROUP}"},
            "spec": {"group": GROUP, "scope": "Namespaced", "versions": [version],
                     "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]}, **changes}}


def widget(name, **spec):
    return {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def steps(s):
    crds, at = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", f"/apis/{GROUP}/v1/namespaces/{s.group}/widgets"
    s.call("POST", crds, definition(scope="Sideways"), also="bad scope")
    s.call("POST", crds, {**definition(), "metadata": {"name": "other"}}, also="bad name")
    s.k("apply -f -", definition())
    s.k(f"wait --for=condition=Established crd/widgets.{GROUP} --timeout=10s", requests=False)
    s.until(f"/apis/{GROUP}/v1", lambda code, o: code == 200)
    s.until(at, lambda code, o: code == 200)
    s.until("/openapi/v3", lambda code, o: f"apis/{GROUP}/v1" in o["paths"])
    s.k(f"get crd widgets.{GROUP}")
    s.k(f"api-resources --api-group={GROUP} --no-headers")
    s.k("explain widgets.spec", requests=False)
    s.k("apply -f -", widget("one", size=3))
    s.k("apply -f -", widget("one", size=4), also="changed")
    s.k("apply -f -", widget("bad", size=99), also="too large")
    s.k("apply -f -", widget("bad"), also="without size")
    s.k("apply -f -", widget("bad", size=1, colour="green"), also="no such colour")
    s.k("apply -f -", widget("bad", size=1, unknown=1), also="unknown field")
    s.k("get widgets")
    s.k("get wd -o wide")
    s.k("get widget one -o yaml")
    s.k("describe widget one")
    s.k("scale widget one --replicas=5")
    s.k("patch widget one --type=merge -p '{\"spec\":{\"tags\":[\"a\"]}}'")
    s.k("patch widget one -p '{\"spec\":{\"tags\":[\"a\"]}}'")
    s.k("patch widget one --subresource=status --type=merge -p '{\"status\":{\"size\":5}}'")
    s.k("apply --server-side -f -", widget("two", size=2))
    s.k("label widget one a=b")
    # Who wrote in the same second stands in an order of its own; the entry of a scale has a time or not.
    s.call("GET", f"{at}/one", pick=lambda a: {**a, "metadata": {**a["metadata"], "managedFields": sorted(
        ({k: v for k, v in entry.items() if k != "time"} for entry in a["metadata"]["managedFields"]),
        key=lambda entry: (entry["manager"], entry.get("subresource", "")))}})
    s.call("POST", at, widget("bad", size="x"))
    s.call("POST", f"{at}?fieldValidation=Strict", widget("bad", size=1, unknown=1))
    s.call("POST", f"{at}?dryRun=All", widget("pruned", size=1, unknown=1))
    s.call("POST", at, {**widget("n", size=1), "apiVersion": f"{GROUP}/v2"})
    s.call("GET", at, accept="application/json;as=Table;v=v1;g=meta.k8s.io", pick=lambda a: {**a, "rows": len(a["rows"])})
    s.call("PATCH", f"{at}/one", {"spec": {"size": 1}}, "application/strategic-merge-patch+json")
    s.k("delete widget one two", requests=False)
    s.k(f"delete crd widgets.{GROUP}", requests=False)
    s.call("GET", at, also="gone")

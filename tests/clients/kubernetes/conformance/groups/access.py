"""Who am I, may I, may they."""


def steps(s):
    s.k("auth whoami", keep=lambda line: line.split()[:1] in (["ATTRIBUTE"], ["Username"]))
    for question in ("get pods", "create deployments.apps", "'*' '*'", "list unicorns", "get pods/log", "get /healthz", "use nodes/n1",
                     "get pods --as=ann", "get pods --as=ann --as-group=system:masters", "get pods --as=system:serviceaccount:access:bot"):
        s.k(f"auth can-i {question}")
    s.k("auth can-i --list", keep=lambda line: line.startswith(("Resources", "*.*", "[*]")) or "[*]  []" in line, sort=True)
    s.k("get configmaps --as=ann")
    s.k("create configmap c --as=ann --as-group=people")
    s.k("create serviceaccount bot")
    s.k("create role reader --verb=get,list,watch --resource=configmaps")
    s.k("create rolebinding readers --role=reader --serviceaccount=access:bot --user=ann")
    s.until("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", lambda code, _: True)
    s.k("get configmaps -l none --as=ann", also="bound")
    s.k("get configmaps -l none --as=system:serviceaccount:access:bot", also="bound")
    s.k("delete configmap c --as=ann")
    s.k("get configmaps -A --as=ann")
    s.k("auth can-i list configmaps --as=ann")
    s.k("auth can-i create configmaps --as=ann")
    s.k("describe role reader")
    s.k("describe rolebinding readers")
    s.k("auth reconcile -f -", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader", "namespace": s.group},
                                "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]})
    reviews(s)
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{s.group}"
    s.call("POST", f"{roles}/roles", {"metadata": {"name": "bad"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": []}]})
    s.call("POST", f"{roles}/rolebindings", {"metadata": {"name": "bad"}, "roleRef": {"kind": "Role", "name": ""}})
    s.call("PATCH", f"{roles}/rolebindings/readers", {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "other"}},
           "application/merge-patch+json")
    s.call("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles?labelSelector=kubernetes.io%2Fbootstrapping",
           pick=lambda a: [n for n in (o["metadata"]["name"] for o in a["items"]) if n in ("admin", "edit", "view", "cluster-admin")])


def reviews(s):
    authorization = "/apis/authorization.k8s.io/v1"
    asked = {"resourceAttributes": {"verb": "get", "resource": "configmaps", "namespace": s.group}}
    s.call("POST", f"{authorization}/selfsubjectaccessreviews", {"spec": asked}, pick=lambda a: {**a, "status": a["status"]["allowed"]})
    s.call("POST", f"{authorization}/selfsubjectaccessreviews", {"spec": {}})
    s.call("POST", f"{authorization}/subjectaccessreviews", {"spec": {**asked, "user": "ann"}},
           pick=lambda a: {**a, "status": a["status"]["allowed"]})
    s.call("POST", f"{authorization}/subjectaccessreviews", {"spec": {**asked, "user": "bob"}},
           pick=lambda a: {**a, "status": a["status"]["allowed"]})
    s.call("POST", f"{authorization}/namespaces/{s.group}/localsubjectaccessreviews",
           {"metadata": {"namespace": s.group}, "spec": {**asked, "user": "ann"}}, pick=lambda a: {**a, "status": a["status"]["allowed"]})
    s.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, pick=lambda a: sorted(a))
    s.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "nonsense"}}, pick=lambda a: a["status"].get("authenticated", False))
    token = s.call("POST", f"{s.core}/serviceaccounts/bot/token", {"spec": {"expirationSeconds": 3600}}, pick=lambda a: sorted(a["status"]))
    if isinstance(token.get("status"), dict):
        s.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": token["status"]["token"]}},
               pick=lambda a: [a["status"].get("authenticated"), a["status"]["user"]["username"]], also="a real one")
    s.call("POST", f"{s.core}/serviceaccounts/none/token", {"spec": {}})

"""kubectl with tokens and certificates: what a user gets is what roles give, no more and no less."""
import base64
import json
import subprocess
import urllib.error
import urllib.request

import pytest
from kubernetes import client, config


def test_who_am_i(team, owner):
    out = team["ada"]("auth", "whoami", "-o", "json")
    info = json.loads(out)["status"]["userInfo"]
    assert info["username"] == "ada" and info["groups"] == ["system:authenticated"] and info["uid"]
    assert json.loads(owner("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"] == "owner"


def test_a_role_gives_its_namespace_and_nothing_else(team):
    ada = team["ada"]
    ada("create", "configmap", "mine", "-n", "team-a", "--from-literal=a=b")
    assert "mine" in ada("get", "configmaps", "-n", "team-a")
    ada("label", "configmap", "mine", "-n", "team-a", "x=y")
    assert 'User "ada" cannot list resource "configmaps" in API group "" in the namespace "team-b"' in \
        ada.refused("get", "configmaps", "-n", "team-b")
    assert "at the cluster scope" in ada.refused("get", "configmaps", "-A")
    assert "cannot list resource \"nodes\"" in ada.refused("get", "nodes")
    assert "cannot create" in ada.refused("create", "namespace", "mine")
    ada("delete", "configmap", "mine", "-n", "team-a")


def test_a_foreign_object_looks_like_a_missing_one(team):
    there = team["ada"].refused("get", "configmap", "settings", "-n", "team-b")
    missing = team["ada"].refused("get", "configmap", "nothing", "-n", "team-b")
    assert there.replace("settings", "nothing") == missing
    nowhere = team["ada"].refused("get", "configmap", "nothing", "-n", "no-such-team")
    assert nowhere == missing.replace("team-b", "no-such-team")


def test_can_i(team):
    ada = team["ada"]
    assert ada("auth", "can-i", "create", "deployments.apps", "-n", "team-a") == "yes\n"
    assert ada.run("auth", "can-i", "create", "deployments.apps", "-n", "team-b")[1] == "no\n"
    assert ada.run("auth", "can-i", "*", "*")[1] == "no\n"
    rows = ada("auth", "can-i", "--list", "-n", "team-a")
    assert "deployments.apps" in rows or "*.apps" in rows, rows
    assert "selfsubjectreviews.authentication.k8s.io" in rows and "/version" in rows


def test_the_owner_makes_roles_and_they_work_at_once(owner, person):
    owner("create", "namespace", "roles")
    cy = person("cy")
    cy.refused("get", "pods", "-n", "roles")
    owner("create", "role", "reader", "-n", "roles", "--verb=get,list", "--resource=pods")
    owner("create", "rolebinding", "cy", "-n", "roles", "--role=reader", "--user=cy")
    cy("get", "pods", "-n", "roles")
    cy.refused("get", "pods", "-n", "roles", "-w", "--request-timeout=2s")
    owner("delete", "rolebinding", "cy", "-n", "roles")
    cy.refused("get", "pods", "-n", "roles")


def test_names_and_parts(owner, person):
    owner("create", "namespace", "names")
    for name in ("open", "shut"):
        owner("create", "configmap", name, "-n", "names")
    dee = person("dee")
    owner("create", "role", "one", "-n", "names", "--verb=get,list,watch,update", "--resource=configmaps", "--resource-name=open")
    owner("create", "rolebinding", "dee", "-n", "names", "--role=one", "--user=dee")
    dee("get", "configmap", "open", "-n", "names")
    dee.refused("get", "configmap", "shut", "-n", "names")
    dee.refused("get", "configmaps", "-n", "names")
    assert "open" in dee("get", "configmaps", "-n", "names", "--field-selector=metadata.name=open")
    dee.refused("get", "configmaps", "-n", "names", "--field-selector=metadata.name!=shut")


def test_nobody_hands_on_more_than_they_have(owner, person):
    owner("create", "namespace", "hand-on")
    eve = person("eve")
    owner("create", "rolebinding", "eve", "--clusterrole=admin", "--user=eve", "-n", "hand-on")
    eve("create", "role", "reader", "--verb=get", "--resource=pods", "-n", "hand-on")
    said = eve.refused("create", "role", "all", "--verb=*", "--resource=*.*", "-n", "hand-on")
    assert "is attempting to grant RBAC permissions not currently held" in said
    assert "not currently held" in eve.refused("create", "rolebinding", "me", "--clusterrole=cluster-admin", "--user=eve", "-n", "hand-on")
    eve("create", "rolebinding", "bob", "--clusterrole=view", "--user=bob", "-n", "hand-on")
    assert "not currently held" in eve.refused("patch", "role", "reader", "-n", "hand-on", "--type=json", "-p",
                                               '[{"op":"add","path":"/rules/0/verbs/-","value":"escalate"}]')
    eve.refused("create", "clusterrolebinding", "me", "--clusterrole=view", "--user=eve")


def test_aggregation(owner, team):
    owner("apply", "-f", "-", input=json.dumps({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "leases", "labels": {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["frob"]}]}))
    owner("wait", "clusterrole/edit", "--for=jsonpath={.rules[?(@.verbs[0]==\"frob\")].resources[0]}=configmaps", "--timeout=10s")
    assert team["ada"]("auth", "can-i", "frob", "configmaps", "-n", "team-a").endswith("yes\n")


def test_speaking_for_others(owner, team):
    assert "ada" in owner("get", "configmap", "settings", "-n", "team-a", "-o", "jsonpath={.data.of}", "--as=ada")
    refused = owner("get", "configmap", "settings", "-n", "team-b", "--as=ada", check=False)
    assert "cannot get" in refused.stderr
    assert owner("auth", "can-i", "get", "nodes", "--as=x", "--as-group=system:masters") == "yes\n"
    assert 'cannot impersonate resource "users"' in team["ada"].refused("get", "configmaps", "-n", "team-b", "--as=bob")


def test_a_uid_and_extras_of_others(owner, team, person):
    ola = person("ola")
    flags = ("--as=ada", "--as-uid=42", "--as-user-extra=scopes=read", "--as-user-extra=scopes=write",
             "--as-user-extra=acme.com/project=blue")
    who, get = ("auth", "whoami", "-o", "json", *flags), ("get", "configmap", "settings", "-n", "team-a", *flags)
    info = json.loads(owner(*who))["status"]["userInfo"]
    assert info == {"username": "ada", "uid": "42", "groups": ["system:authenticated"],
                    "extra": {"scopes": ["read", "write"], "acme.com/project": ["blue"]}}
    assert 'cannot impersonate resource "users"' in ola.refused(*get)
    rules = [("users", "", ["ada"]), ("uids", "authentication.k8s.io", ["42"]), ("userextras/scopes", "authentication.k8s.io", ["read", "write"]),
             ("userextras/acme.com/project", "authentication.k8s.io", ["blue"])]
    words = ['cannot impersonate resource "uids"', 'cannot impersonate resource "userextras/', "blue"]
    owner("create", "clusterrolebinding", "ola", "--clusterrole=ola", "--user=ola")
    for count in range(1, len(rules) + 1):
        owner("apply", "-f", "-", input=json.dumps({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "ola"},
            "rules": [{"apiGroups": [group], "resources": [resource], "resourceNames": names, "verbs": ["impersonate"]}
                      for resource, group, names in rules[:count]]}))
        if count < len(rules):
            assert words[count - 1] in ola.refused(*get)
    assert json.loads(ola(*who))["status"]["userInfo"] == info
    ola(*get)
    ola.refused("get", "configmap", "settings", "-n", "team-a", "--as=ada", "--as-uid=43")
    assert owner("get", "configmaps", "--as-uid=42", check=False).returncode != 0


def test_tokens_end(server, person):
    fay = person("fay")
    fay("auth", "whoami")
    rows = [line.split() for line in server.run("token", "list").stdout.splitlines()]
    name = next(row[0] for row in rows if row[1] == "fay")
    server.run("token", "revoke", name)
    assert "must be logged in" in fay.refused("auth", "whoami") or "Unauthorized" in fay.refused("auth", "whoami")


def test_a_removed_user_is_out(server, tmp_path, person):
    gil = person("gil")
    certificate = tmp_path / "gil.kubeconfig"
    certificate.write_text(server.run("kubeconfig", "--user", "gil", "--certificate").stdout)
    gil.environment["KUBECONFIG"] = str(certificate)
    assert '"gil"' in gil("auth", "whoami", "-o", "json")
    server.run("user", "rm", "gil")
    gil.refused("auth", "whoami")
    server.run("user", "add", "gil")  # another with the same name
    gil.refused("auth", "whoami")


@pytest.mark.parametrize("way", [[], ["--certificate"]])
def test_python_client(server, team, tmp_path, way):
    path = tmp_path / "config"
    path.write_text(server.run("kubeconfig", "--user", "ada", *way).stdout)
    api = client.CoreV1Api(config.new_client_from_config(str(path)))
    assert api.read_namespaced_config_map("settings", "team-a").data == {"of": "ada"}
    with pytest.raises(client.ApiException) as refused:
        api.list_namespaced_config_map("team-b")
    assert refused.value.status == 403


def get(url, token=None, basic=None):
    request = urllib.request.Request(url)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if basic:
        request.add_header("Authorization", "Basic " + base64.b64encode(basic.encode()).decode())
    try:
        return urllib.request.urlopen(request, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def test_headers_that_prove_nothing(server, team):
    url, token = server.url + "/api/v1/namespaces/team-a/configmaps", team["ada"].token
    assert get(url) == 200  # the owner, by uid
    assert get(url, token=token) == 200
    assert get(url, basic=f"ada:{token}") == 200
    assert get(url, basic=f":{token}") == 200
    for bad in ("bob:" + token, "ada:" + token[:-1], "ada:", "ada"):
        assert get(url, basic=bad) == 401, bad
    for bad in ("x", "mk_", token + "x", "a.b.c", "x" * 5000):
        assert get(url, token=bad) == 401, bad
    assert get(server.url + "/health", token="x") == 200


def test_mlflow_with_a_token(server, team, person, monkeypatch, owner):
    import mlflow
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", team["ada"].token)
    tracking = mlflow.MlflowClient(server.url)
    with pytest.raises(mlflow.exceptions.MlflowException, match="forbidden"):
        tracking.create_experiment("not-hers")
    owner("create", "rolebinding", "ada-mlflow", "--clusterrole=edit", "--user=ada", "-n", "default")
    experiment = tracking.create_experiment("hers")
    run = tracking.create_run(experiment)
    tracking.log_metric(run.info.run_id, "m", 1.0)
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
    hal = person("hal")
    owner("create", "rolebinding", "hal-mlflow", "--clusterrole=view", "--user=hal", "-n", "default")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "hal")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", hal.token)
    assert tracking.get_run(run.info.run_id).data.metrics == {"m": 1.0}
    with pytest.raises(mlflow.exceptions.MlflowException, match="forbidden"):
        tracking.log_metric(run.info.run_id, "m", 2.0)


def test_verbs_say_what_is_wrong(server):
    for words, said in ((("token", "create", "nobody"), "there is no user nobody"),
                        (("user", "add", "owner"), "this name belongs to modelkit itself"),
                        (("user", "add", "x", "--group", "system:nodes"), "belong to modelkit itself"),
                        (("token", "create", "ada", "--expires", "soon"), "--expires is"),
                        (("kubeconfig", "--user", "nobody"), "there is no user nobody")):
        done = server.run(*words, check=False)
        assert done.returncode != 0 and said in done.stderr, (words, done.stderr)

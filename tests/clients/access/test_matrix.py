"""Every verb on every kind by two tenants, generated from what the server itself says it has: what roles give is what requests
get, and nothing of another tenant shows, not even whether it is there."""
import http.client
import json
import urllib.parse

import pytest

VERBS = {"get": ("GET", "/{name}"), "list": ("GET", ""), "watch": ("GET", "?watch=true&timeoutSeconds=1"), "create": ("POST", ""),
         "update": ("PUT", "/{name}"), "patch": ("PATCH", "/{name}"), "delete": ("DELETE", "/{name}"),
         "deletecollection": ("DELETE", "")}
RBAC = "rbac.authorization.k8s.io"


class Caller:
    def __init__(self, server, token):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.url).netloc, timeout=20)
        self.token = token

    def __call__(self, method, path, body=None, kind="application/json"):
        self.connection.request(method, path, body=body, headers={"Authorization": f"Bearer {self.token}", "Content-Type": kind})
        response = self.connection.getresponse()
        return response.status, response.read().decode()


@pytest.fixture(scope="module")
def resources(server):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.url).netloc, timeout=20)
    out = []
    for path in ("/api", "/apis"):
        connection.request("GET", path, headers={
            "Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"})
        for group in json.loads(connection.getresponse().read())["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                for resource in version["resources"]:
                    if "list" in resource["verbs"]:
                        root = f"/apis/{name}/{version['version']}" if name else f"/api/{version['version']}"
                        out.append((root, name, resource))
    assert len(out) > 15
    return out


def address(root, resource, space, verb, name):
    method, rest = VERBS[verb]
    inside = f"/namespaces/{space}" if resource["scope"] == "Namespaced" else ""
    return method, f"{root}{inside}/{resource['resource']}{rest.format(name=name)}"


def send(caller, root, resource, space, verb, name):
    method, path = address(root, resource, space, verb, name)
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    return caller(method, path, "{}" if method in ("POST", "PUT", "PATCH") else None, kind)


def test_what_a_role_says_is_what_a_request_gets(server, team, resources):
    """ada edits team-a: every request there is answered as the review of it says."""
    ada = Caller(server, team["ada"].token)
    wrong, allowed = [], 0
    for root, group, resource in resources:
        for verb in resource["verbs"]:
            if verb not in VERBS or verb in ("watch", "deletecollection"):
                continue
            space = "team-a" if resource["scope"] == "Namespaced" else ""
            review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {"resourceAttributes": {
                "verb": verb, "group": group, "resource": resource["resource"], "namespace": space, "name": "none-such"}}}
            status, text = ada("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json.dumps(review))
            assert status == 201, text
            may = json.loads(text)["status"]["allowed"]
            allowed += may
            got, text = send(ada, root, resource, space, verb, "none-such")
            if (got != 403) != may:
                wrong.append((verb, resource["resource"], group, may, got, text[:200]))
            assert got < 500, (verb, resource["resource"], text)
    assert wrong == [] and allowed > 20


def test_nothing_of_another_tenant_shows(server, owner, team, resources):
    """bob's namespace, where things are: ada gets 403 for all, with the same words whether the object is there or not."""
    ada = Caller(server, team["ada"].token)
    owner("create", "serviceaccount", "there", "-n", "team-b")
    owner("create", "secret", "generic", "there", "-n", "team-b")
    for root, _, resource in resources:
        if resource["scope"] != "Namespaced":
            continue
        for verb in resource["verbs"]:
            if verb not in VERBS:
                continue
            said = {send(ada, root, resource, space, verb, name)[0]: send(ada, root, resource, space, verb, name)[1]
                    .replace(space, "SPACE").replace(name, "NAME")
                    for space in ("team-b", "no-such-team") for name in ("there", "absent")}
            assert set(said) == {403}, (verb, resource["resource"], said)
            texts = {send(ada, root, resource, space, verb, name)[1].replace(space, "SPACE").replace(name, "NAME")
                     for space in ("team-b", "no-such-team") for name in ("there", "absent")}
            assert len(texts) == 1, (verb, resource["resource"], texts)
    assert "there" in owner("get", "secrets", "-n", "team-b")

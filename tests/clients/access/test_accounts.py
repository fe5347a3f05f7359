"""Service accounts: tokens by hand, reviews, and a Pod that has only its account's rights."""
import base64
import json
import sys
import time
import urllib.request

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from kubernetes import client, config


@pytest.fixture(scope="module")
def api(server):
    return config.new_client_from_config(str(server.kubeconfig))


def test_create_token_and_whoami(owner, server, tmp_path):
    owner("create", "namespace", "bots")
    owner("create", "serviceaccount", "bot", "-n", "bots")
    token = owner("create", "token", "bot", "-n", "bots", "--duration=10m").strip()
    said = json.loads(owner("auth", "whoami", "-o", "json", "--token", token))["status"]["userInfo"]
    assert said["username"] == "system:serviceaccount:bots:bot"
    assert "system:serviceaccounts:bots" in said["groups"]
    assert owner("auth", "can-i", "get", "pods", "-n", "bots", "--token", token, check=False).stdout == "no\n"
    owner("create", "rolebinding", "bot", "-n", "bots", "--clusterrole=view", "--serviceaccount=bots:bot")
    assert owner("auth", "can-i", "get", "pods", "-n", "bots", "--token", token) == "yes\n"
    owner("delete", "serviceaccount", "bot", "-n", "bots")
    assert owner("auth", "whoami", "--token", token, check=False).returncode != 0


def unpack(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_others_can_verify_our_tokens(owner, server):
    token = owner("create", "token", "default", "--audience=vault").strip()
    keys = json.load(urllib.request.urlopen(server.url + "/openid/v1/jwks"))
    found = json.load(urllib.request.urlopen(server.url + "/.well-known/openid-configuration"))
    key = keys["keys"][0]
    x, y = (int.from_bytes(unpack(key[part])) for part in "xy")
    header, claims, signature = token.split(".")
    assert json.loads(unpack(header))["kid"] == key["kid"]
    r, s = (int.from_bytes(unpack(signature)[at:at + 32]) for at in (0, 32))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    public.verify(utils.encode_dss_signature(r, s), f"{header}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))  # raises if it is wrong
    said = json.loads(unpack(claims))
    assert said["sub"] == "system:serviceaccount:default:default" and said["aud"] == ["vault"]
    assert said["iss"] == found["issuer"] and said["exp"] > time.time()
    assert owner("auth", "whoami", "--token", token, check=False).returncode != 0  # meant for somebody else


def test_token_review(owner, api, team):
    token = owner("create", "token", "default", "--audience=vault", "--audience=door").strip()
    reviews = client.AuthenticationV1Api(api)

    def review(token, audiences=None):
        spec = client.V1TokenReviewSpec(token=token, audiences=audiences)
        return reviews.create_token_review(client.V1TokenReview(spec=spec)).status
    said = review(token, ["door", "other"])
    assert said.authenticated and said.user.username == "system:serviceaccount:default:default" and said.audiences == ["door"]
    assert not review(token).authenticated
    assert not review(token[:-2] + "xx", ["door"]).authenticated
    said = review(team["ada"].token)
    assert said.authenticated and said.user.username == "ada"


def test_subject_access_review(api, team):
    reviews = client.AuthorizationV1Api(api)

    def ask(user, verb, resource, space, group=""):
        spec = client.V1SubjectAccessReviewSpec(user=user, resource_attributes=client.V1ResourceAttributes(
            verb=verb, resource=resource, namespace=space, group=group))
        return reviews.create_subject_access_review(client.V1SubjectAccessReview(spec=spec)).status
    said = ask("ada", "create", "pods", "team-a")
    assert said.allowed and 'RoleBinding "team-a/ada" of ClusterRole "edit"' in said.reason
    assert not ask("ada", "create", "pods", "team-b").allowed
    local = client.V1LocalSubjectAccessReview(spec=client.V1SubjectAccessReviewSpec(
        user="bob", resource_attributes=client.V1ResourceAttributes(verb="get", resource="secrets", namespace="team-b")))
    assert reviews.create_namespaced_local_subject_access_review("team-b", local).status.allowed
    with pytest.raises(client.ApiException):
        reviews.create_namespaced_local_subject_access_review("team-a", local)


SCRIPT = """
import json
from kubernetes import client, config
config.load_incluster_config()
core = client.CoreV1Api()
def attempt(name, call):
    try:
        call()
        print(name, "yes", flush=True)
    except client.ApiException as error:
        print(name, error.status, flush=True)
who = client.AuthenticationV1Api().create_self_subject_review(client.V1SelfSubjectReview())
print("who", who.status.user_info.username, flush=True)
print("pod", who.status.user_info.extra["authentication.kubernetes.io/pod-name"], flush=True)
print("namespace", open("/var/run/secrets/kubernetes.io/serviceaccount/namespace").read(), flush=True)
attempt("own", lambda: core.list_namespaced_config_map("workers"))
attempt("secrets", lambda: core.list_namespaced_secret("workers"))
attempt("foreign", lambda: core.list_namespaced_config_map("default"))
attempt("nodes", lambda: core.list_node())
"""


def test_a_pod_has_its_accounts_rights_and_no_more(owner, server, tmp_path):
    owner("create", "namespace", "workers")
    owner("create", "serviceaccount", "worker", "-n", "workers")
    owner("create", "role", "reader", "-n", "workers", "--verb=get,list", "--resource=configmaps")
    owner("create", "rolebinding", "worker", "-n", "workers", "--role=reader", "--serviceaccount=workers:worker")
    server.run("image", "map", "python", "env")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "asks", "namespace": "workers"},
           "spec": {"serviceAccountName": "worker", "restartPolicy": "Never",
                    "containers": [{"name": "c", "image": "python", "command": [sys.executable, "-c", SCRIPT],
                                    "env": [{"name": "PYTHONPATH", "value": ":".join(p for p in sys.path if p)}]}]}}
    owner("apply", "-f", "-", input=json.dumps(pod))
    deadline = time.monotonic() + 60
    phase = ""
    while time.monotonic() < deadline and phase not in ("Succeeded", "Failed"):
        phase = owner("get", "pod", "asks", "-n", "workers", "-o", "jsonpath={.status.phase}")
        time.sleep(0.1)
    log = owner("logs", "asks", "-n", "workers")
    assert phase == "Succeeded", log + owner("describe", "pod", "asks", "-n", "workers")
    assert log.splitlines() == ["who system:serviceaccount:workers:worker", "pod ['asks']", "namespace workers", "own yes",
                                "secrets 403", "foreign 403", "nodes 403"], log


# As upstream's admission writes it into every Pod, so it stands in many a chart.
PROJECTED = {"name": "kube-api-access", "projected": {"defaultMode": 0o644, "sources": [
    {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}]}}

WATCHER = """
import base64, json, ssl, time, urllib.error, urllib.request, os
folder = "/var/run/secrets/kubernetes.io/serviceaccount/"
url = "https://%s:%s/apis/authentication.k8s.io/v1/selfsubjectreviews" % (os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"])
trust = ssl.create_default_context(cafile=folder + "ca.crt")
said = None
while True:
    try:
        token = open(folder + "token").read()
        asked = urllib.request.Request(url, data=b"{}", headers={"Authorization": "Bearer " + token, "Content-Type": "application/json"})
        try:
            user = json.load(urllib.request.urlopen(asked, context=trust))["status"]["userInfo"]["username"]
        except urllib.error.HTTPError as error:
            user = error.code
        part = token.split(".")[1]
        jti = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))).get("jti", "none")
        if (now := (user, jti)) != said:
            print(*now, flush=True)
        said = now
    except OSError as error:
        print(error, flush=True)
    time.sleep(0.05)
"""


def lines_of(owner, name, count, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        lines = owner("logs", name, "-n", "renewal", check=False).stdout.splitlines()
        if len(lines) >= count:
            return lines
        time.sleep(0.2)
    raise AssertionError(owner("describe", "pod", name, "-n", "renewal") + "\n".join(lines))


@pytest.mark.parametrize("declared", [False, True])
def test_a_running_pods_token_is_renewed(owner, server, declared):
    """A real Pod calls us again and again with what its file says now. Its token is made old by hand (the shortest life is ten
    minutes): it is refused, then there is a new one, in the Pod that has run all the time."""
    owner("create", "namespace", "renewal", check=False)
    server.run("image", "map", "python", "env")
    name = "declared" if declared else "plain"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "renewal"},
           "spec": {"containers": [{"name": "c", "image": "python", "command": [sys.executable, "-c", WATCHER]}]}}
    if declared:
        pod["spec"] |= {"automountServiceAccountToken": False, "volumes": [PROJECTED]}
        pod["spec"]["containers"][0]["volumeMounts"] = [
            {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}]
    owner("apply", "-f", "-", input=json.dumps(pod))
    user, first = lines_of(owner, name, 1)[0].split()
    assert user == "system:serviceaccount:renewal:default"
    uid = owner("get", "pod", name, "-n", "renewal", "-o", "jsonpath={.metadata.uid}")
    volume = "kube-api-access" if declared else "modelkit-service-account"
    file = server.folder / "pods" / uid / "volumes" / volume / "token"
    old = base64.urlsafe_b64encode(json.dumps({"iat": 1000, "exp": 4600, "jti": "old"}).encode()).decode().rstrip("=")
    file.write_text(f"e30.{old}.c2ln")
    lines = lines_of(owner, name, 3)
    assert lines[1] == "401 old" and lines[2].startswith("system:serviceaccount:renewal:default "), lines
    assert lines[2].split()[1] not in (first, "old")
    assert owner("get", "pod", name, "-n", "renewal", "-o", "jsonpath={.status.containerStatuses[0].restartCount}") == "0"
    assert file.stat().st_mode & 0o077 == 0  # nobody else of this machine reads it


def test_every_namespace_knows_our_authority(owner, server, person):
    authority = (server.folder / "pki" / "ca.crt").read_text()

    def text(space):
        return owner("get", "configmap", "kube-root-ca.crt", "-n", space, "-o", "jsonpath={.data.ca\\.crt}", check=False).stdout

    def becomes_right(space):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and text(space) != authority:
            time.sleep(0.05)
        assert text(space) == authority
    becomes_right("default")
    becomes_right("kube-system")
    owner("create", "namespace", "trusting")
    becomes_right("trusting")
    owner("patch", "configmap", "kube-root-ca.crt", "-n", "trusting", "-p", '{"data":{"ca.crt":"mine"}}')
    becomes_right("trusting")
    owner("delete", "configmap", "kube-root-ca.crt", "-n", "trusting")
    becomes_right("trusting")
    owner("create", "configmap", "kube-root-ca.crt", "-n", "trusting", check=False)
    owner("delete", "namespace", "trusting", "--timeout=60s")
    assert "NotFound" in owner("get", "namespace", "trusting", check=False).stderr

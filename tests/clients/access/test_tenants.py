"""Two tenants on one server: whatever one of them asks of the other's things, by kubectl, MLflow's client, the console's calls or
the command line, is answered as if nothing were there."""
import http.client
import json
import os
import re
import subprocess
import threading
import urllib.parse

import mlflow
import pytest

from modelkit import BINARY

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "there"},
       "spec": {"containers": [{"name": "c", "image": "none-such"}]}}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "there"},
              "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}},
                       "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "none-such"}]}}}}
SERVICE = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "there"},
           "spec": {"predictor": {"model": {"modelFormat": {"name": "onnx"}, "storageUri": "models:/none-such@champion"}}}}


class Http:
    def __init__(self, server, token):
        self.place, self.token = urllib.parse.urlsplit(server.url).netloc, token

    def open(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.place, timeout=30)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        connection.request(method, path, body=body, headers={"Authorization": f"Bearer {self.token}", "Content-Type": kind})
        return connection.getresponse()

    def __call__(self, method, path, body=None):
        response = self.open(method, path, body)
        return response.status, response.read().decode(errors="replace")

    def items(self, path):
        status, text = self("GET", path)
        assert status == 200, text
        return [(item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in json.loads(text)["items"]]


@pytest.fixture(scope="module")
def things(owner, team, server):
    """bob's namespace holds one of each, all named `there`; ada's holds a deployment of her own."""
    for thing in (POD, DEPLOYMENT, SERVICE):
        owner("apply", "-n", "team-b", "-f", "-", input=json.dumps(thing))
    owner("apply", "-n", "team-a", "-f", "-", input=json.dumps(SERVICE | {"metadata": {"name": "hers"}}))
    for kind in ("secret generic", "configmap", "serviceaccount"):
        owner("create", *kind.split(), "there", "-n", "team-b")
    return team


QUESTIONS = [
    "get pod NAME", "get pods", "get pods -w --request-timeout=5s", "get pod NAME -o yaml", "get pods --field-selector=metadata.name=NAME",
    "get secret NAME", "get all", "get isvc NAME", "get deployment NAME --subresource=scale", "get pod NAME --subresource=status",
    "describe pod NAME", "describe deployment NAME", "logs NAME", "logs NAME --previous", "logs -f NAME",
    "get events", "events", "events --for=pod/NAME",
    "patch pod NAME --dry-run=server -p {}", "patch pod NAME --dry-run=server --type=json -p []", "label pod NAME a=b --dry-run=server",
    "annotate pod NAME a=b --dry-run=server", "scale deployment NAME --replicas=1", "rollout status deployment NAME --timeout=5s",
    "rollout restart deployment NAME", "set image deployment NAME c=x", "delete pod NAME --dry-run=server", "delete pod NAME",
    "delete pods --all", "wait pod NAME --for=condition=Ready --timeout=5s", "create configmap NAME --dry-run=server",
    "create configmap NAME", "create token NAME", "exec NAME -- true", "get rolebinding NAME", "auth can-i get pod/NAME",
    "apply --dry-run=server -f -", "apply --server-side --dry-run=server -f -", "diff -f -", "replace -f -",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_kubectl_cannot_tell_what_is_there(things, question):
    def ask(space, name):
        manifest = json.dumps(POD | {"metadata": {"name": name, "namespace": space}}) if question.endswith("-f -") else None
        code, out, err = things["ada"].run(*(word.replace("NAME", name) for word in question.split()), "-n", space, input=manifest)
        return code, re.sub(rf"\b({space}|{name})\b", "X", out + err)
    answers = {place: ask(*place) for place in (("team-b", "there"), ("team-b", "absent"), ("no-team", "absent"))}
    assert len(set(answers.values())) == 1, answers
    code, text = answers["team-b", "there"]
    assert code != 0 and ("orbidden" in text or text == "no\n"), (code, text)


def test_the_same_through_everything_the_server_answers(things, server, person):
    """Every route of the server as somebody without any right, by its own list of routes."""
    cy = Http(server, person("cyrus").token)
    status, text = Http(server, things["ada"].token)("GET", "/debug/routes")
    assert status == 403, text
    rows = json.loads(http_as_owner(server, "/debug/routes"))["routes"]
    asked, wrong = 0, []
    for row in rows:
        if not row["verb"] or not row["resource"] or row["resource"].startswith("selfsubject"):
            continue  # for everyone, or discovery
        answers = set()
        for space, name in (("team-b", "there"), ("team-b", "absent"), ("no-team", "absent")):
            path = row["pattern"].replace("{namespace}", space).replace("{name}", name)
            path = re.sub(r"\{[^}]*\}", "x", path)
            code, said = cy(row["method"], path, "{}" if row["method"] in ("POST", "PUT", "PATCH") else None)
            answers.add((code, said.replace(space, "SPACE").replace(name, "NAME")))
        asked += 1
        if len(answers) != 1 or next(iter(answers))[0] != 403:
            wrong.append((row, answers))
    assert wrong == [] and asked > 300


def http_as_owner(server, path):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.url).netloc, timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.status == 200
    return response.read()


def test_what_is_visible_over_all_namespaces(things, server, owner):
    ada, bob = (Http(server, things[name].token) for name in ("ada", "bob"))
    assert ada.items("/api/v1/namespaces?visible=true") == [("", "team-a")]
    assert bob.items("/api/v1/namespaces?visible=true") == [("", "team-b")]
    assert ("team-a", "settings") in ada.items("/api/v1/configmaps?visible=true")
    assert {space for space, _ in ada.items("/api/v1/configmaps?visible=true&limit=1")} == {"team-a"}
    assert ada.items("/api/v1/configmaps?visible=true&fieldSelector=metadata.namespace=team-b") == []
    assert {space for space, _ in bob.items("/api/v1/pods?visible=true")} == {"team-b"}
    assert ada.items("/api/v1/pods?visible=true") == []
    # Without asking for it a list is all or nothing, as kubectl and informers rely on.
    assert ada("GET", "/api/v1/configmaps")[0] == 403 and ada("GET", "/api/v1/namespaces")[0] == 403
    assert ada("GET", "/api/v1/nodes?visible=true")[0] == 403
    assert ada("DELETE", "/api/v1/namespaces/team-b/configmaps?visible=true")[0] == 403
    assert len(json.loads(owner("get", "--raw", "/api/v1/configmaps?visible=true"))["items"]) >= 2
    # kubectl shows it as it is.
    assert '"team-a"' in things["ada"]("get", "--raw", "/api/v1/namespaces?visible=true")


def test_a_watch_over_all_namespaces_tells_of_ones_own(things, server, owner):
    """Each of the two sees what happens in their namespace, whatever happens in the other."""
    seen = {"ada": [], "bob": []}

    def follow(name):
        response = Http(server, things[name].token).open("GET", "/api/v1/configmaps?visible=true&watch=true&timeoutSeconds=60")
        assert response.status == 200
        for line in response:
            event = json.loads(line)
            seen[name].append((event["type"], event["object"]["metadata"]["namespace"], event["object"]["metadata"]["name"]))
            if event["object"]["metadata"]["name"] == "last" and event["type"] == "ADDED":
                return
    followers = [threading.Thread(target=follow, args=[name]) for name in seen]
    for one in followers:
        one.start()
    for space in ("team-a", "team-b"):
        owner("create", "configmap", "seen", "-n", space)
        owner("label", "configmap", "seen", "-n", space, "x=y")
        owner("delete", "configmap", "seen", "-n", space)
    for space in ("team-b", "team-a"):
        owner("create", "configmap", "last", "-n", space)
    for one in followers:
        one.join(60)
    for name, space in (("ada", "team-a"), ("bob", "team-b")):
        assert {at for _, at, _ in seen[name]} == {space}, seen[name]
        assert [kind for kind, _, what in seen[name] if what == "seen"][-1] == "DELETED" and seen[name][-1][2] == "last"
        owner("delete", "configmap", "last", "-n", space)


@pytest.mark.parametrize("path", ["/api/v1/namespaces/open/configmaps?watch=true", "/api/v1/configmaps?watch=true&visible=true"])
def test_a_watch_ends_with_the_right_to_it(server, owner, person, path):
    owner("create", "namespace", "open", check=False)
    ida = person("ida" + str(len(path)))
    owner("create", "rolebinding", ida.name, "--clusterrole=view", f"--user={ida.name}", "-n", "open")
    response = Http(server, ida.token).open("GET", path + "&timeoutSeconds=600")
    assert response.status == 200
    owner("delete", "rolebinding", ida.name, "-n", "open")
    for _ in response:  # ends by itself, long before its time is over: else the connection's time-out fails the test
        pass
    assert Http(server, ida.token)("GET", path)[0] == 403


def test_mlflow_shows_nothing_to_who_has_no_right(server, team, person, monkeypatch, owner):
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN", raising=False)
    ours = mlflow.MlflowClient(server.url)
    experiment = ours.create_experiment("secret-plans")
    run = ours.create_run(experiment).info.run_id
    ours.log_param(run, "p", "1")
    ours.log_text(run, "text", "a.txt")
    ours.create_registered_model("wine")
    ours.create_model_version("wine", source=f"runs:/{run}/a.txt", run_id=run)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", person("mia").token)
    hers = mlflow.MlflowClient(server.url)

    def said(call, *words):
        with pytest.raises(mlflow.exceptions.MlflowException) as refused:
            call(*words)
        text = str(refused.value)
        for word in words:
            text = text.replace(str(word), "X")
        return text
    missing = "0" * 32
    pairs = [(hers.get_experiment, experiment, "999"), (hers.get_experiment_by_name, "secret-plans", "nothing"),
             (hers.get_run, run, missing), (hers.get_registered_model, "wine", "beer"), (hers.delete_registered_model, "wine", "beer"),
             (hers.list_artifacts, run, missing), (hers.set_terminated, run, missing), (hers.delete_experiment, experiment, "999")]
    for call, there, absent in pairs:
        assert said(call, there) == said(call, absent) and "forbidden" in said(call, there), call
    for call in (hers.search_experiments, hers.search_registered_models, hers.search_model_versions):
        assert "forbidden" in said(call)
    assert "forbidden" in said(hers.search_runs, [experiment])
    for path in (f"/get-artifact?run_id={run}&path=a.txt", f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/a.txt"):
        token = os.environ["MLFLOW_TRACKING_TOKEN"]
        assert Http(server, token)("GET", path)[0] == 403
    # A model is not to be had by deploying it either.
    nia = person("nia")
    owner("create", "rolebinding", "nia", "--clusterrole=edit", "--user=nia", "-n", "team-a")
    for uri in ("models:/wine/1", "models:/beer/1"):
        isvc = json.loads(json.dumps(SERVICE).replace("models:/none-such@champion", uri).replace("there", "taken"))
        refused = nia.refused("apply", "-n", "team-a", "-f", "-", input=json.dumps(isvc))
        assert 'cannot get resource "modelversions"' in refused and "must be able to read it" in refused


def test_the_consoles_calls(things, server):
    """What its pages ask for, as web/src/api does."""
    ada, bob = (Http(server, things[name].token) for name in ("ada", "bob"))
    services = "/apis/serving.kserve.io/v1beta1"
    assert ada.items(f"{services}/inferenceservices?visible=true") == [("team-a", "hers")]
    assert bob.items(f"{services}/inferenceservices?visible=true") == [("team-b", "there")]
    for path in (f"{services}/namespaces/team-b/inferenceservices/NAME", "/api/v1/namespaces/team-b/pods?labelSelector=a%3DNAME",
                 "/api/v1/namespaces/team-b/events?fieldSelector=involvedObject.uid%3DNAME",
                 "/api/v1/namespaces/team-b/pods/NAME/log?tailLines=10"):
        there, absent = (ada("GET", path.replace("NAME", name)) for name in ("there", "absent"))
        assert there[0] == 403 and there == (absent[0], absent[1].replace("absent", "there")), path
    for path in ("experiments/search", "runs/search", "registered-models/search", "model-versions/search"):
        method = "GET" if path.startswith(("reg", "mod")) else "POST"
        assert ada(method, f"/ajax-api/2.0/mlflow/{path}", "{}" if method == "POST" else None)[0] == 403


def test_the_command_line_shows_what_is_visible(things, server):
    def run(name, *words):
        return subprocess.run([BINARY, *words, "--server", server.url], capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, MODELKIT_TOKEN=things[name].token))
    assert [line.split()[:2] for line in run("ada", "get", "isvc", "-A").stdout.splitlines()[1:]] == [["team-a", "hers"]]
    assert "team-b" in run("bob", "get", "namespaces").stdout and "team-a" not in run("bob", "get", "namespaces").stdout
    refused = run("ada", "get", "nodes")
    assert refused.returncode != 0 and "forbidden" in refused.stderr

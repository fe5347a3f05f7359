"""Writers that remember what they were promised, and look whether it was kept. Plain HTTP: a client that retries by itself
would hide what a crash does."""
import http.client
import json
import threading
from urllib.parse import urlparse


class Api:
    """One connection to the server as it is now; raises OSError or HTTPException when the server goes away."""

    def __init__(self, url):
        place = urlparse(url)
        self.connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)

    def call(self, method, path, body=None, kind="application/json"):
        self.connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": kind})
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None


CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


class ObjectWriter:
    """Creates, patches and deletes ConfigMaps. After an unanswered call either state is right."""

    def __init__(self, name):
        self.name, self.step = name, 0
        self.known = {}    # name -> value that was acknowledged; None: deleted
        self.unsure = {}   # name -> value of the call that was not answered

    def write(self, api):
        self.step += 1
        name = f"{self.name}-{self.step % 7}"
        value = str(self.step)
        there = self.known.get(name) is not None
        wanted = None if there and self.step % 5 == 0 else value
        self.unsure[name] = wanted
        if not there:
            status, _ = api.call("POST", CONFIGMAPS, {"metadata": {"name": name}, "data": {"value": value}})
            assert status == 201, (name, status)
        elif wanted is None:
            status, _ = api.call("DELETE", f"{CONFIGMAPS}/{name}")
            assert status == 200, (name, status)
        else:
            status, _ = api.call("PATCH", f"{CONFIGMAPS}/{name}", {"data": {"value": value}}, "application/merge-patch+json")
            assert status == 200, (name, status)
        del self.unsure[name]
        self.known[name] = wanted

    def check(self, api):
        status, answer = api.call("GET", CONFIGMAPS)
        assert status == 200
        found = {item["metadata"]["name"]: item["data"]["value"] for item in answer["items"] if "value" in item.get("data", {})}
        for name in {*self.known, *self.unsure}:
            allowed = [self.known.get(name)] + ([self.unsure[name]] if name in self.unsure else [])
            assert found.get(name) in allowed, f"{name} is {found.get(name)}, and should be one of {allowed}"
            self.known[name] = found.get(name)
        self.unsure.clear()
        return len(self.known)


class RunWriter:
    """Logs metrics and parameters to an MLflow run; each batch is all there or not at all."""

    BATCH = 5

    def __init__(self, name, api):
        self.name, self.step = name, 0
        status, answer = api.call("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0", "run_name": name, "start_time": 1})
        assert status == 200, answer
        self.run = answer["run"]["info"]["run_id"]
        self.acknowledged = 0  # steps
        self.unsure = None

    def write(self, api):
        first = self.step
        self.unsure = first
        self.step += self.BATCH
        points = [{"key": "loss", "value": float(step), "timestamp": 1000 + step, "step": step} for step in range(first, self.step)]
        status, answer = api.call("POST", "/api/2.0/mlflow/runs/log-batch", {
            "run_id": self.run, "metrics": points, "params": [{"key": f"p{first}", "value": str(first)}]})
        assert status == 200, answer
        self.unsure = None
        self.acknowledged = self.step

    def check(self, api):
        steps, token = [], ""
        while True:
            status, page = api.call("GET", f"/api/2.0/mlflow/metrics/get-history?run_id={self.run}&metric_key=loss&max_results=5000"
                                    + (f"&page_token={token}" if token else ""))
            assert status == 200, page
            steps += [int(point.get("step", 0)) for point in page.get("metrics", [])]
            token = page.get("next_page_token", "")
            if not token:
                break
        assert steps == sorted(steps)
        allowed = [self.acknowledged] + ([self.unsure + self.BATCH] if self.unsure is not None else [])
        assert len(steps) in allowed and steps == list(range(len(steps))), (
            f"{self.name} has {len(steps)} points to step {max(steps, default=None)}, and should have {allowed}")
        status, answer = api.call("GET", f"/api/2.0/mlflow/runs/get?run_id={self.run}")
        params = {int(p["value"]) for p in answer["run"]["data"].get("params", [])}
        assert params == set(range(0, len(steps), self.BATCH)), "points and parameters of a batch are together there or not"
        self.step = self.acknowledged = len(steps)
        self.unsure = None
        return len(steps)


def write_until_it_goes_away(url, writers):
    """Starts a thread a writer; join them after the kill. Refusals are collected: a crash breaks connections, nothing else."""
    wrong = []

    def work(writer):
        api = Api(url)
        try:
            while True:
                writer.write(api)
        except (OSError, http.client.HTTPException):
            pass
        except AssertionError as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    return threads, wrong

"""Every route of the table, with what no client would send: always the user's error in the form of its protocol, never a 500,
never a crash, never SQL or a path in the text; and what was there before is there after."""
import http.client
import json
import re
import urllib.parse
import urllib.request

import pytest

STRINGS = ["", "x", "../../etc/passwd", "'; DROP TABLE runs; --", "\u0000", "a" * 300, "ÿ\U0001f600", "${jndi:x}", "%s%n", "NaN", "-1", "1e999"]
WRONG = [None, True, -1, 0, 2**63, 1e308, "", "x", "\u0000x", [], [None], [[]], {}, {"a": {}}, ["x"] * 2000]
FIELDS = ["name", "new_name", "experiment_id", "experiment_ids", "experiment_name", "run_id", "run_uuid", "run_ids", "key", "value", "timestamp", "step", "metrics", "params",
          "tags", "status", "filter", "order_by", "max_results", "page_token", "datasets", "models", "model_json", "start_time", "end_time", "run_name", "view_type",
          "run_view_type", "lifecycle_stage", "artifact_location", "source", "version", "alias", "stage", "archive_existing_versions", "description", "model_id",
          "model_type", "source_run_id", "path", "artifact_path", "num_parts", "metric_key", "start_step", "end_step", "apiVersion", "kind", "metadata", "spec",
          "data", "items", "op"]
BODIES = [b"", b"{", b"[]", b"null", b"5", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"a":1,"a":2}', b"{}" * 3, b'{"\\ud800":1}', b'{"name":"\\ud800"}', b"a: [", b"- 1\n- 2", b"just text",
          *(json.dumps(dict.fromkeys(FIELDS, value)).encode() for value in WRONG)]
TYPES = {"POST": ["application/json", "application/yaml", "text/plain"], "PUT": ["application/json", "application/yaml"],
         "PATCH": ["application/json", "application/merge-patch+json", "application/json-patch+json", "application/strategic-merge-patch+json",
                   "application/apply-patch+yaml"]}
LEAKS = re.compile(r"SELECT |INSERT |sqlite|/tmp/|\.cc:|std::|Traceback|errno|broken invariant|/root/", re.I)


@pytest.fixture(scope="module")
def routes(server):
    return json.load(urllib.request.urlopen(server.url + "/debug/routes"))["routes"]


class Sender:
    def __init__(self, server):
        self.address = urllib.parse.urlsplit(server.url)
        self.connection = None

    def __call__(self, method, target, body=None, content_type=None):
        for again in (True, False):
            self.connection = self.connection or http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=20)
            try:
                self.connection.request(method, target, body, {"Content-Type": content_type} if content_type else {})
                answer = self.connection.getresponse()
                text = answer.read()
                if answer.will_close:
                    self.connection.close()
                    self.connection = None
                return answer.status, text
            except (http.client.HTTPException, ConnectionError):
                # The server may close a connection whose body it refused to read; a second refusal is a crash.
                self.connection.close()
                self.connection = None
                if not again:
                    raise


def check(what, status, text):
    target = what[1]
    assert status < 500 or status in (501, 504, 507), (what, status, text[:300])
    if status < 400:
        return
    shown = text.decode(errors="replace")
    if "HEAD" != what[0] and target.startswith(("/api/2.0/mlflow", "/api/3.0/mlflow", "/ajax-api/")):
        answer = json.loads(shown)
        assert answer["error_code"] and answer["message"], (what, status, shown)
    elif target.startswith(("/api/v1", "/apis/")) and (status, shown) != (404, "404 page not found\n"):  # of an unknown group
        assert json.loads(shown)["kind"] == "Status" and json.loads(shown)["message"], (what, status, shown)
    for sent in STRINGS:  # a message may repeat what was sent, not what we are made of
        shown = shown.replace(sent, "") if len(sent) > 3 else shown
    assert not LEAKS.search(shown), (what, status, shown[:300])


def fill(pattern, word):
    return re.sub(r"\{[^}]*\}", urllib.parse.quote(word, safe="") or "x", pattern)


def test_no_body_is_a_500(server, routes):
    send = Sender(server)
    for row in routes:
        for content_type in TYPES.get(row["method"], []):
            for body in BODIES:
                target = fill(row["pattern"], "default")
                check((row["method"], target, content_type, body[:60]), *send(row["method"], target, body, content_type))
    assert server.process.poll() is None


def test_no_segment_and_no_query_is_a_500(server, routes):
    send = Sender(server)
    for row in routes:
        if row["method"] not in ("GET", "DELETE"):
            continue
        for word in STRINGS:
            target = fill(row["pattern"], word)
            check((row["method"], target), *send(row["method"], target))
            query = urllib.parse.urlencode([(field, word) for field in [*FIELDS, "limit", "continue", "labelSelector", "fieldSelector", "resourceVersion",
                                                                         "tailLines", "sinceSeconds", "artifact_file_path"]])
            target = fill(row["pattern"], "default") + "?" + query
            check((row["method"], target[:200]), *send(row["method"], target))
    assert server.process.poll() is None


def test_what_is_there_is_still_there(server):
    send = Sender(server)
    assert send("GET", "/health") == (200, b"OK")
    assert json.loads(send("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0")[1])["experiment"]["name"] == "Default"
    assert json.loads(send("GET", "/api/v1/namespaces/default")[1])["metadata"]["uid"]
    assert "error" not in server.output().lower().replace("error_code", ""), server.output()

"""What informers rely on, line by line."""
import json
import threading

import pytest
from objects import secret

SECRETS = "/api/v1/namespaces/{}/secrets"


@pytest.fixture
def secrets(kubectl, space):
    kubectl.apply(secret("a", space), secret("b", space))
    return SECRETS.format(space)


def kinds(events):
    return [(e["type"], e["object"].get("metadata", {}).get("name")) for e in events]


def test_starts_with_what_is_there(raw, secrets):
    for version in ("", "&resourceVersion=0"):
        assert kinds(raw.watch(secrets + "?x=1" + version)) == [("ADDED", "a"), ("ADDED", "b")]


def test_goes_on_from_a_version_and_misses_nothing(raw, secrets):
    _, listed, _ = raw("GET", secrets)
    raw("PATCH", secrets + "/a", json.dumps({"data": {"x": "MQ=="}}), {"Content-Type": "application/merge-patch+json"})
    raw("DELETE", secrets + "/b")
    events = raw.watch(f"{secrets}?resourceVersion={listed['metadata']['resourceVersion']}")
    assert kinds(events) == [("MODIFIED", "a"), ("DELETED", "b")]
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in events]
    assert versions == sorted(versions) and versions[0] > int(listed["metadata"]["resourceVersion"])


def test_a_watch_list_ends_with_a_bookmark_that_says_so(raw, secrets):
    events = raw.watch(secrets + "?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")
    assert kinds(events)[:2] == [("ADDED", "a"), ("ADDED", "b")]
    mark = events[2]
    assert mark["type"] == "BOOKMARK" and mark["object"]["kind"] == "Secret"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert mark["object"]["metadata"]["resourceVersion"]


def test_entering_and_leaving_a_selector(raw, secrets):
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(raw.watch(secrets + "?labelSelector=x%3D1", 3)))
    _, before, _ = raw("GET", secrets)
    thread = threading.Thread(target=lambda: seen.extend(raw.watch(
        f"{secrets}?labelSelector=x%3D1&resourceVersion={before['metadata']['resourceVersion']}", 2)))
    thread.start()
    for labels in ({"x": "1"}, {"y": "1"}, {"x": "2"}):
        raw("PATCH", secrets + "/a", json.dumps({"metadata": {"labels": labels}}), {"Content-Type": "application/merge-patch+json"})
    thread.join()
    assert kinds(seen) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_an_old_version_is_gone_and_one_of_the_future_too_large(raw, secrets):
    assert [e["object"]["code"] for e in raw.watch(secrets + "?resourceVersion=99999999")] == [504]
    status, answer, _ = raw("GET", secrets + "?resourceVersion=1&resourceVersionMatch=Exact")
    assert (status, answer["reason"]) == (410, "Expired")


def test_tables_and_metadata(raw, secrets):
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    _, listed, headers = raw("GET", secrets, headers={"Accept": table})
    assert listed["kind"] == "Table" and [row["cells"][0] for row in listed["rows"]] == ["a", "b"]
    assert listed["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    _, listed, _ = raw("GET", secrets + "?includeObject=None", headers={"Accept": table})
    assert listed["rows"][0]["object"] is None
    _, listed, _ = raw("GET", secrets, headers={"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"})
    assert listed["kind"] == "PartialObjectMetadataList" and "data" not in listed["items"][0]

"""kill -9 of modelkit under load, again and again: nothing that was acknowledged is lost, and Pods go on. MK_KILL_CYCLES sets
how often (20; 1,000 in ./x test --deep)."""
import os
import random
import subprocess
import time

from load import Api, ObjectWriter, RunWriter, write_until_it_goes_away

CYCLES = int(os.environ.get("MK_KILL_CYCLES", "20"))

DEPLOYMENT = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
    "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}},
             "template": {"metadata": {"labels": {"app": "web"}},
                          "spec": {"terminationGracePeriodSeconds": 1,
                                   "containers": [{"name": "main", "image": "tools:1", "command": ["sleep", "100000"]}]}}}}


def containers(api):
    """name -> (uid, restarts, when it started) of each Pod that runs."""
    status, answer = api.call("GET", "/api/v1/namespaces/default/pods")
    assert status == 200
    out = {}
    for pod in answer["items"]:
        for container in pod.get("status", {}).get("containerStatuses", []):
            if "running" in container["state"]:
                out[pod["metadata"]["name"]] = (pod["metadata"]["uid"], container["restartCount"], container["state"]["running"]["startedAt"])
    return out


def wait_for_two(api):
    deadline = time.monotonic() + 60
    while len(found := containers(api)) != 2:
        assert time.monotonic() < deadline, "the Deployment does not get its two Pods"
        time.sleep(0.02)
    return found


def test_kill_minus_nine_under_load_loses_nothing(make_server):
    chance = random.Random(7)
    server = make_server()
    server.run("image", "map", "tools:1", "env")
    api = Api(server.url)
    status, answer = api.call("POST", "/apis/apps/v1/namespaces/default/deployments", DEPLOYMENT)
    assert status == 201, answer
    pods = wait_for_two(api)
    writers = [*(ObjectWriter(f"settings-{i}") for i in range(3)), *(RunWriter(f"run-{i}", api) for i in range(3))]
    slowest = 0.0
    for cycle in range(CYCLES):
        threads, wrong = write_until_it_goes_away(server.url, writers)
        time.sleep(chance.uniform(0.02, 0.3))
        server.kill()
        for thread in threads:
            thread.join()
        assert not wrong, (cycle, wrong)
        began = time.monotonic()
        server.start()
        slowest = max(slowest, time.monotonic() - began)
        api = Api(server.url)
        kept = sum(writer.check(api) for writer in writers)
        if (cycle + 1) % 50 == 0:
            print(f"{cycle + 1} of {CYCLES} kills, {kept} facts kept", flush=True)
    assert wait_for_two(api) == pods, "Pods go on as they were, whatever happens to modelkit"
    assert kept > 20 * len(writers), "there was load"
    assert slowest < 5
    print(f"{CYCLES} kills, {kept} facts kept, slowest start {slowest:.2f} s")
    server.stop()
    check = subprocess.run(["sqlite3", server.folder / "store.db", "PRAGMA integrity_check"], capture_output=True, text=True) \
        if os.path.exists("/usr/bin/sqlite3") else None
    assert check is None or check.stdout == "ok\n"

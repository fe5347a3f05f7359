"""One server with data from real clients, and one browser: Debian's Chromium, headless, without its own network traffic.
A page fails its test on any script error."""
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from playwright.sync_api import sync_playwright

from modelkit import Modelkit
from serving_parts import Kubectl, register_times

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One for all pages: they only read, and every test looks for its own names."""
    folder = tmp_path_factory.mktemp("console") / "data"
    folder.mkdir()
    started = Modelkit(folder)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def kubectl(server):
    return Kubectl(server)


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server):
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=server.url)
    page = context.new_page()
    page.set_default_timeout(10_000)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors, errors


@pytest.fixture(scope="session")
def runs(server):
    """Sixty runs of one experiment: its id, and the ids of the runs by name."""
    client = MlflowClient(tracking_uri=server.url)
    experiment = client.create_experiment("console")
    made = {}
    for i in range(60):
        run = client.create_run(experiment, run_name=f"forest-{i}")
        client.log_batch(run.info.run_id, metrics=[Metric("accuracy", (i + s) / 100, 1000 + s, s) for s in range(5)],
                         params=[Param("trees", str(i)), Param("note", "<img src=x onerror=window.hacked=1>")])
        client.set_terminated(run.info.run_id)
        made[f"forest-{i}"] = run.info.run_id
    return experiment, made


@pytest.fixture(scope="session")
def models(server):
    """`times` with three versions and two aliases, `empty-shelf` without versions."""
    register_times(server)
    client = MlflowClient(tracking_uri=server.url)
    client.set_registered_model_alias("times", "champion", "1")
    client.set_registered_model_alias("times", "challenger", "2")
    client.update_registered_model("times", description="Multiplies its row by a number")
    client.create_registered_model("empty-shelf", description="<b>nothing</b> yet")
    return client


@pytest.fixture(scope="session")
def deployments(server, models):
    """`shared` answers 90 : 10 from two revisions; `stuck` keeps its old revision, because the new one does not load."""
    done = [server.run("deploy", model, "--name", name, "--format", "onnx", *more, check=False)
            for name, model, *more in (("shared", "models:/times/1"), ("shared", "models:/times@challenger", "--canary", "10"), ("stuck", "models:/times/1"))]
    assert [d.returncode for d in done] == [0, 0, 0], [d.stdout + d.stderr for d in done]
    failed = server.run("deploy", "models:/times/3", "--name", "stuck", "--format", "onnx", check=False)
    assert failed.returncode == 1, failed.stdout + failed.stderr
    return ["shared", "stuck"]

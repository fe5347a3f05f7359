"""What holds for every page: axe finds nothing in light and dark, and no page is wider than its window. With MK_SHOTS=folder
the pictures are kept there for looking at."""
import gzip
import os
import re
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect

from modelkit import ROOT

AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
BUNDLE_MAX = 150 * 1024  # bytes of all assets as they are sent
PAGES = {
    "runs": lambda d: (f"/ui/runs?experiment={d['experiment']}", "60 shown"),
    "run": lambda d: (f"/ui/runs/{d['run']}", "Artifacts"),
    "runs-empty": lambda d: (f"/ui/runs?experiment={d['empty']}", "No runs yet"),
    "runs-refused": lambda d: (f"/ui/runs?experiment={d['experiment']}&filter=metrics.", "Runs"),
    "models": lambda d: ("/ui/models", "empty-shelf"),
    "model": lambda d: ("/ui/models/times", "3 versions"),
    "deployments": lambda d: ("/ui/deployments", "models:/times/2"),
    "deployment": lambda d: ("/ui/deployments/default/shared", "shared-predictor-00001"),
    "deployment-failed": lambda d: ("/ui/deployments/default/stuck", "still answers 100 %"),
    "deployment-events": lambda d: ("/ui/deployments/default/stuck?tab=events", "RevisionFailed"),
    "deployment-logs": lambda d: ("/ui/deployments/default/stuck?tab=logs", "Logs"),
    "deployment-yaml": lambda d: ("/ui/deployments/default/stuck?tab=yaml", "InferenceService"),
}


@pytest.fixture(scope="module")
def data(runs, deployments, models):
    return {"experiment": runs[0], "run": runs[1]["forest-7"], "empty": models.create_experiment("nothing-here")}


def check(page, name):
    """In both themes and widths: not wider than the window, and nothing for axe to say."""
    if not AXE.exists():
        pytest.fail("axe-core is missing in web/node_modules: run ./x setup")
    page.evaluate(AXE.read_text())
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        for width in (1440, 900):
            page.set_viewport_size({"width": width, "height": 900})
            if shots := os.environ.get("MK_SHOTS"):
                Path(shots).mkdir(parents=True, exist_ok=True)
                page.wait_for_timeout(150)
                page.screenshot(path=Path(shots) / f"{name}-{width}-{theme}.png")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than {width} px"
        found = page.evaluate("axe.run().then((r) => r.violations.map("
                              "(v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).slice(0, 3).join(' | ')}`))")
        assert found == [], f"{theme}: " + "\n".join(found)


@pytest.mark.parametrize("name", PAGES)
def test_page(page, data, name):
    address, text = PAGES[name](data)
    page.goto(address)
    expect(page.get_by_text(text).first).to_be_visible()
    if name == "run":
        expect(page.locator("canvas")).to_have_count(1)
    page.get_by_role("button", name="As command").click()
    check(page, name)


def test_a_fresh_server_says_how_to_begin(page, make_server):
    fresh = make_server("fresh")
    for name, snippet in (("runs", "mlflow.start_run()"), ("models", "registered_model_name"), ("deployments", "modelkit deploy")):
        page.goto(f"{fresh.url}/ui/{name}")
        expect(page.locator(".empty pre")).to_contain_text(snippet)
        check(page, f"{name}-fresh")


def test_the_chart_follows_the_theme(page, data):
    page.goto(f"/ui/runs/{data['run']}")
    expect(page.locator("canvas")).to_have_count(1)
    pixels = "document.querySelector('canvas').toDataURL()"
    before = page.evaluate(pixels)
    page.get_by_label("Theme").select_option("dark")
    page.wait_for_function(f"(before) => {pixels} !== before", arg=before)
    expect(page.locator("canvas")).to_have_count(1)


def test_the_console_stays_small(server):
    def fetch(path):
        request = urllib.request.Request(server.url + path, headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request) as answer:
            body = answer.read()
            return body, gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body

    sent, html = fetch("/ui/runs")
    sizes = {"index.html": len(sent)}
    for path in re.findall(r'(?:src|href)="(/[^"]+)"', html.decode()):
        sizes[path] = len(fetch(path)[0])
    assert set(sizes) == {"index.html", "/assets/app.js", "/assets/app.css"}
    assert sum(sizes.values()) <= BUNDLE_MAX, sizes

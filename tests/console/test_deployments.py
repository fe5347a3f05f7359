"""Deployments as a person sees them: health, shares, why one is not ready, its events, logs and YAML."""
import json

import yaml
from playwright.sync_api import expect


def row(page, name):
    return page.get_by_role("region", name="Deployments").locator("tbody tr").filter(has=page.get_by_role("link", name=name, exact=True))


def test_list_shows_health_and_shares(page, deployments):
    page.goto("/ui/deployments")
    expect(row(page, "shared")).to_contain_text("Ready")
    expect(row(page, "shared").get_by_role("img", name="shared-predictor-00002 10 %, shared-predictor-00001 90 %")).to_be_visible()
    expect(row(page, "shared")).to_contain_text("models:/times/2")
    expect(row(page, "stuck")).to_contain_text("Failed")
    expect(row(page, "stuck").get_by_role("img", name="stuck-predictor-00001 100 %")).to_be_visible()
    row(page, "shared").get_by_role("link", name="shared").click()
    expect(page.get_by_role("heading", name="shared")).to_be_visible()


def test_a_failed_revision_says_why_and_who_still_answers(page, deployments):
    page.goto("/ui/deployments/default/stuck")
    why = page.locator(".why")
    expect(why).to_contain_text("stuck-predictor-00002")
    expect(why).to_contain_text("stuck-predictor-00001 still answers 100 % of the requests")
    expect(page.get_by_role("region", name="Pods")).to_contain_text("stuck-predictor-00001")


def test_a_healthy_one_gives_no_reasons(page, deployments):
    page.goto("/ui/deployments/default/shared")
    expect(page.get_by_role("region", name="Pods").locator("tbody tr:not(.pad)")).to_have_count(2)
    expect(page.locator(".why")).to_have_count(0)
    expect(page.locator(".facts")).to_contain_text("shared-predictor-00002 (latest)")


def test_from_a_deployment_to_the_run_that_made_its_model(page, deployments, models):
    run = models.get_run(models.get_model_version_by_alias("times", "challenger").run_id).info
    page.goto("/ui/deployments/default/shared")
    page.get_by_role("link", name=f"run {run.run_id[:8]}").click()
    expect(page.get_by_role("heading", name=run.run_name)).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="models:/times/2").click()
    expect(page.get_by_role("heading", name="times")).to_be_visible()


def test_events_logs_and_yaml(page, deployments, kubectl):
    page.goto("/ui/deployments/default/stuck")
    parts = page.get_by_role("navigation", name="Parts")
    parts.get_by_role("link", name="Events").click()
    expect(page.get_by_role("region", name="Events")).to_contain_text("RevisionFailed")
    parts.get_by_role("link", name="Logs").click()
    # It starts again and again; the page follows, whatever it has written when we look.
    assert page.get_by_label("Pod").input_value().startswith("stuck-")
    expect(page.locator("pre.logs")).to_contain_text("does not load", timeout=15_000)
    parts.get_by_role("link", name="YAML").click()
    # The tab is in the address, and the text is the object as kubectl has it.
    page.goto(page.url)
    shown = yaml.safe_load(page.locator("pre.yaml").inner_text())
    assert shown["spec"] == json.loads(kubectl("get", "isvc", "stuck", "-o", "json").stdout)["spec"]
    assert shown["kind"] == "InferenceService"


def test_a_change_is_seen_without_a_reload(page, server, deployments):
    server.run("deploy", "models:/times/1", "--name", "brief", "--format", "onnx")
    page.goto("/ui/deployments")
    expect(row(page, "brief")).to_contain_text("Ready")
    server.run("delete", "isvc", "brief")
    expect(row(page, "brief")).to_have_count(0)


def test_one_that_is_not_there(page, server):
    page.goto("/ui/deployments/default/nobody")
    expect(page.get_by_role("alert")).to_contain_text("nobody")

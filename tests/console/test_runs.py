"""The runs table and the page of one run, with data made by the real MLflow client."""
from mlflow import MlflowClient
from playwright.sync_api import expect


def table(page):
    return page.get_by_role("region", name="Runs")


def test_rows_sort_and_filter(page, runs):
    page.goto(f"/ui/runs?experiment={runs[0]}")
    expect(page.get_by_text("60 shown")).to_be_visible()
    table(page).get_by_role("button", name="accuracy").click()
    expect(table(page).locator("tbody tr:not(.pad)").first).to_contain_text("forest-59")
    table(page).get_by_role("button", name="accuracy").click()
    expect(table(page).locator("tbody tr:not(.pad)").first).to_contain_text("forest-0")
    page.get_by_label("Filter").fill("metrics.accuracy > 0.5 AND params.trees = '55'")
    page.get_by_label("Filter").press("Enter")
    expect(page.get_by_text("1 shown")).to_be_visible()
    expect(table(page)).to_contain_text("forest-55")
    # The address holds the view: a colleague who opens it sees the same.
    page.goto(page.url)
    expect(page.get_by_text("1 shown")).to_be_visible()


def test_a_bad_filter_is_explained(page, runs):
    page.goto(f"/ui/runs?experiment={runs[0]}")
    page.get_by_label("Filter").fill("metrics.accuracy >")
    page.get_by_label("Filter").press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()


def test_what_people_wrote_is_text(page, runs):
    page.goto(f"/ui/runs?experiment={runs[0]}")
    expect(table(page)).to_contain_text("<img src=x onerror")
    assert page.evaluate("window.hacked") is None


def test_keyboard(page, runs):
    page.goto(f"/ui/runs?experiment={runs[0]}&order=metrics.accuracy+DESC")
    expect(page.get_by_text("60 shown")).to_be_visible()
    table(page).focus()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="forest-58")).to_be_visible()


def test_run_page(page, runs):
    page.goto(f"/ui/runs/{runs[1]['forest-7']}")
    expect(page.get_by_role("heading", name="forest-7")).to_be_visible()
    expect(page.get_by_role("img", name="accuracy over 5 steps, last 0.11")).to_be_visible()
    expect(page.locator("canvas")).to_have_count(1)
    expect(page.locator(".facts").filter(has_text="trees")).to_contain_text("7")


def test_links_that_the_mlflow_client_prints(page, runs):
    page.goto(f"/#/experiments/{runs[0]}/runs/{runs[1]['forest-7']}")
    expect(page.get_by_role("heading", name="forest-7")).to_be_visible()


def test_an_empty_experiment_says_how_to_fill_it(page, server):
    experiment = MlflowClient(tracking_uri=server.url).create_experiment("empty")
    page.goto(f"/ui/runs?experiment={experiment}")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    expect(page.locator("pre")).to_contain_text(server.url)

"""The list of models and the versions of one, with data made by the real MLflow client."""
from mlflow import MlflowClient
from playwright.sync_api import expect


def rows(page, label):
    return page.get_by_role("region", name=label).locator("tbody tr:not(.pad)")


def test_list(page, models):
    page.goto("/ui/models")
    expect(page.get_by_role("heading", name="Models")).to_be_visible()
    row = rows(page, "Models").filter(has_text="times")
    expect(row).to_contain_text("champion → 1")
    expect(row).to_contain_text("challenger → 2")
    expect(row).to_contain_text("Multiplies its row by a number")
    expect(row.locator("td").nth(1)).to_have_text("3")
    # What people wrote is text.
    expect(rows(page, "Models").filter(has_text="empty-shelf")).to_contain_text("<b>nothing</b> yet")


def test_find_by_part_of_a_name(page, models):
    page.goto("/ui/models")
    expect(rows(page, "Models").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("IME")
    expect(page.get_by_text("1 shown")).to_be_visible()
    expect(rows(page, "Models")).to_have_count(1)
    # The address holds the view.
    page.goto(page.url)
    expect(page.get_by_label("Find a model")).to_have_value("IME")
    expect(page.get_by_text("1 shown")).to_be_visible()
    models.create_registered_model("it's quoted")
    page.get_by_label("Find a model").fill("it's")
    expect(rows(page, "Models")).to_contain_text("it's quoted")
    page.get_by_label("Find a model").fill("it's not there")
    expect(page.get_by_text("No model has “it's not there” in its name.")).to_be_visible()


def test_versions(page, models):
    page.goto("/ui/models")
    page.get_by_role("link", name="times").click()
    expect(page.get_by_role("heading", name="times")).to_be_visible()
    expect(page.get_by_text("3 versions")).to_be_visible()
    expect(rows(page, "Versions").locator("td:first-child")).to_have_text(["3", "2", "1"])
    expect(rows(page, "Versions").nth(2)).to_contain_text("champion")
    expect(rows(page, "Versions").nth(1)).to_contain_text("challenger")
    expect(rows(page, "Versions").nth(0)).to_contain_text("modelkit deploy models:/times/3 --name times")
    run = models.get_run(models.get_model_version("times", "1").run_id).info
    rows(page, "Versions").nth(2).get_by_role("link", name=run.run_id[:8]).click()
    expect(page.get_by_role("heading", name=run.run_name)).to_be_visible()


def test_an_alias_that_moves_is_seen_without_a_reload(page, server):
    client = MlflowClient(tracking_uri=server.url)
    client.create_registered_model("moving")
    for _ in range(2):
        client.create_model_version("moving", "models:/times/1", run_id=None)
    client.set_registered_model_alias("moving", "live", "1")
    page.goto("/ui/models/moving")
    expect(rows(page, "Versions").nth(1)).to_contain_text("live")
    client.set_registered_model_alias("moving", "live", "2")
    expect(rows(page, "Versions").nth(0)).to_contain_text("live")
    expect(rows(page, "Versions").nth(1)).not_to_contain_text("live")


def test_a_model_without_versions_and_one_that_is_not_there(page, models):
    page.goto("/ui/models/empty-shelf")
    expect(page.get_by_text("No versions yet")).to_be_visible()
    page.goto("/ui/models/nobody")
    expect(page.get_by_role("alert")).to_contain_text("nobody")

"""The Evaluate tab as a person uses it, in a real browser on a real server. The reports are made up."""

import csv
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from studio.config import FULL, RunConfig
from studio.studio import Studio
from tests.live_page import assert_fits
from tests.ui import made_up
from tests.ui.fake_studio import finished_run, open_fake_studio

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

Scheme = Literal["light", "dark"]


@pytest.fixture
def studio(home: Path) -> Studio:
    """The server's own data folder, with two evaluated runs of one data set and one that was never evaluated."""
    studio = open_fake_studio(home, clock=lambda: 1_800_000_000.0)
    dataset = studio.data.add_sample("order_slips").id
    full = finished_run(studio, dataset_id=dataset, config=RunConfig(name="heron", method=FULL))
    made_up.write(full, made_up.report(full, accuracy=0.95))
    made_up.write(finished_run(studio, dataset_id=dataset, config=RunConfig(name="otter")))
    finished_run(studio, dataset_id=dataset, config=RunConfig(name="vole"))
    return studio


def choose(page: Page, run: str) -> None:
    """Open the Evaluate tab on a run, from the table of all runs."""
    page.get_by_role("tab", name="All runs", exact=True).click()
    page.get_by_role("button", name=run, exact=True).click()
    expect(page.locator("#runs-one")).to_contain_text(run)
    page.locator("#runs-actions").get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.get_by_role("tab", name="5. Evaluate", exact=True)).to_have_attribute("aria-selected", "true")


def test_a_report_is_read_searched_and_downloaded(studio: Studio, page: Page, tmp_path: Path) -> None:
    choose(page, "otter")
    expect(page.locator("#evaluate-summary")).to_contain_text("Right labels: 40 % before, 90 % after")
    expect(page.locator("#evaluate-summary")).to_contain_text("on 204 everyday texts, 2 % higher")
    scores = page.get_by_role("table", name="Scores on the task")
    page.get_by_role("button", name="Details: all scores").click()
    expect(scores.get_by_role("row").nth(1)).to_contain_text("clearly better")
    page.get_by_text("By subject (3)", exact=True).click()
    expect(page.get_by_role("region", name="General knowledge by subject")).to_contain_text("Law")
    expect(page.locator("#evaluate-confusions figure")).to_have_count(4)

    opening = page.locator("#evaluate-rows details")
    expect(opening).to_have_count(10)
    page.get_by_role("combobox", name="Order", exact=True).click()
    page.get_by_role("option", name="In their order", exact=True).click()
    expect(opening.first).to_contain_text("ticket 0?")
    expect(opening.first.get_by_text("Expected")).to_be_hidden()
    opening.first.locator("summary").click()
    expect(opening.first.get_by_text("Expected")).to_be_visible()
    page.locator("#evaluate-rows").get_by_role("button", name="Next", exact=True).click()
    expect(page.locator("#evaluate-rows")).to_contain_text("11 to 20 of 30 rows")
    page.get_by_role("textbox", name="Search the rows").fill("alert(7)")
    expect(opening).to_have_count(1)

    with page.expect_download() as saved:
        page.get_by_role("button", name="Download as CSV", exact=True).click()
    saved.value.save_as(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        assert [row["number"] for row in csv.DictReader(file)] == ["7"]

    expect(page.get_by_role("table", name="The methods compared")).to_contain_text("heron")
    expect(page.locator("#evaluate-scatter .scatterlayer .trace")).to_have_count(2)
    page.get_by_role("combobox", name="Forgetting of", exact=True).select_option("language")
    expect(page.locator("#evaluate-scatter .ytitle")).to_contain_text("change in language")
    expect(page.locator("#evaluate-offer")).to_contain_text("Trains QLoRA (4-bit) with the same examples")

    # What could make the result better does what it says.
    page.get_by_role("tab", name="3. Train", exact=True).click()
    advice = page.locator("#train-advice")
    expect(advice).to_contain_text("too few to learn much")
    advice.get_by_role("button", name="Train for 20 epochs", exact=True).click()
    expect(page.get_by_role("tab", name="2. Configure", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#configure-source")).to_contain_text("with Epochs 20")
    page.locator("#advanced > button").click()
    expect(page.locator("#setting-epochs input")).to_have_value("20")


def test_the_first_screen_says_what_matters_and_the_rest_is_near(studio: Studio, page: Page) -> None:
    """A report was 6,000 pixels high, and began with tables."""
    page.set_viewport_size({"width": 1280, "height": 800})
    choose(page, "otter")
    expect(page.locator("#evaluate-summary")).to_contain_text("No clear sign of forgetting.")
    expect(page.locator("#evaluate-rows details")).to_have_count(10)
    expect(page.locator("#evaluate-scatter .scatterlayer .trace")).to_have_count(2)
    page.evaluate("scrollTo(0, 0)")
    for said in ("What changed", "Confidence", "Forgetting"):
        expect(page.locator("#evaluate-summary").get_by_text(said, exact=True)).to_be_in_viewport()
    methods = page.get_by_role("table", name="The methods compared")
    expect(methods.get_by_role("row").nth(1)).to_be_in_viewport()
    expect(methods.get_by_role("row").nth(2)).to_be_in_viewport()
    expect(page.get_by_role("table", name="Scores on the task")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollHeight") < 2100


def test_a_report_leaves_as_a_page_that_needs_nothing(
    studio: Studio, page: Page, browser: Browser, tmp_path: Path
) -> None:
    choose(page, "otter")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download the report", exact=True).click()
    saved.value.save_as(tmp_path / "report.html")
    look_offline(browser, tmp_path / "report.html", width=1280, scheme="light")
    look_offline(browser, tmp_path / "report.html", width=390, scheme="dark")


def look_offline(browser: Browser, file: Path, *, width: int, scheme: Scheme) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri())
    expect(page.get_by_role("heading", name="otter", exact=True)).to_be_visible()
    expect(page.locator("svg")).to_have_count(2)
    assert asked == [file.as_uri()]
    assert said == []
    assert_fits(page)
    context.close()


def test_a_run_that_was_never_evaluated_says_so_and_nothing_is_too_wide(studio: Studio, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    choose(page, "vole")
    expect(page.locator("#evaluate-status")).to_contain_text("This run was not evaluated when it finished.")
    expect(page.get_by_role("button", name="Evaluate it now", exact=True)).to_be_visible()
    expect(page.locator("#evaluate-details")).to_be_hidden()
    choose(page, "otter")
    page.get_by_role("button", name="Details: all scores").click()
    expect(page.locator("#evaluate-confusions figure")).to_have_count(4)
    assert_fits(page)

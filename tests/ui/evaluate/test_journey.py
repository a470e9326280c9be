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
    expect(page.locator("#evaluate-headline")).to_contain_text("Accuracy rose from 40 % to 90%")
    scores = page.get_by_role("table", name="Scores on the task")
    expect(scores.get_by_role("row").nth(1)).to_contain_text("surely better")
    expect(page.locator("#evaluate-forgetting")).to_contain_text("general language 2 % worse")
    page.get_by_text("By subject (3)", exact=True).click()
    expect(page.get_by_role("region", name="General knowledge by subject")).to_contain_text("Law")
    expect(page.locator("#evaluate-confusions figure")).to_have_count(4)

    articles = page.locator("#evaluate-rows article")
    expect(articles).to_have_count(10)
    page.get_by_role("radio", name="All, as they come", exact=True).check()
    expect(articles.first).to_contain_text("ticket 0?")
    page.locator("#evaluate-rows").get_by_role("button", name="On", exact=True).click()
    expect(page.locator("#evaluate-rows")).to_contain_text("11 to 20 of 30 rows")
    page.get_by_role("textbox", name="Search the rows").fill("alert(7)")
    expect(articles).to_have_count(1)

    with page.expect_download() as saved:
        page.get_by_role("button", name="Download as CSV", exact=True).click()
    saved.value.save_as(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        assert [row["number"] for row in csv.DictReader(file)] == ["7"]

    expect(page.get_by_role("table", name="The trade-off")).to_contain_text("heron")
    expect(page.locator("#evaluate-scatter .scatterlayer .trace")).to_have_count(2)
    page.get_by_role("combobox", name="Forgetting of", exact=True).select_option("language")
    expect(page.locator("#evaluate-scatter .ytitle")).to_contain_text("general language")
    expect(page.locator("#evaluate-offer")).to_contain_text("Queues QLoRA (4-bit) with the same examples")


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
    expect(page.locator("#evaluate-status")).to_contain_text("was not evaluated at its end")
    expect(page.get_by_role("button", name="Evaluate it now", exact=True)).to_be_visible()
    expect(page.locator("#evaluate-scores")).to_be_hidden()
    choose(page, "otter")
    expect(page.locator("#evaluate-confusions figure")).to_have_count(4)
    assert_fits(page)

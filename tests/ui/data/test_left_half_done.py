"""What a person left half done on the Data tab, in a real browser: a reload, and two tabs on one data set."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from studio.data.library import DatasetLibrary
from studio.runs.launcher import PROJECT_ROOT

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

ROWS = [f"Where is bike {n}?,Write to shop@example.org about bike {n}." for n in range(12)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder with one data set."""
    table = tmp_path / "shop.csv"
    table.write_text("\n".join(["question,answer", *ROWS]), encoding="utf-8")
    DatasetLibrary(tmp_path / "home", samples_folder=PROJECT_ROOT / "assets" / "samples").add(table)
    return tmp_path / "home"


def begin_to_edit(page: Page, number: int, text: str) -> None:
    page.locator("#data-number input").fill(str(number))
    page.locator("#data-number input").press("Tab")
    expect(page.locator("#data-preview")).to_contain_text(f"Where is bike {number - 1}?")
    page.locator("#data-edit").click()
    page.locator("#data-editor textarea").last.fill(text)


def test_a_reload_loses_neither_typed_rows_nor_a_half_edited_example(page: Page) -> None:
    """Typed rows were kept in a section that came back closed, and a half edited example was gone."""
    expect(page.locator("#data-verdict")).to_contain_text("12 examples")
    page.locator("#data-bring > button").click()
    page.get_by_role("tab", name="Type", exact=True).click()
    page.get_by_label("Question 1", exact=True).fill("Do you rent bikes?")
    begin_to_edit(page, 5, "Bike 4 is in the yard.")
    page.reload()

    expect(page.locator("#data-typed-left")).to_contain_text("Typed rows that you have not added: 1")
    page.locator("#data-typed-left button").click()
    expect(page.get_by_label("Question 1", exact=True)).to_have_value("Do you rent bikes?")
    expect(page.get_by_label("Question 1", exact=True)).to_be_in_viewport()
    expect(page.locator("#data-typed-left")).not_to_contain_text("not added")

    expect(page.locator("#data-half")).to_contain_text("You began to edit an example and did not save it.")
    page.wait_for_timeout(3000)  # an answer that is late can close the editor again; the text stays kept
    page.locator("#data-half").get_by_role("button", name="Go on editing").click()
    expect(page.locator("#data-editor textarea").last).to_have_value("Bike 4 is in the yard.")
    expect(page.locator("#data-editor textarea").first).to_have_value("Where is bike 4?")
    expect(page.locator("#data-half")).not_to_contain_text("did not save")
    page.locator("#data-save").click()
    expect(page.locator("#data-preview")).to_contain_text("Bike 4 is in the yard.")
    page.reload()
    expect(page.locator("#data-preview")).to_contain_text("Where is bike")
    expect(page.locator("#data-half")).not_to_contain_text("did not save")


def test_a_change_on_an_older_version_in_another_tab_keeps_what_the_newer_did(page: Page) -> None:
    """One tab saved an edit of the version before the other's, which undid the masking of the other in silence."""
    expect(page.locator("#data-verdict")).to_contain_text("12 examples")
    begin_to_edit(page, 3, "Bike 2 is sold.")
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="Mask e-mail addresses").click()
    expect(other.locator("#data-version input")).to_have_value(
        "v2: masked e-mail addresses in 12 examples · 12 examples"
    )

    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#data-save").click()
    asked = page.locator("#data-waiting")
    expect(asked).to_contain_text("There is a newer version: v2: masked e-mail addresses in 12 examples")
    expect(asked.get_by_role("button", name="Make the change on version 2")).to_be_in_viewport(ratio=1)
    expect(asked.get_by_role("button", name="Make the change on version 2")).to_be_focused()
    asked.get_by_role("button", name="Make the change on version 2").click()
    expect(page.locator("#data-preview")).to_contain_text("Bike 2 is sold.")
    page.locator("#data-next").click()
    expect(page.locator("#data-preview")).to_contain_text("about bike 3")
    expect(page.locator("#data-preview")).not_to_contain_text("shop@example.org")

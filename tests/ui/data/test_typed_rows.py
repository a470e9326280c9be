import pytest
from playwright.sync_api import Page, expect

from studio.ui.data.typed_rows import read_rows


def test_rows_are_pairs_of_text_without_the_empty_ones() -> None:
    assert read_rows([["Why?", "So."], ["", None], ["Who?"], [1, 2, 3]]) == (("Why?", "So."), ("Who?", ""), ("1", "2"))


@pytest.mark.parametrize("sent", [None, 3, "text", {"a": "b"}, ["row", None, {}]])
def test_what_no_page_of_ours_sends_is_no_row(sent: object) -> None:
    assert read_rows(sent) == ()


@pytest.mark.browser
@pytest.mark.timeout(400)
def test_no_letter_is_lost_and_html_is_text(page: Page) -> None:
    """The first letter typed after a click in a cell was swallowed, and the training learned the broken text."""
    page.get_by_role("tab", name="Type", exact=True).click(timeout=60_000)
    for number in range(1, 6):
        page.get_by_label(f"Question {number}", exact=True).click()
        page.wait_for_timeout(300)
        page.keyboard.type(f"Where is <b>{number}</b>?")
        page.keyboard.press("Tab")
        page.keyboard.type(f"Here &amp; ${{value}} {number}")
    page.reload()
    page.get_by_role("tab", name="Type", exact=True).click(timeout=60_000)
    expect(page.get_by_label("Answer 5", exact=True)).to_have_value("Here &amp; ${value} 5", timeout=60_000)
    page.get_by_role("button", name="Add these rows", exact=True).click()
    expect(page.locator("#data-verdict")).to_contain_text("Ready: 5 examples", timeout=60_000)
    for number in range(1, 6):
        expect(page.locator("#data-table")).to_contain_text(f"Where is <b>{number}</b>?")
        expect(page.locator("#data-table")).to_contain_text(f"Here &amp; ${{value}} {number}")
    expect(page.get_by_label("Question 1", exact=True)).to_have_value("")

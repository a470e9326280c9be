"""The Data tab as a person uses it, in a real browser on a real server: bring, assign, fix, undo, keep."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


def bring(page: Page, *paths: Path) -> None:
    page.locator("#data-upload input[type=file]").set_input_files(list(paths))


def test_from_unknown_columns_to_a_clean_version(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    rows = [f'"Where is parcel {n}?","It is <b>on</b> its way, ask desk{n}@example.org.",x' for n in range(12)]
    file.write_text("foo,bar,baz\n" + "\n".join([*rows, rows[0], rows[0]]) + "\n", encoding="utf-8")
    bring(page, file)
    verdict = page.locator("#data-verdict")
    expect(verdict).to_contain_text("column")
    page.get_by_label("What the column foo holds", exact=True).select_option("prompt")
    page.get_by_label("What the column bar holds", exact=True).select_option("answer")
    expect(verdict).to_contain_text("Ready: 14 examples")
    expect(page.locator("#data-preview")).to_contain_text("It is <b>on</b> its way")

    checks = page.locator("#data-checks")
    expect(checks).to_contain_text("e-mail")
    checks.get_by_role("button", name="Keep one of each").first.click()
    expect(verdict).to_contain_text("Ready: 12 examples")
    checks.get_by_role("button", name="Mask").first.click()
    expect(page.locator("#data-preview")).to_contain_text("[email]")
    expect(page.locator("#data-preview")).not_to_contain_text("@example.org")

    checks.get_by_role("button", name="Undo: Left out", exact=False).first.click()
    expect(verdict).to_contain_text("Ready: 14 examples")
    expect(page.locator("#data-preview")).to_contain_text("[email]")


def test_pasted_text_is_kept_through_a_failure_and_versions_survive_a_reload(page: Page) -> None:
    page.get_by_role("tab", name="Paste", exact=True).click()
    rows = [json.dumps({"prompt": f"Say {n}.", "completion": f"It is {n}, that much is sure."}) for n in range(8)]
    page.locator("#data-pasted textarea").fill("\n".join([*rows, '{"prompt": broken']))
    page.get_by_role("button", name="Add this text", exact=True).click()
    expect(page.locator("#data-verdict")).to_contain_text("Ready: 8 examples")
    expect(page.locator("#data-problems")).to_contain_text("Rows left out")
    page.reload()
    expect(page.locator("#data-verdict")).to_contain_text("Ready: 8 examples")


def test_a_wrong_file_stays_with_its_next_step_until_dismissed(page: Page, tmp_path: Path) -> None:
    (tmp_path / "manual.pdf").write_bytes(b"%PDF-1.7\n" + bytes(range(256)))
    bring(page, tmp_path / "manual.pdf")
    card = page.locator("#data-imports")
    expect(card).to_contain_text("PDF")
    page.reload()
    expect(card).to_contain_text("PDF")
    card.get_by_role("button", name="Dismiss", exact=False).first.click()
    expect(card).not_to_contain_text("PDF")

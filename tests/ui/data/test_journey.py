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
    asked = [f"Where is parcel {n}? My number is 01225 555 1{n:02}." for n in range(12)]
    rows = [f'"{each}","It is <b>on</b> its way, ask desk{n}@example.org.",x' for n, each in enumerate(asked)]
    file.write_text("foo,bar,baz\n" + "\n".join([*rows, rows[0], rows[0]]) + "\n", encoding="utf-8")
    bring(page, file)
    verdict = page.locator("#data-verdict")
    expect(verdict).to_contain_text("column")
    page.get_by_label("What the column foo holds", exact=True).select_option("prompt")
    page.get_by_label("What the column bar holds", exact=True).select_option("answer")
    expect(verdict).to_contain_text("Ready: 14 examples")
    expect(page.locator("#data-preview")).to_contain_text("It is <b>on</b> its way")

    checks, preview = page.locator("#data-checks"), page.locator("#data-preview")
    expect(checks).to_contain_text("e-mail")
    expect(checks).to_contain_text("a telephone number")
    expect(checks).to_contain_text("Nobody checked whether the answers are true.")
    expect(preview.locator(".ls-talk .ls-personal").first).to_have_text("01225 555 100")
    checks.get_by_role("button", name="Keep one of each").first.click()
    expect(verdict).to_contain_text("Ready: 12 examples")
    checks.get_by_role("button", name="Mask").first.click()
    expect(page.locator("#data-preview")).to_contain_text("[email]")
    expect(page.locator("#data-preview")).not_to_contain_text("@example.org")

    checks.get_by_role("button", name="Undo: Left out", exact=False).first.click()
    expect(verdict).to_contain_text("Ready: 14 examples")
    expect(page.locator("#data-preview")).to_contain_text("[email]")

    checks.get_by_role("button", name="Undo: Masked", exact=False).first.click()
    expect(page.locator("#data-preview")).to_contain_text("@example.org")
    page.reload()  # the newest version is another one, but this is the one that was left
    expect(verdict).to_contain_text("Ready: 14 examples, foo → bar")
    expect(page.locator("#data-preview")).to_contain_text("@example.org")


def test_pasted_text_is_kept_through_a_failure_and_versions_survive_a_reload(page: Page) -> None:
    page.get_by_role("tab", name="Paste", exact=True).click()
    rows = [json.dumps({"prompt": f"Say {n}.", "completion": f"It is {n}, that much is sure."}) for n in range(8)]
    page.locator("#data-pasted textarea").fill("\n".join([*rows, '{"prompt": broken']))
    page.get_by_role("button", name="Add this text", exact=True).click()
    expect(page.locator("#data-verdict")).to_contain_text("Ready: 8 examples")
    expect(page.locator("#data-problems")).to_contain_text("Rows left out")
    page.reload()
    expect(page.locator("#data-verdict")).to_contain_text("Ready: 8 examples")


def test_an_example_is_edited_and_a_file_is_added_and_taken_away_as_excel(page: Page, tmp_path: Path) -> None:
    for name, first, count in (("shop.csv", 0, 60), ("more.csv", 60, 4)):
        rows = [f"How much is lamp {n}?,It is {n} pounds." for n in range(first, first + count)]
        (tmp_path / name).write_text("\n".join(["question,answer", *rows]) + "\n", encoding="utf-8")
    bring(page, tmp_path / "shop.csv")
    verdict, preview = page.locator("#data-verdict"), page.locator("#data-preview")
    expect(verdict).to_contain_text("Ready: 60 examples")
    heading = page.get_by_role("heading", name="Your data", exact=True)
    expect(heading).to_be_focused()
    expect(heading).to_be_in_viewport()
    expect(page.locator("#data-proceed")).to_be_in_viewport()
    expect(preview).to_be_in_viewport()

    page.locator("#data-edit").click()
    page.get_by_label("Answer", exact=True).fill("It is <b>free</b>.")
    page.locator("#data-save").click()
    expect(preview).to_contain_text("It is <b>free</b>.")
    expect(page.locator("#data-checks")).to_contain_text("Edited 1 example by hand.")

    page.locator("#data-keeping > button").first.click()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Add a file to this data set", exact=True).click()
    chooser.value.set_files(tmp_path / "more.csv")
    expect(verdict).to_contain_text("Ready: 64 examples")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download Excel", exact=True).click()
    assert download.value.suggested_filename == "shop-v3.xlsx"
    page.locator("#data-checks").get_by_role("button", name="Undo: Edited", exact=False).click()
    expect(preview).to_contain_text("It is 0 pounds.")
    expect(verdict).to_contain_text("Ready: 64 examples")


def test_a_wrong_file_stays_with_its_next_step_until_dismissed(page: Page, tmp_path: Path) -> None:
    (tmp_path / "manual.pdf").write_bytes(b"%PDF-1.7\n" + bytes(range(256)))
    bring(page, tmp_path / "manual.pdf")
    card = page.locator("#data-imports")
    expect(card).to_contain_text("PDF")
    expect(card.get_by_role("alert")).to_be_in_viewport(ratio=0.9)
    page.set_viewport_size({"width": 390, "height": 844})
    (tmp_path / "photo.csv").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)))
    page.wait_for_timeout(4000)  # what stands there when a page is opened moves nothing
    page.evaluate("scrollTo(0, 900)")
    bring(page, tmp_path / "photo.csv")
    expect(card.get_by_role("alert")).to_have_count(2)
    expect(card.get_by_role("alert").last).to_be_in_viewport(ratio=0.9)
    page.reload()
    expect(card).to_contain_text("PDF")
    expect(card.get_by_role("alert")).to_have_count(2)
    card.get_by_role("button", name="Dismiss", exact=False).first.click()
    expect(card).not_to_contain_text("PDF")

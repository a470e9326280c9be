"""The Configure tab as a person uses it, in a real browser on a real server: presets, changes of one's own, methods."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    path = tmp_path / "colours.jsonl"
    rows = [{"question": f"Which colour is {n}?", "answer": f"It is number {n} of all."} for n in range(40)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def setting(page: Page, name: str) -> Locator:
    return page.locator(f"#setting-{name} input").first


def fill(page: Page, name: str, value: str) -> None:
    setting(page, name).fill(value)
    setting(page, name).press("Tab")


def test_presets_fill_and_what_is_typed_stays(page: Page, examples: Path, tiny_model: Path) -> None:
    page.locator("#data-upload input[type=file]").set_input_files(examples)
    expect(page.locator("#data-verdict")).to_contain_text("40 examples")
    page.get_by_role("tab", name="2. Configure", exact=True).click()
    fill(page, "model", str(tiny_model))
    expect(page.locator("#reasons")).to_contain_text("Only 36 examples")
    expect(setting(page, "batch-size")).to_have_value("4")

    page.locator("#presets").get_by_role("button", name="Thorough").click()
    expect(page.locator("#presets button[aria-pressed=true]")).to_contain_text("Thorough")
    expect(setting(page, "rank")).to_have_value("32")
    expect(setting(page, "epochs")).to_have_value("5")

    fill(page, "rank", "20")
    expect(page.locator("#reasons .ls-own")).to_contain_text("the suggestion is 32")
    page.locator("#presets").get_by_role("button", name="Quick look").click()
    expect(setting(page, "epochs")).to_have_value("1")
    expect(setting(page, "rank")).to_have_value("20")
    expect(page.locator("#reasons .ls-own")).to_contain_text("the suggestion is 8")
    page.get_by_role("button", name="Back to the suggestion for rank", exact=True).click()
    expect(setting(page, "rank")).to_have_value("8")
    expect(page.locator("#reasons .ls-own")).to_have_count(0)

    page.get_by_role("radio", name="Full fine-tuning", exact=True).check()
    expect(page.locator("#setting-rank")).to_be_hidden()
    expect(page.locator("#plan")).to_contain_text("The whole model learns")
    expect(setting(page, "learning-rate")).to_have_value("0.00005")
    page.get_by_role("button", name="Back to the suggestion for method", exact=True).click()
    expect(page.locator("#setting-rank")).to_be_visible()
    expect(setting(page, "rank")).to_have_value("8")
    expect(page.get_by_role("button", name="Start training", exact=True)).to_be_enabled()


def test_the_price_per_hour_survives_a_reload(page: Page) -> None:
    page.get_by_role("tab", name="2. Configure", exact=True).click()
    price = page.locator("#price input")
    price.fill("2.5")
    price.press("Tab")
    page.wait_for_timeout(2_000)
    page.reload()
    page.get_by_role("tab", name="2. Configure", exact=True).click()
    expect(price).to_have_value("2.5")

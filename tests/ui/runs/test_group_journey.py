"""Several settings tried in a real browser: chosen, started together, followed and compared."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.live_page import assert_fits

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


def test_several_settings_are_tried_and_the_best_is_asked(page: Page, tmp_path: Path, tiny_model: Path) -> None:
    examples = tmp_path / "colours.jsonl"
    rows = [{"question": f"Which colour is {n}?", "answer": f"It is number {n} of all."} for n in range(40)]
    examples.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    page.locator("#data-upload input[type=file]").set_input_files(examples)
    expect(page.locator("#data-verdict")).to_contain_text("40 examples")
    page.get_by_role("tab", name="2. Configure", exact=True).click()
    model = page.locator("#setting-model input").first
    model.fill(str(tiny_model))
    model.press("Tab")
    page.locator("#configure-presets").get_by_role("button", name="Quick look").click()

    page.locator("#several > button").press("Enter")
    tried = page.locator("#several-first input").first
    tried.click()
    page.get_by_role("option", name="Rank", exact=True).click()
    expect(page.locator("#start-several")).to_have_text("Start 3 runs")
    values = page.locator("#several-first-values")
    expect(values).to_contain_text("16")
    for _ in range(3):
        values.get_by_role("button", name=re.compile("Remove")).first.click()
    typed = values.locator("input").first
    for value in ("2", "4"):
        typed.fill(value)
        typed.press("Enter")
    expect(page.locator("#start-several")).to_have_text("Start 2 runs")
    expect(page.locator("#configure-several")).to_contain_text("rank 2")
    assert_fits(page)
    page.locator("#start-several").click()

    expect(page.get_by_role("tab", name="All runs", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#runs-said")).to_contain_text("2 runs started together")
    group = page.locator("#runs-group")
    expect(group).to_contain_text("They differ in Rank.")
    expect(group).to_contain_text("2 of 2 runs done")
    expect(group).to_contain_text(re.compile("Best: rank [24], with a held-out loss of"))
    expect(page.locator("#runs-table tbody tr")).to_have_count(1)
    expect(page.locator("#runs-table")).to_contain_text("2 of 2 done")
    page.get_by_role("button", name="Compare curves", exact=True).click()
    expect(page.locator("#runs-chart .scatterlayer .trace")).to_have_count(2)
    page.set_viewport_size({"width": 390, "height": 844})
    assert_fits(page)
    page.get_by_role("button", name="Ask the best beside its base", exact=True).click()
    expect(page.get_by_role("tab", name="4. Compare", exact=True)).to_have_attribute("aria-selected", "true")

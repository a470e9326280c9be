"""The Configure tab as a person uses it, in a real browser on a real server: presets, changes of one's own, methods."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from studio.jobs.places.book import Check, Place, Places
from studio.jobs.places.protocol import Facts
from studio.runs.store import RunStore

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    path = tmp_path / "colours.jsonl"
    rows = [{"question": f"Which colour is {n}?", "answer": f"It is number {n} of all."} for n in range(40)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def setting(page: Page, name: str) -> Locator:
    return page.locator(f"#setting-{name} :is(input, textarea)").first


def fill(page: Page, name: str, value: str) -> None:
    setting(page, name).fill(value)
    setting(page, name).press("Tab")


def test_presets_fill_and_what_is_typed_stays(page: Page, examples: Path, tiny_model: Path) -> None:
    page.locator("#data-upload input[type=file]").set_input_files(examples)
    expect(page.locator("#data-verdict")).to_contain_text("40 examples")
    page.get_by_role("tab", name="2. Configure", exact=True).click()
    fill(page, "model", str(tiny_model))
    expect(page.locator("#configure-data")).to_contain_text("version 1 · 40 examples · question → answer")
    expect(page.locator("#configure-data")).to_contain_text("Which colour is 0?")
    expect(page.locator("#configure-forecast")).to_contain_text("room enough")
    expect(setting(page, "rank")).to_be_hidden()
    name, arrow = (page.locator(f"#advanced > button > {part}") for part in ("span:first-child", ".icon"))
    places = [part.bounding_box() for part in (arrow, name)]
    assert places[0]["x"] < places[1]["x"], "people look for the arrow before the name"
    setting(page, "name").focus()
    assert page.locator("#setting-name").evaluate("node => getComputedStyle(node).overflow") == "visible", "its ring"
    page.locator("#advanced > button").click()
    rank = page.locator("details.ls-explain").filter(has_text="What is rank?")
    for key, is_open in (("Enter", True), ("Enter", False), ("Space", True)):
        rank.locator("summary").press(key)
        expect(rank.locator("p").first).to_be_visible(visible=is_open)
    reasons, presets = page.locator("#configure-reasons"), page.locator("#configure-presets")
    expect(reasons).to_contain_text("Only 36 examples")
    expect(setting(page, "batch-size")).to_have_value("4")

    presets.get_by_role("button", name="Thorough").click()
    expect(presets.locator("button[aria-pressed=true]")).to_contain_text("Thorough")
    expect(setting(page, "rank")).to_have_value("32")
    expect(setting(page, "epochs")).to_have_value("5")

    fill(page, "rank", "20")
    expect(reasons.locator(".ls-own")).to_contain_text("The suggestion is 32")
    expect(page.locator("#advanced > button")).to_contain_text("Advanced: 1 changed")
    presets.get_by_role("button", name="Quick look").click()
    expect(setting(page, "epochs")).to_have_value("1")
    expect(setting(page, "rank")).to_have_value("20")
    expect(reasons.locator(".ls-own")).to_contain_text("The suggestion is 8")
    page.get_by_role("button", name="Back to the suggestion for rank", exact=True).click()
    expect(setting(page, "rank")).to_have_value("8")
    expect(reasons.locator(".ls-own")).to_have_count(0)

    page.get_by_role("radio", name="Full fine-tuning", exact=True).check()
    expect(page.locator("#setting-rank")).to_be_hidden()
    expect(setting(page, "learning-rate")).to_have_value("0.00005")
    page.locator("#configure-more > button").click()
    expect(page.locator("#configure-details")).to_contain_text("The whole model learns")
    page.get_by_role("button", name="Back to the suggestion for method", exact=True).click()
    expect(page.locator("#setting-rank")).to_be_visible()
    expect(setting(page, "rank")).to_have_value("8")
    expect(page.get_by_role("button", name="Start training", exact=True)).to_be_enabled()

    page.get_by_role("tab", name="1. Data", exact=True).click()
    page.locator("#data-exact-box > button").click()
    expect(page.locator("#data-exact")).to_contain_text("Which colour is 0?")
    for part in ("Question", "Answer"):
        expect(page.locator("#data-exact dt").filter(has_text=part)).to_be_visible()
    expect(page.locator("#data-preview .ls-bubble").first).to_contain_text("Which colour is 0?")


def test_a_half_filled_form_survives_a_reload_and_a_price_can_be_cleared(page: Page) -> None:
    def open_tab() -> None:
        page.get_by_role("tab", name="2. Configure", exact=True).click()
        for name in ("configure-more", "advanced"):
            page.locator(f"#{name} > button").click()

    def kept() -> None:
        """Wait until the browser has kept what was set."""
        page.wait_for_timeout(4_000)
        page.reload()
        open_tab()

    open_tab()
    price = page.locator("#price input")
    expect(price).to_have_value("")
    price.fill("2.5")
    price.press("Tab")
    fill(page, "name", "otter")
    fill(page, "rank", "20")
    page.locator("#configure-presets").get_by_role("button", name="Quick look").click()
    kept()
    expect(price).to_have_value("2.5")
    expect(setting(page, "name")).to_have_value("otter")
    expect(setting(page, "rank")).to_have_value("20")
    expect(setting(page, "epochs")).to_have_value("1")
    price.fill("")
    price.press("Tab")
    kept()
    expect(setting(page, "name")).to_have_value("otter")
    expect(price).to_have_value("")


def test_a_run_gets_nodes_of_a_cluster_that_has_several(
    page: Page, home: Path, examples: Path, tiny_model: Path
) -> None:
    places = Places(home)
    places.add(Place("lab", "ray", address="http://127.0.0.1:9"))
    places.keep_check("lab", Check(1.0, facts=Facts(nodes=3)))
    page.reload()
    page.locator("#data-upload input[type=file]").set_input_files(examples)
    expect(page.locator("#data-verdict")).to_contain_text("40 examples")
    page.get_by_role("tab", name="2. Configure", exact=True).click()
    fill(page, "model", str(tiny_model))
    nodes = page.locator("#setting-nodes").get_by_role("radio")
    expect(nodes).to_have_count(0)
    setting(page, "place").click()
    page.get_by_role("option", name="lab", exact=True).click()
    expect(page.locator("#configure-forecast")).to_contain_text("At lab it takes other time and memory.")
    expect(nodes).to_have_count(3)
    nodes.nth(1).check()
    page.get_by_role("button", name="Start training", exact=True).click()
    expect(page.get_by_role("tab", name="3. Train", exact=True)).to_have_attribute("aria-selected", "true")
    (run,) = RunStore(home).all()
    assert (run.config.place, run.config.nodes) == ("lab", 2)

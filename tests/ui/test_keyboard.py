"""The whole way from a sample to an answer of one's own model, by the keyboard alone."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

MOST_TABS = 90

_SHOWN = """element => {
  const drawn = (each, pseudo) => {
    const style = getComputedStyle(each, pseudo);
    return (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
  };
  for (let each = element; each && !each.classList.contains('block'); each = each.parentElement) {
    if (drawn(each)) return true;
  }
  return false;
}"""


def go_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is where it is wanted, and see that a person can see it there."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        if wanted.evaluate("element => element === document.activeElement"):
            assert wanted.evaluate(_SHOWN), f"the focus cannot be seen on {wanted}"
            return
        page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
    raise AssertionError(f"the keyboard does not come to {wanted}; it is on {focused}")


def press(page: Page, name: str) -> None:
    button = page.get_by_role("button", name=name, exact=True)
    expect(button).to_be_enabled()
    go_to(page, button)
    page.keyboard.press("Enter")


def test_from_a_sample_to_an_answer_by_keyboard(page: Page, tiny_model: Path) -> None:
    go_to(page, page.get_by_role("tab", name="1. Data", exact=True))
    press(page, "Use lighthouse voice")
    expect(page.locator("#data-verdict")).to_contain_text("Ready")
    heading = page.get_by_role("heading", name="Your data", exact=True)
    expect(heading).to_be_focused()
    expect(heading).to_be_in_viewport()
    press(page, "Next: configure")

    expect(page.get_by_role("tab", name="2. Configure", exact=True)).to_have_attribute("aria-selected", "true")
    go_to(page, page.get_by_role("combobox", name="Base model"))
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type(str(tiny_model))
    page.keyboard.press("Enter")
    expect(page.locator("#configure-forecast")).to_contain_text("room enough")
    go_to(page, page.get_by_role("radio", name="LoRA", exact=True))
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="QLoRA (4-bit)", exact=True)).to_be_checked()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("radio", name="LoRA", exact=True)).to_be_checked()
    quick = page.locator("#configure-presets").get_by_role("button", name="Quick look")
    go_to(page, quick)
    page.keyboard.press("Enter")
    expect(page.locator("#configure-presets button[aria-pressed=true]")).to_contain_text("Quick look")
    press(page, "Start training")

    expect(page.locator("#train-status")).to_contain_text("Finished")
    press(page, "Compare with the base model")
    expect(page.get_by_role("tab", name="4. Compare", exact=True)).to_have_attribute("aria-selected", "true")
    idea = page.locator("#compare-idea-0")
    go_to(page, idea)
    page.keyboard.press("Enter")
    message = page.locator("#compare-prompt textarea")
    expect(message).not_to_have_value("")
    go_to(page, message)
    page.keyboard.press("Enter")
    expect(page.locator("#compare-caption-2")).to_contain_text("tokens")
    go_to(page, page.get_by_label("Highlight differences", exact=True))
    page.keyboard.press("Space")
    expect(page.locator("#compare-marked")).to_contain_text("not in the other model")

"""All tabs by the rules of WCAG 2.2 AA, as axe-core checks them."""

from importlib.resources import files

import pytest
from playwright.sync_api import Browser, Page

from tests.live_page import Served

pytestmark = pytest.mark.browser

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
TABS = ("data", "configure", "train", "compare", "evaluate", "export", "runs")

GRADIOS_OWN: dict[str, str] = {}
"""Rules that Gradio breaks in its own markup, by a selector of it, which nothing from outside can mend: none so far."""

_LOOK = """async (rules) => {
  const found = await axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']});
  return found.violations.flatMap(({id, nodes}) => nodes.map((node) => [id, node.target.join(' '), node.html]));
}"""
_OPEN = "(id) => document.querySelector(`#tabs button[role=tab][data-tab-id=${id}]`).click()"


def violations(page: Page, *, where: str) -> list[str]:
    found = page.evaluate(_LOOK, RULES)
    return [f"{where}: {rule} {target} {html[:120]}" for rule, target, html in found if rule not in GRADIOS_OWN]


@pytest.mark.timeout(1200)
def test_no_tab_breaks_a_rule_light_or_dark_wide_or_narrow(browser: Browser, seeded: Served) -> None:
    """Figures stood in a list that may not hold them, and the words of the footer were too pale."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    found: list[str] = []
    for scheme in ("light", "dark"):
        for width in (1280, 390):
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            context.set_default_timeout(150_000)
            page = context.new_page()
            page.goto(seeded.address)
            page.locator("#tabs button[role=tab]").first.wait_for()
            page.evaluate(axe)
            page.add_style_tag(content="* { transition: none !important; }")  # half-way a colour is neither of the two
            for tab in TABS:
                page.evaluate(_OPEN, tab)
                page.wait_for_function("(tab) => studio.openTab('tabs') === tab", arg=tab)
                page.wait_for_timeout(2500)
                found += violations(page, where=f"{tab}, {scheme}, {width}")
            context.close()
    assert found == []

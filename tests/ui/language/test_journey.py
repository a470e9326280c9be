"""The page in German and Spanish in a real browser: no English is left on any tab, and the choice is kept."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from studio.ui.language.catalog import Catalog, catalog
from studio.ui.language.search import unknown
from tests.live_page import PATIENCE_MS, Served, assert_fits

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

TABS = ("data", "configure", "train", "compare", "evaluate", "export", "runs")

SEEN = """() => {
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const own = '[translate=no], .notranslate, script, style, textarea, code, pre, .cm-editor';
  const isOwn = (each) => each.closest(own) && !each.closest('[translate=yes]');
  while (texts.nextNode()) {
    const parent = texts.currentNode.parentElement, text = texts.currentNode.nodeValue.trim();
    if (text && !isOwn(parent) && parent.checkVisibility()) found.push(text);
  }
  for (const name of ['aria-label', 'title', 'placeholder']) {
    for (const each of document.querySelectorAll(`[${name}]`)) {
      if (!isOwn(each) && each.checkVisibility()) found.push(each.getAttribute(name));
    }
  }
  return found.filter(Boolean);
}"""
"""What a person reads and hears of the page, but for what a person or a model wrote."""

OPEN_ALL = """() => {
  document.querySelectorAll('#tabs button.label-wrap:not(.open)').forEach((each) => {
    if (each.checkVisibility() && !each.closest('.ls-popover')) each.click();
  });
  document.querySelectorAll('details').forEach((each) => { each.open = true; });
}"""


@contextmanager
def speaking(browser: Browser, locale: str) -> Iterator[Page]:
    context = browser.new_context(locale=locale, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def spoken(language: str) -> Catalog:
    known = catalog(language)
    assert known is not None
    return known


def english_left(page: Page, known: Catalog) -> dict[str, list[str]]:
    """Go through all tabs; return what of each the catalog would still translate."""
    left = {}
    for tab in TABS:
        page.locator(f"#tabs button[data-tab-id={tab}]").first.click()
        page.wait_for_function("(tab) => studio.openTab('tabs') === tab", arg=tab)
        page.wait_for_timeout(1500)
        page.evaluate(OPEN_ALL)
        page.wait_for_timeout(800)
        seen = sorted(set(page.evaluate(SEEN)))
        assert seen
        left[tab] = [text for text in seen if is_english(text, known)]
    return left


def is_english(text: str, known: Catalog) -> bool:
    """Tell whether the catalog knows the English of a text, and would say something else for all of it."""
    return not unknown(known, text) and _words(known.translate(text)) != _words(text)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


@pytest.mark.parametrize(("locale", "language", "data"), [("de-DE", "de", "1. Daten"), ("es-ES", "es", "1. Datos")])
def test_no_english_is_left(browser: Browser, seeded: Served, locale: str, language: str, data: str) -> None:
    with speaking(browser, locale) as page:
        page.goto(seeded.address)
        expect(page.get_by_role("tab", name=data, exact=True)).to_be_visible()
        expect(page.locator("html")).to_have_attribute("lang", language)
        assert english_left(page, spoken(language)) == {tab: [] for tab in TABS}


def test_the_language_is_chosen_and_kept(browser: Browser, seeded: Served) -> None:
    with speaking(browser, "de-DE") as page:
        page.goto(seeded.address)
        chooser = page.locator("select[data-language]")
        expect(chooser).to_have_value("de")
        chooser.select_option("en")
        expect(page.get_by_role("tab", name="1. Data", exact=True)).to_be_visible()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        page.reload()
        expect(page.get_by_role("tab", name="1. Data", exact=True)).to_be_visible()
        expect(chooser).to_have_value("en")
        chooser.select_option("es")
        expect(page.get_by_role("tab", name="1. Datos", exact=True)).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_longer_words_fit(browser: Browser, seeded: Served, width: int) -> None:
    with speaking(browser, "de-DE") as page:
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(seeded.address)
        for tab in TABS:
            page.locator(f"#tabs button[data-tab-id={tab}]").first.click()
            page.wait_for_function("(tab) => studio.openTab('tabs') === tab", arg=tab)
            assert_fits(page)

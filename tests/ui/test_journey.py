"""The page as a whole: its address, its jumps, what it asks while nothing happens, and the first minute."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.live_page import Served, opened

pytestmark = pytest.mark.browser


def open_tab(page: Page) -> str:
    return str(page.evaluate("studio.openTab('tabs')"))


def wait_for_tab(page: Page, tab: str) -> None:
    page.wait_for_function("(tab) => window.studio?.openTab('tabs') === tab", arg=tab)


@pytest.mark.timeout(900)
def test_an_address_leads_to_a_tab_and_its_run(browser: Browser, seeded: Served) -> None:
    with opened(browser, seeded) as page:
        page.goto(f"{seeded.address}/?tab=train")
        wait_for_tab(page, "train")
        page.wait_for_url(re.compile(r"tab=train&run=\d{8}-"))
        run = page.url.partition("run=")[2]

        page.locator("#tabs button[data-tab-id=export]").first.click()
        page.wait_for_url(re.compile(rf"tab=export&run={run}"))
        page.go_back()
        wait_for_tab(page, "train")
        expect(page).to_have_url(re.compile(rf"tab=train&run={run}"))
        page.go_forward()
        wait_for_tab(page, "export")
        page.reload()
        wait_for_tab(page, "export")
        expect(page).to_have_url(re.compile(rf"tab=export&run={run}"))

        # A jump lands at the top, with the focus on the heading.
        page.goto(f"{seeded.address}/?tab=train&run={run}")
        jump = page.locator("#train-compare, #train-evaluate").locator("visible=true").last
        jump.scroll_into_view_if_needed()
        jump.click()
        page.wait_for_url(re.compile(r"tab=(compare|evaluate)"))
        page.wait_for_function("document.activeElement.matches('h2, .ls-headline') && scrollY === 0")

        # What an address cannot name leads nowhere, and to no script.
        page.goto(f"{seeded.address}/?tab=%3Cscript%3Ealert(1)%3C/script%3E&run=../../etc")
        wait_for_tab(page, "data")
        page.goto(f"{seeded.address}/?tab=evaluate&run=20990101-000000-no-such")
        wait_for_tab(page, "evaluate")
        expect(page.get_by_text("The run in this address is not in this studio.")).to_be_visible()


@pytest.mark.timeout(600)
def test_nothing_is_asked_or_drawn_while_nothing_changes(browser: Browser, seeded: Served) -> None:
    """A page asked once a second whatever happened, and Gradio's first "Loading..." counted on at every frame."""
    with opened(browser, seeded) as page:
        page.add_init_script(
            "window.frames_wanted = 0; const frame = requestAnimationFrame;"
            "window.requestAnimationFrame = (call) => { window.frames_wanted += 1; return frame(call); };"
        )
        asked: list[str] = []
        page.goto(seeded.address)
        wait_for_tab(page, "data")
        page.on("request", lambda sent: asked.append(sent.url))
        for _ in range(60):  # until what the page needs at first has come
            before = len(asked)
            page.wait_for_timeout(6_000)
            if len(asked) == before:
                break
        asked.clear()
        wanted = page.evaluate("window.frames_wanted")
        page.wait_for_timeout(12_000)
        assert asked == []
        assert page.evaluate("window.frames_wanted") - wanted < 12


def test_an_empty_studio_offers_a_sample_and_leads_on(page: Page) -> None:
    """The starter model is not there and cannot be fetched in a test, so it says so and waits."""
    start = page.get_by_role("button", name="Try it with a sample", exact=True)
    expect(page.locator("#first-card li")).to_have_count(3)
    start.click()
    expect(start).to_be_hidden()
    expect(page.locator("#first-card .ls-notice")).to_be_visible()
    page.locator("#first-card").get_by_role("button").last.click()
    expect(start).to_be_visible()

"""A button that is drawn again while a person presses it: the browser gives it no click."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from studio.ui import kit

pytestmark = pytest.mark.browser

SCRIPT = (Path(kit.__file__).parent / "actions.js").read_text(encoding="utf-8")
BUTTON = '<button data-verb="edit" data-key="{key}" style="width: 200px; height: 60px">Edit</button>'


def test_a_press_counts_once_also_when_its_button_is_drawn_again_meanwhile(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content(f'<div id="list">{BUTTON.format(key="a")}</div>')
    page.evaluate("window.studio = {}; window.sent = []")
    page.add_script_tag(content=SCRIPT)
    page.evaluate(
        "studio.actions({element: document.getElementById('list'), watch: () => {},"
        " trigger: (name, {verb, key}) => sent.push(`${verb} ${key}`)})"
    )
    box = page.locator("button").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 20)

    def press(drawn_again: str = "") -> list[str]:
        page.mouse.down()
        if drawn_again:
            page.evaluate("html => document.getElementById('list').innerHTML = html", BUTTON.format(key=drawn_again))
        page.mouse.up()
        sent: list[str] = page.evaluate("sent.splice(0)")
        return sent

    assert press() == ["edit a"]
    assert press(drawn_again="a") == ["edit a"]
    assert press(drawn_again="b") == [], "another one was pressed than the one that is there now"
    page.close()

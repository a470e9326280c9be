import json
import re

import gradio as gr
import pytest
from playwright.sync_api import Browser

from studio.studio import Studio
from studio.ui.app import build_app
from studio.ui.kit import scripts
from studio.ui.language import front


def named(text: str) -> set[str]:
    return set(re.findall(r"studio\.(\w+)", text))


def test_what_python_knows_is_passed_as_json() -> None:
    assert scripts.on_load("typedRows", 4) == "studio.typedRows({element, props, trigger, watch}, 4)"
    assert scripts.call("saveFile") == "(...values) => studio.saveFile(...values)"
    assert scripts.call("showWhere", '"</script>') == r'(...values) => studio.showWhere("\"</script>", ...values)'


def test_each_function_that_the_page_calls_is_there(studio: Studio) -> None:
    page = build_app(studio)
    loaded = [block.js_on_load or "" for block in page.blocks.values() if isinstance(block, gr.HTML)]
    called = named("\n".join([*loaded, *(each.js for each in page.fns.values() if isinstance(each.js, str))]))
    drawn = {"histogram", "curves", "overlay", "tradeoff"}  # by `plot`, to which the name is passed
    assert {"plot", "actions", "clock", "place", "placeRun", "saveText", *drawn} <= called | drawn
    there = set(re.findall(r"^studio\.(\w+) = ", scripts.head(), re.MULTILINE))
    assert called | drawn <= there
    assert named(scripts.head()) - {"js"} <= there


def test_javascript_stands_in_files_alone(studio: Studio) -> None:
    """What Python hands to the page only calls functions by their names."""
    page = build_app(studio)
    for block in page.blocks.values():
        if isinstance(block, gr.HTML):
            assert re.fullmatch(r"(studio\.\w+\(\{element, props, trigger, watch\}.*\))?", block.js_on_load or "")
    for each in page.fns.values():
        assert each.js in (None, True) or re.fullmatch(r"\(\.\.\.values\) => studio\.\w+\(.*\)", str(each.js))


def test_what_must_be_there_first_stands_in_the_page_itself_once() -> None:
    begins = "<script>window.gradio_config = {};</script>"
    written = front.page(f"<head>{begins}</head>", "en")
    assert written.index(scripts.first()) < written.index(begins)
    assert scripts.first() not in scripts.head()


@pytest.mark.browser
def test_every_file_can_be_read_by_a_browser(browser: Browser) -> None:
    page = browser.new_page()
    errors: list[object] = []
    page.on("pageerror", lambda each: errors.append(each))
    page.set_content(f"<html><head><script>{scripts.first()}</script>{scripts.head()}</head></html>")
    kinds = page.evaluate("Object.fromEntries(Object.entries(studio).map(([name, each]) => [name, typeof each]))")
    page.close()
    assert errors == []
    assert set(kinds.values()) == {"function"}, json.dumps(kinds)

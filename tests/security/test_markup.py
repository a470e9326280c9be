"""Nothing that was stored becomes markup on the page: no script runs, no picture loads, no link appears."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import Browser

from studio.config import RunConfig, settings
from studio.data.dataset_folders import Dataset
from studio.errors import DataError
from studio.runs.conversations import Answer, Conversation, Talk, Turn, open_conversations
from studio.runs.launcher import PROJECT_ROOT
from studio.runs.studio import Studio
from studio.ui.errors import shown
from studio.ui.form import control
from tests.ui.fake_studio import brought, fake_studio, finished_run

pytestmark = pytest.mark.security

HOSTILE = (
    '<img src=x onerror="window.__hit=1"><script>window.__hit=1</script>'
    '<a href="//x.test">a</a>{{7*7}}${window.__hit=1}'
)
TABS = ("1. Data", "2. Configure", "3. Train", "4. Compare", "5. Evaluate", "6. Export", "All runs")


@pytest.mark.parametrize("error", [gr.Error(HOSTILE), DataError(HOSTILE, HOSTILE)])
def test_a_toast_shows_text(error: Exception) -> None:
    """An error of Gradio's own kind went to the page unescaped, and the toast takes its text for HTML."""

    @shown
    @shown
    def listener() -> None:
        raise error

    with pytest.raises(gr.Error) as caught:
        listener()
    assert "<" not in caught.value.message
    assert "&lt;img" in caught.value.message
    assert "&amp;lt;" not in caught.value.message


@pytest.mark.parametrize("name", [each.name for each in settings() if each.choices or each.kind is tuple])
def test_no_control_repeats_a_stored_setting_in_an_error(name: str) -> None:
    """Gradio repeats a value that is not among its choices; that of a stored run came to the toast as it was."""
    assert control(name).preprocess(HOSTILE) == HOSTILE


@pytest.fixture
def hostile_home(tmp_path: Path) -> Path:
    """A data folder in which everything is called what would be markup."""
    home = tmp_path / "home"
    with fake_studio(home) as studio:
        run = finished_run(studio, dataset_id=hostile_data(studio, tmp_path).id, config=RunConfig(name=HOSTILE))
        studio.describe_run(run.id, note=HOSTILE)
        made = json.loads((run.path / "config.json").read_text())
        (run.path / "config.json").write_text(json.dumps(made | {"method": made["method"], "model": "starter"}))
        origin = json.loads((run.path / "origin.json").read_text())
        (run.path / "origin.json").write_text(json.dumps(origin | {"dataset_name": HOSTILE, "model_name": HOSTILE}))
        open_conversations(home).save(
            Conversation(name=HOSTILE, talks=(Talk(f"run:{run.id}", HOSTILE, (Turn(HOSTILE, Answer(HOSTILE)),)),))
        )
    return home


def hostile_data(studio: Studio, folder: Path) -> Dataset:
    rows = "".join(json.dumps({"question": f"{n} {HOSTILE}", "answer": HOSTILE}) + "\n" for n in range(12))
    file = folder / "rows.jsonl"
    file.write_text(rows, encoding="utf-8")
    return brought(studio, file, name=HOSTILE)


@pytest.fixture
def address(hostile_home: Path) -> Iterator[str]:
    """The page of a studio on that folder, as a person starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "STUDIO_HOME": str(hostile_home), "STUDIO_PORT": str(port), "STUDIO_EVALUATE": "0"}
    command = [sys.executable, "app.py", "--no-starter"]
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.DEVNULL)
    found = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(found, timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield found
    finally:
        process.kill()
        process.wait()


@pytest.mark.browser
def test_no_stored_text_becomes_markup_on_any_tab(browser: Browser, address: str) -> None:
    """Names, notes, prompts, answers and cells of a hostile run, shown on every tab of the page."""
    page = browser.new_context().new_page()
    foreign: list[str] = []
    page.on(
        "request",
        lambda sent: (
            foreign.append(sent.url)
            if not sent.url.startswith((address, "data:", "blob:", f"ws{address[4:]}"))
            else None
        ),
    )
    ours = (address, "data:", "blob:", f"ws{address[4:]}")
    page.on("request", lambda sent: foreign.append(sent.url) if not sent.url.startswith(ours) else None)
    page.on("request", lambda sent: foreign.append(sent.url) if sent.url.endswith("/x") else None)
    page.goto(address)
    seen = ""
    for tab in TABS:
        page.get_by_role("tab", name=tab, exact=True).evaluate("tab => tab.click()")
        page.wait_for_timeout(2500)
        seen += page.locator("body").inner_text()
        assert page.evaluate("window.__hit") is None, tab
        assert page.locator("img[src='x'], a[href*='x.test']").count() == 0, tab
    assert "<img src=x" in seen, "nothing hostile was shown, so nothing was tested"
    assert foreign == []

"""A data folder in which every text would be markup, looked at in a real browser: nothing of it runs or loads."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from studio import codec
from studio.compare.answering import GenerationSettings
from studio.compare.conversations import Answer, Conversation, Talk, Turn, open_conversations
from studio.compare.sheet_prompts import Prompt
from studio.compare.sheets import Cell, Column, Sheet, SheetRow, open_sheets
from studio.config import RunConfig
from studio.events import Failed, Noted, Sampled
from studio.jobs.evaluation_report import write_evaluation
from studio.runs.store import RunFolder
from studio.studio import Studio
from tests.live_page import PATIENCE_MS, Served, serve_page
from tests.ui import made_up
from tests.ui.fake_studio import brought, end_workers, fake_studio, finished_run, opening_events, play, step
from tests.warm import Forkserver

pytestmark = [pytest.mark.security, pytest.mark.browser, pytest.mark.timeout(540)]

SHORT = "<img src=x onerror=window.__hit=1><script>window.__hit=1</script>"
HOSTILE = (
    f'{SHORT}<a href="//x.test">a</a><svg onload=window.__hit=1>"\' [a](javascript:window.__hit=1) ![a](//x.test/x)'
)
TABS = ("1. Data", "2. Configure", "3. Train", "4. Compare", "5. Evaluate", "6. Export", "All runs")
IN_SIGHT = """() => document.body.innerText.includes('<img src=x')
    || [...document.querySelectorAll('input, textarea')]
        .some((each) => each.offsetParent && each.value.includes('<img src=x'))"""
MADE_OF_TEXT = "img[src='x'], a[href*='x.test'], a[href^='javascript'], svg[onload], img[src*='x.test']"


@pytest.fixture
def hostile_server(tmp_path: Path, warm: Forkserver) -> Iterator[Served]:
    """The page of a studio on a folder that somebody else has written."""
    with fake_studio(tmp_path / "home") as studio:
        _write_home(studio, tmp_path / "rows.jsonl")
    with serve_page(tmp_path / "home", warm) as running:
        yield running


def _write_home(studio: Studio, file: Path) -> None:
    rows = [{"question": f"{number} {HOSTILE}", "answer": HOSTILE} for number in range(12)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    dataset = brought(studio, file, name=SHORT).id
    failed = studio.start_run(RunConfig(name=SHORT), dataset)
    play(
        failed,
        *opening_events(steps=5),
        step(1, loss=2.0),
        Sampled(1, 0, HOSTILE, HOSTILE),
        Noted("warning", HOSTILE),
        Failed("other", HOSTILE, HOSTILE, HOSTILE),
        clock=studio.clock,
    )
    end_workers(studio)
    failed.log_path.write_text(f"{HOSTILE}\n", encoding="utf-8")
    run = finished_run(studio, dataset_id=dataset, config=RunConfig(name=SHORT, sample_prompts=(HOSTILE,)))
    _evaluate(run)
    for each in (failed, run):
        studio.runs.describe(each.id, note=HOSTILE)
        origin = codec.read(type(each.origin), each.path / "origin.json")
        named = replace(origin, dataset_name=SHORT, model_name=SHORT)
        (each.path / "origin.json").write_text(codec.dumps(named), encoding="utf-8")
    _ask(studio, run)


def _evaluate(run: RunFolder) -> None:
    rows = [replace(row, prompt=HOSTILE, expected=SHORT, base=HOSTILE, tuned=HOSTILE) for row in made_up.rows()]
    report = replace(made_up.report(run), run_id=run.id, device=HOSTILE)
    confusions = tuple(replace(each, labels=(SHORT, "<b>", "<i>")) for each in report.confusions)
    write_evaluation(run, replace(report, confusions=confusions), tuple(rows))


def _ask(studio: Studio, run: RunFolder) -> None:
    talk = Talk(f"run:{run.id}", HOSTILE, (Turn(HOSTILE, Answer(HOSTILE)),))
    open_conversations(studio.settings.home).save(Conversation(name=SHORT, talks=(talk, talk)))
    columns = (Column(f"base:{run.id}", HOSTILE), Column(f"run:{run.id}", HOSTILE))
    row = SheetRow(Prompt(HOSTILE, HOSTILE, HOSTILE), (Cell(HOSTILE), Cell(HOSTILE)))
    open_sheets(studio.settings.home).save(Sheet(columns, (row,), GenerationSettings(HOSTILE, 0.0, 32, 7), name=SHORT))


@pytest.fixture
def opened(browser: Browser, hostile_server: Served) -> Iterator[Page]:
    """The page, and afterwards a look at what it asked for: nothing elsewhere, and no picture named `x`."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(hostile_server.address, timeout=PATIENCE_MS)
    yield page
    context.close()
    ours = (f"{hostile_server.address}/", f"ws://127.0.0.1:{hostile_server.port}", "data:", "blob:")
    assert [url for url in asked if not url.startswith(ours) or url.endswith("/x")] == []
    assert faults == []


def _open(page: Page, tab: str) -> None:
    page.get_by_role("tab", name=tab, exact=True).click()
    page.get_by_role("tab", name=tab, exact=True, selected=True).wait_for()


def _check(page: Page, where: str) -> None:
    """Wait until something hostile is in sight, as text or in a field, and a moment more; look what became of it."""
    for _ in range(PATIENCE_MS // 250):
        if page.evaluate(IN_SIGHT):
            break
        page.wait_for_timeout(250)
    assert page.evaluate(IN_SIGHT), f"{where}: nothing hostile is in sight, so nothing is tested"
    page.wait_for_timeout(1000)
    assert page.evaluate("window.__hit") is None, f"{where}: a stored text ran as a script"
    assert page.locator(MADE_OF_TEXT).count() == 0, f"{where}: a stored text became markup"
    assert page.locator(".toast-body").all_inner_texts() == [], where


def test_no_stored_text_becomes_markup_on_any_tab(opened: Page) -> None:
    """Names, notes, prompts, answers, logs, conversations and sheets of another person, on every tab of the page."""
    for tab in TABS:
        _open(opened, tab)
        _check(opened, tab)
    opened.get_by_role("tabpanel").locator(".ls-run-name").first.click()
    _check(opened, "one run")
    _open(opened, "3. Train")
    opened.locator("#train-run input").click()
    opened.locator("#train-run").get_by_role("option").last.click()
    opened.locator("#train-status").get_by_text("Failed", exact=True).wait_for()
    _check(opened, "a run that failed")
    _open(opened, "4. Compare")
    _open(opened, "Prompt sheet")
    _check(opened, "a prompt sheet")

"""Comparing and judging as a person does it, in a real browser, with real workers and two tuned tiny models."""

import json
import re
import shutil
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from studio.config import RunConfig
from studio.data.examples import Example, Message
from studio.jobs.tasks import Train
from studio.runs.store import RunStore
from tests.live_page import Served, assert_fits
from tests.warm import Forkserver, WarmLaunch

pytestmark = [pytest.mark.browser, pytest.mark.timeout(540)]

WORDS = ("red", "blue", "green", "black")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, warm: Forkserver) -> Path:
    """A data folder with two runs that learned the same."""
    home = tmp_path_factory.mktemp("trained")
    rows = tuple(
        Example((Message("user", f"Which colour is {n}?"), Message("assistant", f"It is {WORDS[n % 4]}.")), row=n + 1)
        for n in range(24)
    )
    for name, epochs in (("otter", 12), ("heron", 6)):
        config = RunConfig(
            name=name, model=str(tiny_model), rank=4, epochs=epochs, learning_rate=0.01, batch_size=8, max_length=256
        )
        origin = {"dataset_id": "colours", "dataset_name": "Colours", "dataset_sha256": "0" * 64}
        run = RunStore(home).create(config, train=rows[:20], validation=rows[20:], **origin)
        worker = WarmLaunch(warm.address)(Train(run.path))
        while worker.exit_code() is None:
            time.sleep(0.1)
        assert worker.exit_code() == 0, run.log_path.read_text()
    return home


@pytest.fixture
def home(tmp_path: Path, trained: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "home")


def open_compare(page: Page, part: str = "Chat") -> None:
    page.get_by_role("tab", name="4. Compare", exact=True).click()
    page.get_by_role("tab", name=part, exact=True).click()


def press(page: Page, name: str) -> None:
    button = page.get_by_role("button", name=name, exact=True)
    expect(button).to_be_enabled()
    button.click()


def choose(page: Page, label: str, option: str) -> None:
    """Choose what begins with `option` in the list with this label."""
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option").filter(has_text=option).first.click()


def talk(page: Page, pane: int) -> Locator:
    return page.locator(f"#compare-talk-{pane}")


def answers(page: Page, pane: int) -> Locator:
    return talk(page, pane).locator(".ls-said-text")


def caption(page: Page, pane: int) -> Locator:
    return page.locator(f"#compare-caption-{pane}")


def ask(page: Page, text: str, *, panes: int = 2, turns: int = 1) -> None:
    page.locator("#compare-prompt textarea").fill(text)
    page.locator("#compare-prompt textarea").press("Enter")
    for pane in range(1, panes + 1):
        expect(answers(page, pane)).to_have_count(turns)
        expect(caption(page, pane)).to_contain_text("tokens")
    expect(page.locator("#compare-send")).to_be_enabled()


def assert_panes_are_level(page: Page) -> None:
    """Assert that what is said begins at the same height in both panes, though one alone has a strength."""
    expect(page.locator("#compare-strength-2")).to_be_visible()
    expect(page.locator("#compare-strength-1")).to_be_hidden()
    tops = [talk(page, pane).evaluate("element => element.getBoundingClientRect().top") for pane in (1, 2)]
    assert abs(tops[0] - tops[1]) < 2, tops


def assert_all_in_sight(page: Page) -> None:
    """Assert that the last answers and the message are in sight on a small screen, without a scroll of the page."""
    for height in (800, 700):
        page.set_viewport_size({"width": 1280, "height": height})
        page.evaluate("window.scrollTo(0, 0)")
        expect(page.locator("#compare-prompt")).to_be_in_viewport(ratio=1)
        for pane in (1, 2, 3):
            expect(talk(page, pane).get_by_role("button", name="Copy this answer").last).to_be_in_viewport()
    assert_fits(page)


def download(page: Page, name: str) -> str:
    with page.expect_download() as saved:
        press(page, name)
    return Path(saved.value.path()).read_text(encoding="utf-8")


def test_a_conversation_side_by_side(page: Page) -> None:
    open_compare(page)
    idea = page.locator("#compare-idea-0")
    expect(idea).to_be_visible()
    assert_panes_are_level(page)
    ask(page, "Which colour is 3?")
    assert_panes_are_level(page)
    idea.click()
    expect(page.locator("#compare-prompt textarea")).not_to_have_value("")
    expect(caption(page, 1)).to_contain_text("adapter off")
    expect(caption(page, 2)).to_contain_text("adapter on (heron)")
    expect(caption(page, 2)).to_contain_text("chat template: the model's own")
    base, tuned = (answers(page, pane).inner_text() for pane in (1, 2))
    assert base != tuned

    strength = page.get_by_label("number input for Strength of model 2", exact=True)
    strength.fill("0")
    strength.press("Tab")
    press(page, "Regenerate")
    expect(caption(page, 2)).to_contain_text("strength 0")
    expect(caption(page, 2)).to_contain_text("tokens")
    expect(answers(page, 2)).to_have_text(base)
    expect(page.locator("#compare-send")).to_be_enabled()  # both answers are complete

    press(page, "Add model")
    expect(page.locator("#compare-said")).to_contain_text("all of them start over")
    expect(answers(page, 1)).to_have_count(0)
    press(page, "Replay with current models")
    expect(caption(page, 3)).to_contain_text("adapter on (otter)")
    expect(caption(page, 3)).to_contain_text("tokens")
    expect(page.locator("#compare-send")).to_be_enabled()
    ask(page, "And 4?", panes=3, turns=2)
    assert_all_in_sight(page)

    press(page, "Edit last message")
    expect(page.locator("#compare-prompt textarea")).to_have_value("And 4?")
    page.locator("#compare-prompt textarea").fill("And 5?")
    press(page, "Send")
    expect(talk(page, 1)).to_contain_text("And 5?")
    expect(talk(page, 1)).not_to_contain_text("And 4?")
    expect(page.locator("#compare-send")).to_be_enabled()
    said = [answers(page, pane).all_inner_texts() for pane in (1, 2, 3)]
    marks = page.get_by_label("Highlight differences", exact=True)
    marks.check()
    expect(talk(page, 3).locator("mark").first).to_be_visible()
    expect(page.locator("#compare-marked")).to_have_text("Coloured: not in the first model's answer.")
    marks.uncheck()
    expect(talk(page, 3).locator("mark")).to_have_count(0)

    # Ticked while an answer comes, it is done when that is complete.
    page.locator("#compare-prompt textarea").fill("And 6?")
    page.locator("#compare-prompt textarea").press("Enter")
    expect(page.locator("#compare-stop")).to_be_visible()
    marks.check()
    expect(page.locator("#compare-send")).to_be_enabled()
    expect(talk(page, 3).locator(".ls-said-answer").last.locator("mark").first).to_be_visible()
    marks.uncheck()
    press(page, "Edit last message")
    expect(page.locator("#compare-prompt textarea")).to_have_value("And 6?")
    page.locator("#compare-prompt textarea").fill("And 5?")
    press(page, "Send")
    expect(talk(page, 1)).not_to_contain_text("And 6?")
    expect(page.locator("#compare-send")).to_be_enabled()
    said = [answers(page, pane).all_inner_texts() for pane in (1, 2, 3)]

    page.reload()
    open_compare(page)
    expect(talk(page, 3)).to_contain_text("And 5?")
    assert [answers(page, pane).all_inner_texts() for pane in (1, 2, 3)] == said

    page.get_by_role("button", name="Answer settings").click()
    system_prompt = page.locator("#compare-settings").get_by_label("System prompt")
    expect(system_prompt).to_be_visible()
    page.keyboard.press("Escape")
    expect(system_prompt).to_be_hidden()
    page.get_by_role("button", name="This conversation").click()
    assert "## 2. Question\n\nAnd 5?" in download(page, "Download as Markdown")
    assert len(download(page, "Download as JSONL").splitlines()) == 3
    press(page, "Move to Trash")
    expect(page.locator("#compare-said")).to_contain_text("is in the Trash")
    expect(talk(page, 1)).not_to_contain_text("And 5?")
    page.locator("#compare-restore").click()
    expect(talk(page, 1)).to_contain_text("And 5?")
    expect(page.locator("#compare-bin")).to_be_hidden()
    page.get_by_role("button", name="This conversation").click()
    press(page, "Move to Trash")
    page.locator("#compare-bin > button", has_text="Trash (1)").click()
    press(page, "Empty Trash")
    expect(page.locator("#compare-bin")).to_contain_text("Delete 1 conversation for good?")
    page.locator("#compare-bin-back").click()
    expect(talk(page, 1)).to_contain_text("And 5?")
    expect(page.locator("#compare-bin")).to_be_hidden()

    press(page, "Remove last model")
    choose(page, "Model 2", "otter")
    for pane in (1, 2):
        expect(answers(page, pane)).to_have_count(0)
    expect(page.locator("#compare-said")).to_contain_text("all of them start over")
    press(page, "Replay with current models")
    for pane in (1, 2):
        expect(answers(page, pane)).to_have_count(2)
    expect(caption(page, 2)).to_contain_text("adapter on (otter)")


def test_a_reload_loses_neither_a_question_nor_a_message_that_was_not_sent(page: Page) -> None:
    """A reload in the middle of an answer lost the question, and a drafted message was gone."""
    open_compare(page)
    expect(page.locator("#compare-send")).to_be_enabled()
    page.locator("#compare-prompt textarea").fill("Which colour is 3?")
    page.locator("#compare-prompt textarea").press("Enter")
    expect(talk(page, 2)).to_contain_text("Which colour is 3?")
    page.reload()
    open_compare(page)
    for pane in (1, 2):
        expect(talk(page, pane)).to_contain_text("Which colour is 3?")
    expect(page.locator("#compare-prompt textarea")).to_have_value("")
    page.locator("#compare-prompt textarea").fill("And which is 5?")
    page.reload()
    open_compare(page)
    expect(page.locator("#compare-prompt textarea")).to_have_value("And which is 5?")
    expect(talk(page, 1)).to_contain_text("Which colour is 3?")
    press(page, "Send")
    expect(talk(page, 2)).to_contain_text("And which is 5?")
    expect(page.locator("#compare-send")).to_be_enabled()
    page.reload()
    open_compare(page)
    expect(talk(page, 2)).to_contain_text("And which is 5?")
    expect(page.locator("#compare-prompt textarea")).to_have_value("")


def test_the_panes_prove_themselves_and_adapters_are_blended(page: Page) -> None:
    open_compare(page)
    page.locator("#compare-proof > button").click()
    page.locator("#compare-prove").click()
    expect(page.locator("#compare-proof-said")).to_contain_text("Passed")
    page.locator("#compare-blend > button").click()
    page.get_by_label("Name of the result", exact=True).fill("mixed")
    page.locator("#blend-start").click()
    expect(page.locator("#blend-state")).to_contain_text("mixed is ready")
    choose(page, "Model 2", "mixed")
    ask(page, "Which colour is 3?")
    expect(caption(page, 2)).to_contain_text("adapter on (mixed)")


def test_a_sheet_is_answered_and_voted_on(page: Page) -> None:
    open_compare(page, "Prompt sheet")
    expect(page.locator("#sheet-csv")).to_be_hidden()
    page.locator("#sheet-typed textarea").fill("\n".join(f"Which colour is {n}?" for n in range(5)))
    page.locator("#sheet-strengths").get_by_label("1.5", exact=True).check()
    press(page, "Answer all")
    expect(page.locator("#sheet-progress")).to_contain_text("5 prompts, all answered")
    rows = page.locator("#sheet-table tbody tr")
    expect(rows).to_have_count(5)
    titles = ["Prompt", "tiny, untrained", "heron", "heron at 1.5"]
    expect(page.locator("#sheet-table thead th")).to_have_text(titles)
    page.get_by_role("textbox", name="Search the sheet").fill("colour is 3")
    expect(rows).to_have_count(1)
    assert len(download(page, "Download as CSV").splitlines()) >= 6

    page.get_by_role("tab", name="Blind vote", exact=True).click()
    page.get_by_label("A prompt sheet", exact=True).check()
    press(page, "Start voting")
    ballot = page.locator("#vote-ballot")
    expect(ballot).to_contain_text("Question 1 of 5")
    expect(ballot).not_to_contain_text("heron")
    page.set_viewport_size({"width": 1280, "height": 700})
    expect(page.get_by_role("button", name="Both are bad")).to_be_in_viewport(ratio=1)
    expect(page.locator("#vote-standing")).to_be_hidden()
    page.keyboard.press("1")
    expect(ballot).to_contain_text("Question 2 of 5, 1 vote so far")
    page.get_by_role("button", name="Both are good").click()
    expect(ballot).to_contain_text("Question 3 of 5, 2 votes so far")
    page.get_by_role("tab", name="Prompt sheet", exact=True).click()
    page.keyboard.press("2")
    page.get_by_role("textbox", name="Search the sheet").press("2")
    page.get_by_role("tab", name="Blind vote", exact=True).click()
    expect(ballot).to_contain_text("Question 3 of 5, 2 votes so far")
    press(page, "Reveal names and finish")
    expect(ballot).to_contain_text("heron")
    expect(page.locator("#vote-standing")).to_contain_text("in 1 of 1: too few votes to tell")
    preferred = json.loads(download(page, "Download as preference data"))
    assert set(preferred) == {"prompt", "chosen", "rejected"}


def test_the_table_of_runs_leads_to_a_comparison(page: Page) -> None:
    page.get_by_role("tab", name="All runs", exact=True).click()
    press(page, "otter")
    expect(page.locator("#runs-one")).to_contain_text("otter")
    press(page, "Compare")
    expect(page.get_by_label("Model 1", exact=True)).to_have_value("tiny, untrained")
    expect(page.get_by_label("Model 2", exact=True)).to_have_value(re.compile("^otter"))


def test_the_run_that_was_followed_is_compared_whatever_was_talked_about_before(page: Page, server: Served) -> None:
    """The tab showed the conversation that was had last: another run was judged in place of one's own."""
    open_compare(page)
    expect(page.get_by_label("Model 2", exact=True)).to_have_value(re.compile("^heron"))
    page.locator("#compare-prompt textarea").fill("Which colour is 3?")
    press(page, "Send")
    expect(page.locator("#compare-kept input")).to_have_value(re.compile("Which colour"))
    expect(answers(page, 2)).to_have_count(1)
    runs = {run.name: run.id for run in RunStore(server.home).all()}
    page.goto(f"{server.address}?tab=train&run={runs['otter']}")
    for _ in range(2):
        press(page, "Compare with the base model")
        expect(page.get_by_label("Model 2", exact=True)).to_have_value(re.compile("^otter"))
        expect(page.locator("#compare-kept input")).to_have_value("New conversation")
        choose(page, "Conversation", "Which colour")
        expect(page.get_by_label("Model 2", exact=True)).to_have_value(re.compile("^heron"))
        page.get_by_role("tab", name="3. Train", exact=True).click()


def test_a_phone_has_room_for_all_of_it(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for part in ("Chat", "Prompt sheet", "Blind vote"):
        open_compare(page, part)
        page.wait_for_timeout(300)
        assert_fits(page)
    open_compare(page)
    page.get_by_role("tab", name="Chat", exact=True).click()
    page.locator("#compare-prompt textarea").fill("Which colour is 3?")
    page.locator("#compare-prompt textarea").press("Enter")
    expect(caption(page, 2)).to_contain_text("tokens")
    expect(talk(page, 1)).to_be_hidden()
    expect(talk(page, 2).get_by_role("button", name="Copy this answer")).to_be_in_viewport()
    expect(page.locator("#compare-prompt")).to_be_in_viewport(ratio=1)
    page.get_by_role("tab", name="tiny, untrained", exact=True).click()
    expect(talk(page, 1)).to_be_visible()
    expect(talk(page, 2)).to_be_hidden()
    press(page, "Add model")
    page.get_by_role("tab", name="otter", exact=True).click()
    expect(page.get_by_label("Model 3", exact=True)).to_be_visible()
    assert_fits(page)

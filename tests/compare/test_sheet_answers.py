"""Answering sheets with a chat that is played: what is asked together, what is kept, and what stops it."""

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.compare.answering import GenerationSettings
from studio.compare.chat_protocol import Answered, FromWorker, Open, Opening, PaneRequest, Token, Trouble
from studio.compare.pane_models import PaneModel
from studio.compare.sheet_answers import SheetWork
from studio.compare.sheet_asking import answer_rows, check_models, columns_of
from studio.compare.sheet_prompts import Prompt
from studio.compare.sheets import Column, open_sheets
from studio.errors import RunError

GENERATION = GenerationSettings("Be brief.", 0.0, 32, 7)
BASE = PaneModel("base:a", "base", "a", "", "starter", 0, "fp32", False, None, "base")
OTTER = replace(BASE, key="run:a", title="otter", folder="/runs/a", kind="run")
OTHER = replace(OTTER, key="run:b", title="heron", model="another")
MODELS = {model.key: model for model in (BASE, OTTER, OTHER)}
COLUMNS = (Column("base:a", "base"), Column("run:a", "otter", 0.5))


class Chat:
    """Answers with the adapter and the prompt; in trouble with "trouble", and held back while `gate` is closed.

    Models in `unable` answer nothing.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[PaneRequest, ...]] = []
        self.is_running = True
        self.halted: set[str] = set()
        self.unable: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()

    def ask(
        self, base: Open, panes: Sequence[PaneRequest], *, ticket: str, **generation: Any
    ) -> Generator[FromWorker, None, None]:
        self.asked.append(tuple(panes))
        yield Opening("Loading.")
        self.gate.wait(10)
        if ticket in self.halted:
            return
        if any("trouble" in pane.messages[-1].content for pane in panes):
            yield Trouble(1, "The prompt is too long.", "Shorten it.")
            return
        if self.unable & {pane.adapter for pane in panes}:
            yield Trouble(1, "It is fixed.", "Leave it.")
            return
        for place, pane in enumerate(panes):
            yield Token(1, place, f"{pane.adapter or 'base'}: {pane.messages[-1].content}")
            yield Answered(1, place, 4, 0.5, "end")

    def halt(self, ticket: str = "") -> None:
        self.halted.add(ticket)


@pytest.fixture
def chat() -> Chat:
    return Chat()


@pytest.fixture
def work(tmp_path: Path, chat: Any) -> SheetWork:
    return SheetWork(open_sheets(tmp_path), chat, lambda key: MODELS[key])


def prompts(*texts: str) -> tuple[Prompt, ...]:
    return tuple(map(Prompt, texts))


def rows(chat: Any, *texts: str) -> dict[int, list[str]]:
    said = answer_rows(chat, [(BASE, 1.0), (OTTER, 0.5)], prompts(*texts), generation=GENERATION)
    return {place: [cell.trouble or cell.text for cell in cells] for place, cells in said}


def test_several_prompts_and_all_models_are_asked_together(chat: Chat) -> None:
    said = rows(chat, *[f"Say {number}" for number in range(10)])
    assert [len(panes) for panes in chat.asked] == [16, 4]
    assert list(said) == list(range(10))
    assert said[9] == ["base: Say 9", "/runs/a: Say 9"]
    assert [pane.strength for pane in chat.asked[0][:2]] == [1.0, 0.5]
    assert [message.content for message in chat.asked[0][0].messages] == ["Be brief.", "Say 0"]


def test_the_system_prompt_of_a_row_goes_before_that_of_all(chat: Any) -> None:
    list(answer_rows(chat, [(BASE, 1.0)], [Prompt("Hi", system="Sing.")], generation=GENERATION))
    assert chat.asked[0][0].messages[0].content == "Sing."


def test_one_prompt_in_trouble_leaves_the_others_their_answers(chat: Chat) -> None:
    said = rows(chat, "One", "trouble", "Three")
    assert said[0] == ["base: One", "/runs/a: One"]
    assert said[1] == ["The prompt is too long. Shorten it."] * 2
    assert said[2] == ["base: Three", "/runs/a: Three"]


def test_a_model_that_cannot_answer_costs_the_others_nothing(chat: Chat) -> None:
    chat.unable = {OTTER.folder}
    said = rows(chat, *[f"Say {number}" for number in range(20)])
    assert len(said) == 20
    assert all(cells == [f"base: Say {n}", "It is fixed. Leave it."] for n, cells in said.items())
    after = [[pane.adapter for pane in panes] for panes in chat.asked[4:]]
    assert not any(OTTER.folder in adapters for adapters in after), "who cannot answer is asked no more"


def test_a_model_that_answered_before_is_not_to_blame(chat: Chat) -> None:
    rows(chat, *["Say"] * 8, "trouble", "Say")
    assert [len(panes) for panes in chat.asked] == [16, 4, 2, 2], "nobody is asked alone"


def test_an_adapter_has_a_column_for_each_strength() -> None:
    whole = replace(OTTER, key="run:c", title="whole", whole=True)
    found = columns_of([BASE, OTTER, whole], [1.0, 0.5, 1.0])
    assert [column.label for column in found] == ["base", "otter at 0.5", "otter", "whole"]
    assert [column.strength for column in columns_of([BASE, whole], [])] == [1.0, 1.0]
    for strengths, sentence in (([], "No adapter strength"), ([2.0], "no strength of 2"), ([float("nan")], "nan")):
        with pytest.raises(RunError, match=sentence):
            columns_of([OTTER], strengths)
    with pytest.raises(RunError, match="5 models: that is 5 columns"):
        columns_of([BASE] * 5, [1.0])


def test_what_troubles_all_ends_it(chat: Chat) -> None:
    with pytest.raises(RunError, match="too long"):
        rows(chat, "trouble", "more trouble")
    chat.is_running = False  # it was closed for a run
    asked = len(chat.asked)
    with pytest.raises(RunError, match="too long"):
        rows(chat, "One", "trouble")
    assert len(chat.asked) == asked + 1, "nobody is asked again once it is closed"


def test_models_of_two_bases_are_refused(chat: Any) -> None:
    with pytest.raises(RunError, match="another base model"):
        check_models([OTTER, OTHER])
    with pytest.raises(RunError, match="one to 4 models"):
        check_models([])
    with pytest.raises(RunError, match="must be"):
        list(answer_rows(chat, [(BASE, 1.0)], prompts("Hi"), generation=replace(GENERATION, longest=0)))


def test_a_sheet_is_answered_in_the_background_and_kept(tmp_path: Path, work: SheetWork) -> None:
    sheet = work.start(COLUMNS, prompts(*[f"Say {number}" for number in range(10)]), generation=GENERATION)
    work.join(sheet.id)
    state = work.state(sheet.id)
    assert (state.working, state.trouble, state.sheet.answered) == (False, "", 10)
    assert open_sheets(tmp_path).get(sheet.id).rows[9].cells[1].text == "/runs/a: Say 9"
    assert (state.sheet.name, state.sheet.created) == ("Say 0", sheet.created)


def test_a_sheet_that_was_stopped_goes_on_with_what_is_open(work: SheetWork, chat: Chat) -> None:
    chat.gate.clear()
    sheet = work.start(COLUMNS, prompts("One", "Two"), generation=GENERATION)
    assert work.state(sheet.id).working
    work.stop(sheet.id)
    chat.gate.set()
    work.join(sheet.id)
    assert work.state(sheet.id).sheet.answered == 0
    work.go_on(sheet.id)
    work.join(sheet.id)
    assert work.state(sheet.id).sheet.answered == 2
    work.go_on(sheet.id)
    work.join(sheet.id)
    assert len(chat.asked) == 2, "what is answered is not asked again"


def test_a_sheet_may_be_renamed_while_it_is_answered(work: SheetWork, chat: Chat) -> None:
    chat.gate.clear()
    sheet = work.start(COLUMNS, prompts("One"), generation=GENERATION)
    work.sheets.rename(sheet.id, "Bread")
    chat.gate.set()
    work.join(sheet.id)
    state = work.state(sheet.id)
    assert (state.sheet.name, state.sheet.answered, len(work.sheets.all())) == ("Bread", 1, 1)


def test_trouble_is_told_and_what_was_answered_stays(work: SheetWork) -> None:
    sheet = work.start(COLUMNS, prompts(*["fine"] * 8, *["trouble"] * 2), generation=GENERATION)
    work.join(sheet.id)
    state = work.state(sheet.id)
    assert (state.working, state.sheet.answered) == (False, 8)
    assert "too long" in state.trouble


def test_a_sheet_in_the_bin_takes_no_more_answers(work: SheetWork, chat: Chat) -> None:
    chat.gate.clear()
    sheet = work.start(COLUMNS, prompts("One"), generation=GENERATION)
    work.sheets.delete(sheet.id)
    chat.gate.set()
    work.join(sheet.id)
    assert work.sheets.all() == ()
    assert work.sheets.restore(sheet.id).answered == 0


def test_what_is_waited_for_is_heard(chat: Any) -> None:
    heard: list[str] = []
    hear: Callable[[str], None] = heard.append
    list(answer_rows(chat, [(BASE, 1.0)], prompts("Hi"), generation=GENERATION, hear=hear))
    assert heard == ["Loading.", "", ""]

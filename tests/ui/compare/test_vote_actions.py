import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from studio.compare.answering import GenerationSettings
from studio.compare.pane_models import first_pair, pane_model
from studio.compare.sheet_answers import SheetWork
from studio.compare.sheets import Column, Sheet, open_sheets
from studio.compare.votes import FIRST, SECOND, Votes
from studio.config import RunConfig
from studio.errors import RunError
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.compare import sheet_actions, vote_actions
from studio.ui.compare.sheet_actions import Source
from studio.ui.compare.vote_actions import VoteDesk, Voting
from studio.ui.kit.actions import Action
from tests.ui.fake_studio import finished_run

GENERATION = GenerationSettings("", 0.0, 64, 42)


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    return finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id, config=RunConfig(name="otter"))


@pytest.fixture
def work(studio: Studio) -> SheetWork:
    return SheetWork(open_sheets(studio.settings.home, studio.clock), studio.chat, lambda key: pane_model(studio, key))


@pytest.fixture
def votes(studio: Studio) -> Votes:
    return Votes(studio.settings.home)


@pytest.fixture
def desk(studio: Studio, work: SheetWork, votes: Votes) -> VoteDesk:
    return VoteDesk(studio, work, votes, seed=lambda: 3)


@pytest.fixture
def sheet(studio: Studio, run: RunFolder, work: SheetWork) -> Sheet:
    models = [key for key in first_pair(studio) if key]
    return answered(studio, work, models, *[f"Say {n}" for n in range(6)])


def answered(
    studio: Studio, work: SheetWork, models: list[str], *prompts: str, strengths: Sequence[float] = (1.0,)
) -> Sheet:
    source = Source("typed", "\n".join(prompts))
    chosen, _ = sheet_actions.start(
        studio, work, models=models, strengths=strengths, generation=GENERATION, source=source
    )
    work.join(chosen["value"])
    return work.sheets.get(chosen["value"])


@pytest.fixture
def opened(desk: VoteDesk, sheet: Sheet) -> Voting:
    return desk.begin_with_sheet(sheet.id, *(column.key for column in sheet.columns))


def press(desk: VoteDesk, now: Voting, verb: str, key: Any = None) -> Voting:
    return desk.press(now, Action(verb, str(now.place if key is None else key)), at=5.0)


def test_a_ballot_shows_two_answers_and_no_name(desk: VoteDesk, opened: Voting, studio: Studio) -> None:
    shown = desk.draw(opened)
    assert "Question 1 of 6, 0 votes so far" in shown
    assert "base: Say" in shown
    assert "tuned: Say" in shown
    assert "otter" not in shown
    assert "Starter model" not in shown
    assert "Reveal" not in shown, "nothing was voted yet"
    for number, label in enumerate(("Left is better", "Right is better", "Both are good", "Both are bad"), start=1):
        assert f'aria-keyshortcuts="{number}"' in shown
        assert label in shown


def test_the_left_answer_is_that_of_the_model_that_stands_there(desk: VoteDesk, opened: Voting) -> None:
    assert opened.ballot is not None
    for place, question in enumerate(opened.ballot.questions):
        shown = desk.draw(replace(opened, place=place))
        assert (shown.index("tuned:") < shown.index("base:")) == question.swapped


def test_votes_are_written_at_once_and_lead_to_the_next_question(
    desk: VoteDesk, opened: Voting, votes: Votes, sheet: Sheet
) -> None:
    now = press(desk, opened, "left")
    now = press(desk, now, "both")
    now = press(desk, now, "skip")
    assert (now.place, len(now.cast)) == (3, 2)
    assert votes.of(*sheet.columns) == now.cast
    assert opened.ballot is not None
    assert now.cast[0].choice == (SECOND if opened.ballot.questions[0].swapped else FIRST)
    assert "Reveal the names and end" in desk.draw(now)


def test_a_press_for_another_question_is_no_vote(desk: VoteDesk, opened: Voting) -> None:
    """A second press of a key, sent before the next question came, would vote on what nobody saw."""
    now = press(desk, opened, "left")
    assert press(desk, now, "left", key=0) == now
    assert press(desk, now, "left", key="x") == now
    assert press(desk, Voting(), "left") == Voting()


def test_names_are_revealed_only_after_a_vote(desk: VoteDesk, opened: Voting) -> None:
    assert press(desk, opened, "reveal") == opened
    now = press(desk, press(desk, opened, "right"), "reveal")
    shown = desk.draw(now)
    assert "otter" in shown
    assert "Starter model, untrained" in shown
    assert "was preferred in 1 of 1; too few to be sure." in shown
    assert press(desk, now, "left") == now, "the vote is over"


def test_the_last_question_leads_to_the_reveal(desk: VoteDesk, opened: Voting) -> None:
    now = opened
    for _ in range(6):
        now = press(desk, now, "skip")
    assert "voted on none" in desk.draw(now)
    assert press(desk, now, "end") == Voting()
    now = press(desk, opened, "neither")
    for _ in range(5):
        now = press(desk, now, "left")
    assert "That was the last question" in desk.draw(now)
    assert "Reveal the names" in desk.draw(now)


def test_what_was_voted_on_is_not_asked_again(desk: VoteDesk, opened: Voting, sheet: Sheet) -> None:
    press(desk, opened, "left")
    again = desk.begin_with_sheet(sheet.id, *(column.key for column in sheet.columns))
    assert again.ballot is not None
    assert len(again.ballot.questions) == 5


def test_typed_prompts_are_answered_first(desk: VoteDesk, studio: Studio, run: RunFolder, work: SheetWork) -> None:
    first, second = first_pair(studio)
    now = desk.begin_with_prompts("One\nTwo", (first, 1.0), (second, 1.0), GENERATION)
    assert now.waits_for
    assert desk.look(Voting()) == Voting()
    work.join(now.waits_for)
    opened = desk.look(now)
    assert opened.ballot is not None
    assert len(opened.ballot.questions) == 2
    assert "answered" in desk.draw(now)
    assert press(desk, now, "end") == Voting()


def test_typed_prompts_in_trouble_are_a_sentence(
    desk: VoteDesk, studio: Studio, run: RunFolder, work: SheetWork
) -> None:
    first, second = first_pair(studio)
    now = desk.begin_with_prompts("trouble", (first, 1.0), (second, 1.0), GENERATION)
    work.join(now.waits_for)
    with pytest.raises(RunError, match="too long"):
        desk.look(now)


def test_a_vote_is_between_two(desk: VoteDesk, sheet: Sheet) -> None:
    key = sheet.columns[0].key
    with pytest.raises(RunError, match="two models"):
        desk.begin_with_sheet(sheet.id, key, key)
    with pytest.raises(RunError, match="two models"):
        desk.begin_with_prompts("x", (key, 1.0), (None, 1.0), GENERATION)
    assert desk.begin_with_sheet(sheet.id, None, None).ballot is not None, "the first two, before the page shows them"
    with pytest.raises(RunError, match="no prompt sheet"):
        desk.begin_with_sheet(None, None, None)


def test_how_a_pair_stands_is_counted_and_taken_along(
    desk: VoteDesk, opened: Voting, votes: Votes, sheet: Sheet
) -> None:
    assert "No votes yet" in vote_actions.standing(votes, None)
    now = opened
    for _ in range(4):
        assert now.ballot is not None
        now = press(desk, now, "left" if now.ballot.questions[now.place].swapped else "right")
    now = press(desk, now, "both")
    chosen = vote_actions.list_pairs(votes, None)
    assert chosen["choices"] == [("otter and Starter model, untrained", chosen["value"])]
    shown = vote_actions.standing(votes, chosen["value"])
    assert "otter was preferred in 4 of 4" in shown
    assert "<dd>100 %</dd>" in shown
    prepared = json.loads(vote_actions.save(votes, chosen["value"]))
    assert prepared["name"] == "preferences-starter-model-untrained-otter.jsonl"
    lines = [json.loads(line) for line in prepared["text"].splitlines()]
    assert len(lines) == 4
    assert all(line["chosen"].startswith("tuned:") and line["rejected"].startswith("base:") for line in lines)


def test_nothing_preferred_is_nothing_to_save(desk: VoteDesk, opened: Voting, votes: Votes, sheet: Sheet) -> None:
    press(desk, opened, "both")
    name = vote_actions.name_of(votes, (sheet.columns[0], sheet.columns[1]))
    assert "No vote prefers one of the two yet" in vote_actions.standing(votes, name)
    for pair in (name, None, "nonsense"):
        with pytest.raises(gr.Error, match="No vote prefers"):
            vote_actions.save(votes, pair)


def test_the_lists_offer_sheets_of_two_models(
    studio: Studio, work: SheetWork, votes: Votes, sheet: Sheet, run: RunFolder
) -> None:
    answered(studio, work, [f"run:{run.id}"], "Alone")
    sheets, first, second, pair = vote_actions.refresh(studio, work, votes, sheet=None, typed=(None, None), pair=None)
    assert [id for _, id in sheets["choices"]] == [sheet.id]
    assert [first["value"], second["value"]] == first_pair(studio)
    assert pair["choices"] == []
    assert vote_actions.list_sheets(work, None)["value"] == sheet.id, "one that was made since is chosen"
    columns = vote_actions.offer_columns(work, sheet.id)
    assert [each["value"] for each in columns] == [column.key for column in sheet.columns]
    assert vote_actions.offer_columns(work, None)[0]["choices"] == []


def test_a_sheet_at_several_strengths_is_voted_on_by_its_columns(
    desk: VoteDesk, studio: Studio, work: SheetWork, run: RunFolder
) -> None:
    """Columns were told apart by their model alone, so that the first strength stood in for all of them."""
    sheet = answered(studio, work, [f"run:{run.id}"], "One", "Two", strengths=[0.5, 1.0, 1.5])
    offered = vote_actions.offer_columns(work, sheet.id)[0]["choices"]
    assert [label for label, _ in offered] == ["otter at 0.5", "otter", "otter at 1.5"]
    opened = desk.begin_with_sheet(sheet.id, offered[2][1], offered[0][1])
    assert opened.ballot is not None
    assert opened.ballot.columns == (2, 0)


def test_a_run_is_voted_on_against_itself_at_another_strength(
    desk: VoteDesk, run: RunFolder, work: SheetWork, votes: Votes
) -> None:
    key = f"run:{run.id}"
    waiting = desk.begin_with_prompts("One\nTwo", (key, 0.5), (key, None), GENERATION)
    work.join(waiting.waits_for)
    now = press(desk, desk.look(waiting), "left")
    weak, strong = Column(key, "otter", 0.5), Column(key, "otter")
    assert votes.of(weak, strong) == now.cast
    assert votes.of(weak, Column(key, "otter", 0.25)) == ()
    assert "otter at 0.5" in desk.draw(press(desk, now, "reveal"))
    assert vote_actions.list_pairs(votes, None)["choices"][0][0] == "otter and otter at 0.5"


def test_the_same_model_at_the_same_strength_is_no_pair(desk: VoteDesk, run: RunFolder, work: SheetWork) -> None:
    adapter, base = f"run:{run.id}", f"base:{run.id}"
    with pytest.raises(RunError, match="the same model at the same strength"):
        desk.begin_with_prompts("One", (adapter, 0.5), (adapter, 0.5), GENERATION)
    with pytest.raises(RunError, match=r"the same model\."):
        desk.begin_with_prompts("One", (base, 0.5), (base, 1.0), GENERATION)
    with pytest.raises(RunError, match=r"no strength of 1\.7"):
        desk.begin_with_prompts("One", (adapter, 1.7), (base, 1.0), GENERATION)
    assert work.sheets.all() == ()


def test_a_strength_that_an_adapter_cannot_have_is_a_sentence(
    desk: VoteDesk, studio: Studio, run: RunFolder, work: SheetWork
) -> None:
    studio.chat.is_running, studio.chat.is_fixed = True, True  # type: ignore[misc, attr-defined]
    now = desk.begin_with_prompts("One", (f"base:{run.id}", 1.0), (f"run:{run.id}", 0.5), GENERATION)
    work.join(now.waits_for)
    with pytest.raises(RunError, match=r"otter at 0\.5 gave no answer: .* Set it to 1"):
        desk.look(now)


def test_only_an_adapter_has_a_strength(studio: Studio, run: RunFolder) -> None:
    seen = [vote_actions.show_strength(studio, key)["visible"] for key in (f"run:{run.id}", f"base:{run.id}", None)]
    assert seen == [True, False, False]

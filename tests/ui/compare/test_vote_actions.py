import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from studio.compare.pane_models import first_pair, pane_model
from studio.compare.sheet_answers import SheetWork
from studio.compare.sheets import Column, Sheet, open_sheets
from studio.compare.votes import FIRST, SECOND, Votes
from studio.config import RunConfig
from studio.errors import RunError
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.compare import sheet_actions, vote_actions
from studio.ui.compare.vote_actions import SHEET, Selection, VoteDesk, Voting
from studio.ui.kit.actions import Action
from studio.ui.kit.drawn import Drawn, only_new
from studio.ui.kit.exchange import Result
from tests.ui.fake_studio import finished_run

Wanted = tuple[str | None, float]


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
    typed = sheet_actions.Selection(typed="\n".join(prompts), models=tuple(models), strengths=tuple(strengths))
    id = sheet_actions.start(studio, work, replace(typed, longest=64), file=None).state.sheet or ""
    work.join(id)
    return work.sheets.get(id)


def of_sheet(sheet: Sheet, first: str | None, second: str | None) -> Selection:
    return Selection(source=SHEET, sheet=sheet.id, first=first, second=second)


def of_prompts(text: str, first: Wanted, second: Wanted) -> Selection:
    """Typed prompts for two models, each with its strength."""
    return Selection(
        longest=64,
        typed=text,
        typed_first=first[0],
        typed_second=second[0],
        strength_first=first[1],
        strength_second=second[1],
    )


def shown(desk: VoteDesk, now: Selection) -> dict[str, Any]:
    return only_new(desk.draw(now), Drawn())[0]


@pytest.fixture
def opened(desk: VoteDesk, sheet: Sheet) -> Voting:
    return desk.begin(of_sheet(sheet, *(column.key for column in sheet.columns))).voting


def press(desk: VoteDesk, now: Voting, verb: str, key: Any = None) -> Voting:
    return desk.vote(now, Action(verb, str(now.place if key is None else key)))


def test_a_ballot_shows_two_answers_and_no_name(desk: VoteDesk, opened: Voting, studio: Studio) -> None:
    seen = desk.ballot(opened)
    assert "Question 1 of 6, 0 votes so far" in seen
    assert "base: Say" in seen
    assert "tuned: Say" in seen
    assert "otter" not in seen
    assert "Starter model" not in seen
    assert "Reveal" not in seen, "nothing was voted yet"
    for number, label in enumerate(("Left is better", "Right is better", "Both are good", "Both are bad"), start=1):
        assert f'aria-keyshortcuts="{number}"' in seen
        assert label in seen


def test_the_left_answer_is_that_of_the_model_that_stands_there(desk: VoteDesk, opened: Voting) -> None:
    assert opened.ballot is not None
    for place, question in enumerate(opened.ballot.questions):
        seen = desk.ballot(replace(opened, place=place))
        assert (seen.index("tuned:") < seen.index("base:")) == question.swapped


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
    assert "Reveal names and finish" in desk.ballot(now)


def test_a_press_for_another_question_is_no_vote(desk: VoteDesk, opened: Voting) -> None:
    """A second press of a key, sent before the next question came, would vote on what nobody saw."""
    now = press(desk, opened, "left")
    assert press(desk, now, "left", key=0) == now
    assert press(desk, now, "left", key="x") == now
    assert press(desk, Voting(), "left") == Voting()


def test_names_are_revealed_only_after_a_vote(desk: VoteDesk, opened: Voting) -> None:
    assert press(desk, opened, "reveal") == opened
    now = press(desk, press(desk, opened, "right"), "reveal")
    seen = desk.ballot(now)
    assert "otter" in seen
    assert "Starter model, untrained" in seen
    assert "was preferred in 1 of 1: too few votes to tell." in seen
    assert press(desk, now, "left") == now, "the vote is over"


def test_while_a_vote_is_in_progress_only_the_ballot_is_in_sight(desk: VoteDesk, opened: Voting) -> None:
    """Its buttons were below the fold, and "No votes yet" stood below "7 votes kept"."""

    def shown(voting: Voting) -> list[bool]:
        parts = {name: part for section in desk.draw(Selection(voting=voting)) for name, part in section.make().items()}
        return [parts[name]["visible"] for name in ("setup", "vote", "results")]

    assert shown(Voting()) == [True, False, True]
    assert shown(opened) == shown(Voting(waits_for="a-sheet")) == [False, True, False]
    voted = press(desk, opened, "left")
    assert shown(voted) == [False, True, False]
    revealed = press(desk, voted, "reveal")
    assert shown(revealed) == [False, True, True]
    assert "New vote" in desk.ballot(revealed)


def test_the_last_question_leads_to_the_reveal(desk: VoteDesk, opened: Voting) -> None:
    now = opened
    for _ in range(6):
        now = press(desk, now, "skip")
    assert "voted on none" in desk.ballot(now)
    assert press(desk, now, "end") == Voting()
    now = press(desk, opened, "neither")
    for _ in range(5):
        now = press(desk, now, "left")
    assert "That was the last question" in desk.ballot(now)
    assert "Reveal names" in desk.ballot(now)


def test_what_was_voted_on_is_not_asked_again(desk: VoteDesk, opened: Voting, sheet: Sheet) -> None:
    press(desk, opened, "left")
    again = desk.begin(of_sheet(sheet, *(column.key for column in sheet.columns))).voting
    assert again.ballot is not None
    assert len(again.ballot.questions) == 5


def test_typed_prompts_are_answered_first(desk: VoteDesk, studio: Studio, run: RunFolder, work: SheetWork) -> None:
    first, second = first_pair(studio)
    now = desk.begin(of_prompts("One\nTwo", (first, 1.0), (second, 1.0)))
    assert now.voting.waits_for
    assert shown(desk, now)["timer"]["active"] is True
    assert desk.look(Selection()) == Selection()
    work.join(now.voting.waits_for)
    opened = desk.look(now)
    assert opened.voting.ballot is not None
    assert len(opened.voting.ballot.questions) == 2
    assert shown(desk, opened)["timer"]["active"] is False
    assert "answered" in desk.ballot(now.voting)
    assert press(desk, now.voting, "end") == Voting()


def test_typed_prompts_in_trouble_are_a_sentence(
    desk: VoteDesk, studio: Studio, run: RunFolder, work: SheetWork
) -> None:
    first, second = first_pair(studio)
    now = desk.begin(of_prompts("trouble", (first, 1.0), (second, 1.0)))
    work.join(now.voting.waits_for)
    with pytest.raises(RunError, match="too long"):
        desk.look(now)
    assert desk.give_up(now).voting == Voting()


def test_a_vote_is_between_two(desk: VoteDesk, sheet: Sheet) -> None:
    key = sheet.columns[0].key
    with pytest.raises(RunError, match="two models"):
        desk.begin(of_sheet(sheet, key, key))
    with pytest.raises(RunError, match="two models"):
        desk.begin(of_prompts("x", (key, 1.0), (None, 1.0)))
    unseen = desk.begin(of_sheet(sheet, None, None))
    assert unseen.voting.ballot is not None, "the first two, before the page shows them"
    with pytest.raises(RunError, match="no prompt sheet"):
        desk.begin(Selection(source=SHEET))


def test_how_a_pair_stands_is_counted_and_taken_along(
    desk: VoteDesk, opened: Voting, votes: Votes, sheet: Sheet
) -> None:
    assert "No votes yet" in vote_actions.standing(votes, None)
    now = opened
    for _ in range(4):
        assert now.ballot is not None
        now = press(desk, now, "left" if now.ballot.questions[now.place].swapped else "right")
    now = press(desk, now, "both")
    chosen = vote_actions.list_pairs(votes, Selection(), None)
    assert chosen.updates["pair"]["choices"] == [("otter and Starter model, untrained", chosen.state.pair)]
    counted = vote_actions.standing(votes, chosen.state.pair)
    assert "otter was preferred in 4 of 4" in counted
    assert "<dd>100 %</dd>" in counted
    prepared = json.loads(vote_actions.save(votes, chosen.state))
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
            vote_actions.save(votes, Selection(pair=pair))


def test_the_lists_offer_sheets_of_two_models(
    desk: VoteDesk, studio: Studio, work: SheetWork, votes: Votes, sheet: Sheet, run: RunFolder
) -> None:
    answered(studio, work, [f"run:{run.id}"], "Alone")
    now = vote_actions.refresh(studio, work, votes, Selection())
    assert [id for _, id in now.updates["sheet"]["choices"]] == [sheet.id]
    assert [now.state.typed_first, now.state.typed_second] == first_pair(studio)
    assert now.updates["pair"]["choices"] == []
    assert now.state.sheet == sheet.id
    listed = vote_actions.list_sheets(work, Selection())
    assert listed.state.sheet == sheet.id, "one that was made since is chosen"
    settled = desk.settle(Selection(), now.state)
    assert [settled.first, settled.second] == [column.key for column in sheet.columns]
    gone = desk.settle(settled, replace(settled, sheet="gone"))
    assert (gone.first, gone.second) == (None, None)
    assert shown(desk, gone)["first"]["choices"] == []


def test_the_names_come_with_the_votes_on_their_pair(desk: VoteDesk, sheet: Sheet, opened: Voting) -> None:
    voted = desk.press(Selection(voting=opened), Action("left", "0"))
    assert isinstance(voted, Selection)
    assert "No votes yet" in shown(desk, voted)["standing"], "it would say which of the two stood on the left"
    revealed = desk.press(voted, Action("reveal"))
    assert isinstance(revealed, Result)
    assert revealed.updates["pair"]["value"] == revealed.state.pair
    assert "otter" in shown(desk, revealed.state)["standing"]


def test_a_sheet_at_several_strengths_is_voted_on_by_its_columns(
    desk: VoteDesk, studio: Studio, work: SheetWork, run: RunFolder
) -> None:
    """Columns were told apart by their model alone, so that the first strength stood in for all of them."""
    sheet = answered(studio, work, [f"run:{run.id}"], "One", "Two", strengths=[0.5, 1.0, 1.5])
    offered = shown(desk, Selection(sheet=sheet.id))["first"]["choices"]
    assert [label for label, _ in offered] == ["otter at 0.5", "otter", "otter at 1.5"]
    opened = desk.begin(of_sheet(sheet, offered[2][1], offered[0][1])).voting
    assert opened.ballot is not None
    assert opened.ballot.columns == (2, 0)


def test_a_run_is_voted_on_against_itself_at_another_strength(
    desk: VoteDesk, run: RunFolder, work: SheetWork, votes: Votes
) -> None:
    key = f"run:{run.id}"
    waiting = desk.begin(of_prompts("One\nTwo", (key, 0.5), (key, 1.0)))
    work.join(waiting.voting.waits_for)
    now = press(desk, desk.look(waiting).voting, "left")
    weak, strong = Column(key, "otter", 0.5), Column(key, "otter")
    assert votes.of(weak, strong) == now.cast
    assert votes.of(weak, Column(key, "otter", 0.25)) == ()
    assert "otter at 0.5" in desk.ballot(press(desk, now, "reveal"))
    pairs = vote_actions.list_pairs(votes, Selection(), None).updates["pair"]["choices"]
    assert pairs[0][0] == "otter and otter at 0.5"


def test_the_same_model_at_the_same_strength_is_no_pair(desk: VoteDesk, run: RunFolder, work: SheetWork) -> None:
    adapter, base = f"run:{run.id}", f"base:{run.id}"
    with pytest.raises(RunError, match="the same model at the same strength"):
        desk.begin(of_prompts("One", (adapter, 0.5), (adapter, 0.5)))
    with pytest.raises(RunError, match=r"the same model\."):
        desk.begin(of_prompts("One", (base, 0.5), (base, 1.0)))
    with pytest.raises(RunError, match=r"no strength of 1\.7"):
        desk.begin(of_prompts("One", (adapter, 1.7), (base, 1.0)))
    assert work.sheets.all() == ()


def test_a_strength_that_an_adapter_cannot_have_is_a_sentence(
    desk: VoteDesk, studio: Studio, run: RunFolder, work: SheetWork
) -> None:
    studio.chat.is_running, studio.chat.is_fixed = True, True  # type: ignore[misc, attr-defined]
    now = desk.begin(of_prompts("One", (f"base:{run.id}", 1.0), (f"run:{run.id}", 0.5)))
    work.join(now.voting.waits_for)
    with pytest.raises(RunError, match=r"otter at 0\.5 gave no answer: .* Set it to 1"):
        desk.look(now)


def test_only_an_adapter_has_a_strength(desk: VoteDesk, run: RunFolder) -> None:
    models = (f"run:{run.id}", f"base:{run.id}", None)
    seen = [shown(desk, Selection(typed_first=key))["strength_first"]["visible"] for key in models]
    assert seen == [True, False, False]

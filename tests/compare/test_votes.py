from pathlib import Path

import pytest

from studio.compare.answering import GenerationSettings
from studio.compare.sheet_prompts import Prompt
from studio.compare.sheets import Cell, Column, Sheet, SheetRow
from studio.compare.votes import BOTH, FIRST, NEITHER, SECOND, Vote, Votes, choice_of, draw_ballot, vote_on
from studio.errors import RunError

BASE, OTTER = Column("base:a", "base"), Column("run:a", "otter")


def sheet(rows: int = 20) -> Sheet:
    answered = [SheetRow(Prompt(f"Say {n}"), (Cell(f"base {n}"), Cell(f"otter {n}"))) for n in range(rows)]
    return Sheet((BASE, OTTER), tuple(answered), GenerationSettings("Be brief.", 0.0, 32, 7), id="a-sheet")


def cast(choice: str, number: int = 0, *, first: Column = BASE, second: Column = OTTER) -> Vote:
    return Vote(
        at=1.0,
        sheet="a-sheet",
        row=number,
        seed=1,
        place=number,
        swapped=False,
        choice=choice,
        prompt=f"Say {number}",
        system="",
        first=first,
        second=second,
        first_answer="one",
        second_answer="two",
    )


def test_the_order_is_shuffled_by_the_seed_and_both_sides_come_about() -> None:
    ballot = draw_ballot(sheet(), (0, 1), seed=3)
    assert ballot == draw_ballot(sheet(), (0, 1), seed=3) != draw_ballot(sheet(), (0, 1), seed=4)
    assert sorted(question.row for question in ballot.questions) == list(range(20))
    assert [question.row for question in ballot.questions] != list(range(20))
    assert 3 < sum(question.swapped for question in ballot.questions) < 17


def test_only_what_can_be_told_apart_is_asked_and_nothing_twice() -> None:
    rows = (
        SheetRow(Prompt("same"), (Cell("x"), Cell("x "))),
        SheetRow(Prompt("open")),
        SheetRow(Prompt("trouble"), (Cell("x"), Cell(trouble="Too long."))),
        SheetRow(Prompt("fine"), (Cell("x"), Cell("y"))),
    )
    whole = Sheet((BASE, OTTER), rows, GenerationSettings("", 0.0, 32, 7), id="a-sheet")
    assert [question.row for question in draw_ballot(whole, (0, 1), seed=1).questions] == [3]
    with pytest.raises(RunError, match="has your vote already"):
        draw_ballot(whole, (0, 1), seed=1, voted=[cast(FIRST, 3)])
    with pytest.raises(RunError, match="same answers everywhere"):
        draw_ballot(Sheet((BASE, OTTER), rows[:1], whole.generation), (0, 1), seed=1)
    with pytest.raises(RunError, match="answered by both"):
        draw_ballot(Sheet((BASE, OTTER), rows[1:2], whole.generation), (0, 1), seed=1)
    with pytest.raises(RunError, match=r"otter gave no answer: Too long\."):
        draw_ballot(Sheet((BASE, OTTER), rows[1:3], whole.generation), (0, 1), seed=1)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_vote_for_a_side_is_one_for_the_model_that_stood_there(swapped: bool) -> None:
    assert choice_of("left", swapped=swapped) == (SECOND if swapped else FIRST)
    assert choice_of("right", swapped=swapped) == (FIRST if swapped else SECOND)
    assert choice_of("both", swapped=swapped) == BOTH
    with pytest.raises(ValueError, match="no vote"):
        choice_of("middle", swapped=swapped)


def test_a_vote_says_all_that_it_was_about() -> None:
    ballot = draw_ballot(sheet(), (0, 1), seed=3)
    vote = vote_on(ballot, 4, sheet(), side="left", at=9.0)
    asked = ballot.questions[4]
    assert (vote.row, vote.seed, vote.place, vote.swapped, vote.at) == (asked.row, 3, 4, asked.swapped, 9.0)
    assert (vote.first_answer, vote.second_answer) == (f"base {asked.row}", f"otter {asked.row}")
    assert (vote.system, vote.first, vote.second) == ("Be brief.", BASE, OTTER)


def test_votes_are_kept_for_each_pair(tmp_path: Path) -> None:
    votes = Votes(tmp_path)
    assert votes.of(BASE, OTTER) == ()
    given = [cast(FIRST), cast(SECOND, 1), cast(NEITHER, 2)]
    for vote in given:
        votes.add(vote)
    votes.add(cast(SECOND, first=BASE, second=Column("run:a", "otter", 0.5)))
    assert votes.of(BASE, OTTER) == tuple(given) == votes.of(OTTER, BASE), "one pair, whichever comes first"
    assert len(list((tmp_path / "votes").glob("*.jsonl"))) == 2
    assert set(votes.pairs()) == {(BASE, OTTER), (BASE, Column("run:a", "otter", 0.5))}


def test_a_vote_after_a_torn_line_is_not_lost(tmp_path: Path) -> None:
    votes = Votes(tmp_path)
    votes.add(cast(FIRST))
    with votes.path(BASE, OTTER).open("ab") as file:
        file.write(b'{"at": 1.0, "sheet"')
    votes.add(cast(SECOND, 1))
    assert [vote.choice for vote in votes.of(BASE, OTTER)] == [FIRST, SECOND]


def test_a_disk_that_takes_nothing_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "votes").write_text("in the way")
    with pytest.raises(RunError, match="cannot be written"):
        Votes(tmp_path).add(cast(FIRST))

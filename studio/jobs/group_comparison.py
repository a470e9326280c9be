"""The runs of a group beside each other: which one is the best, and whether that is more than luck.

Losses are compared where they can be: over the same held-out rows and in the same tokens, so of one base model and one
data set. Functions from plain values to plain values.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from studio.jobs.evaluation_report import FEWEST_ROWS, SURE
from studio.runs.view import Status
from studio.wording import Tone, counted, listed

_SEED = 0
_MOST_NAMED = 3
"""So many runs are named in a sentence."""


@dataclass(frozen=True)
class Member:
    """One run of a group. None is what is not known, or not yet.

    `values` are what it has of the settings that are tried, in their order. `loss` is that of the step that it keeps,
    over `part` of its held-out rows, None where over all. `row_losses` are those of the result by the number of the
    row, where it was evaluated on its held-out rows, which `scored_on` names; `is_awaited` says that it is to be.
    `goes_on` says that it is at work and in the queue: it stops to let others go first, and goes on after them.
    `has_chosen_step` says that its step was not the last: an earlier one scored better on its held-out rows.
    """

    run_id: str
    name: str
    status: Status | None
    values: tuple[str, ...]
    model: str = ""
    data: str = ""
    loss: float | None = None
    part: tuple[int, int] | None = None
    step: int = 0
    seconds: float | None = None
    memory_gib: float | None = None
    row_losses: Mapping[int, float] = field(default_factory=dict)
    scored_on: str = ""
    is_awaited: bool = False
    goes_on: bool = False
    has_chosen_step: bool = False
    is_best: bool = False

    @property
    def likes(self) -> tuple[str, str]:
        """What it must have in common with another for their losses to be comparable."""
        return self.model, self.data

    @property
    def counts(self) -> bool:
        """Whether its loss may be held against others: it is done, and was scored over all held-out rows."""
        return self.status == "finished" and self.loss is not None and self.part is None


@dataclass(frozen=True)
class Verdict:
    """What is said of the best run in a sentence, and how `sure` that is in another, empty where nothing can be said.

    `kind` is "good" where it is clearly the best, else "quiet".
    """

    run_id: str
    kind: Tone
    best: str
    sure: str = ""

    @property
    def text(self) -> str:
        """Both in a row."""
        return f"{self.best} {self.sure}".strip()


def verdicts(members: Sequence[Member], *, evaluates: bool = True) -> tuple[Verdict, ...]:
    """Say which run is the best of each kind that can be compared, and how sure that is.

    `evaluates` says whether the runs are evaluated at their ends. A run is clearly better than another where the
    sign-flip test of their losses, on the rows that both were scored on, says so below `SURE` shared among all pairs of
    runs (Bonferroni): the best was picked after a look at all, and the best of twenty is so by luck more easily than
    the best of two.
    """
    kinds = dict.fromkeys(each.likes for each in members)
    return tuple(
        _verdict([each for each in members if each.likes == kind], evaluates=evaluates)
        for kind in kinds
        if any(each.likes == kind and each.counts for each in members)
    )


def _verdict(alike: Sequence[Member], *, evaluates: bool) -> Verdict:
    done = sorted((each for each in alike if each.counts), key=lambda each: (each.loss, each.run_id))
    best, others = done[0], done[1:]
    said = f"Best: {best.name}, with a held-out loss of {best.loss:.3f}."
    if len(done) < len(alike):
        said = f"Best so far: {best.name}, with a held-out loss of {best.loss:.3f}."
    if not others:
        return Verdict(best.run_id, "quiet", said)
    tests = {each.run_id: found for each in others if (found := _test(best, each)) is not None}
    if len(tests) < len(others):
        return Verdict(best.run_id, "quiet", said, _why_not_sure(done, evaluates=evaluates))
    level = SURE / math.comb(len(done), 2)
    close = [each.name for each in others if tests[each.run_id].p_value >= level]
    sure = _sure(close, of=len(others), rows=min(test.rows for test in tests.values()))
    if any(each.has_chosen_step for each in done):
        sure += " The steps that they keep were chosen on the same rows, so other examples may decide otherwise."
    return Verdict(best.run_id, "quiet" if close else "good", said, sure)


def _why_not_sure(done: Sequence[Member], *, evaluates: bool) -> str:
    """Say why it is not known, or not yet, whether the best of some runs is so by luck."""
    if not evaluates:
        return "Whether that is more than luck is not known yet."
    if all(each.row_losses for each in done):
        return "Whether that is more than luck cannot be told: they were evaluated on different rows."
    if left_out := [each.name for each in done if not each.row_losses and not each.is_awaited]:
        return (
            f"Whether that is more than luck is not known without an evaluation of {_named(left_out)}, "
            "which you can start on the Evaluate tab."
        )
    return "Whether that is more than luck is known once they are evaluated, when no run waits or trains."


def _sure(close: Sequence[str], *, of: int, rows: int) -> str:
    """Say how sure it is that a run is the best of so many others, where luck alone can set it apart from `close`."""
    on = counted(rows, "held-out row")
    if not close:
        than = "the other run" if of == 1 else "all others"
        return f"It is clearly better than {than}, on {on}."
    if len(close) == of:
        return f"No run is clearly better than the others: luck alone can make differences this small, on {on}."
    return f"Luck alone can set it apart from {_named(close)}, on {on}."


def _named(found: Sequence[str]) -> str:
    names = list(found[:_MOST_NAMED])
    if len(found) > _MOST_NAMED:
        names.append(f"{len(found) - _MOST_NAMED:,} more")
    return listed(names)


@dataclass(frozen=True)
class _Test:
    """How likely luck alone makes a difference as large, and on how many rows that was looked at."""

    p_value: float
    rows: int


def _test(best: Member, other: Member) -> _Test | None:
    """Test whether two runs have the same mean loss a row; None where too few were asked of both."""
    from studio.data.scoring.statistics import paired_p_value

    rows = sorted(best.row_losses.keys() & other.row_losses.keys())
    if not rows or best.scored_on != other.scored_on:
        return None
    if len(rows) < FEWEST_ROWS:
        return _Test(1.0, len(rows)) if len(rows) == min(len(best.row_losses), len(other.row_losses)) else None
    before, after = ([each.row_losses[row] for row in rows] for each in (other, best))
    if sum(after) >= sum(before):  # it is better by its tokens alone, in a few long rows
        return _Test(1.0, len(rows))
    return _Test(paired_p_value(before, after, seed=_SEED), len(rows))

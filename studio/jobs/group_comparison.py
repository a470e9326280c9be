"""The runs of a group beside each other: which one is the best, and whether that is more than luck.

Losses are compared where they can be: over the same held-out rows and in the same tokens, so of one base model and one
data set. Functions from plain values to plain values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from studio.jobs.evaluation_report import FEWEST_ROWS, SURE
from studio.runs.view import Status
from studio.wording import counted, listed

_SEED = 0
_MOST_NAMED = 3
"""So many runs are named in a sentence."""


@dataclass(frozen=True)
class Member:
    """One run of a group. None is what is not known, or not yet.

    `values` are what it has of the settings that are tried, in their order. `loss` is that of the step that it keeps,
    over `part` of its held-out rows, None where over all. `row_losses` are those of the result by the number of the
    row, where it was evaluated on its held-out rows, which `scored_on` names.
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
    kind: str
    best: str
    sure: str = ""

    @property
    def text(self) -> str:
        """Both in a row."""
        return f"{self.best} {self.sure}".strip()


def verdicts(members: Sequence[Member], *, evaluates: bool = True) -> tuple[Verdict, ...]:
    """Say which run is the best of each kind that can be compared, and how sure that is.

    `evaluates` says whether the runs are evaluated at their ends. A run is clearly better than another where the
    sign-flip test of their losses, row by row, says so below `SURE` shared among all that the best is held against
    (Bonferroni): the best of twenty is the best by luck more easily than the best of two.
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
    p_values = {each.run_id: _p_value(best, each) for each in others}
    if any(p_value is None for p_value in p_values.values()):
        sure = "Whether that is more than luck is not known yet."
        if evaluates:
            sure = "Whether that is more than luck is known once they are evaluated, when no run waits or trains."
        return Verdict(best.run_id, "quiet", said, sure)
    level = SURE / len(others)
    close = [each.name for each in others if (p_values[each.run_id] or 0.0) >= level]
    return Verdict(best.run_id, "quiet" if close else "good", said, _sure(best, close, of=len(others)))


def _sure(best: Member, close: Sequence[str], *, of: int) -> str:
    """Say how sure it is that a run is the best of so many others, where luck alone can set it apart from `close`."""
    rows = counted(len(best.row_losses), "held-out row")
    if not close:
        than = "the other run" if of == 1 else "all others"
        return f"It is clearly better than {than}, on {rows}."
    if len(close) == of:
        return f"No run is clearly better than the others: luck alone can make differences this small, on {rows}."
    names = list(close[:_MOST_NAMED])
    if len(close) > _MOST_NAMED:
        names.append(f"{len(close) - _MOST_NAMED:,} more")
    return f"Luck alone can set it apart from {listed(names)}, on {rows}."


def _p_value(best: Member, other: Member) -> float | None:
    """Test whether two runs have the same mean loss a row; None where they were not scored on the same rows."""
    from studio.data.scoring.statistics import paired_p_value

    rows = sorted(best.row_losses.keys() & other.row_losses.keys())
    if not rows or best.scored_on != other.scored_on or len(rows) < max(len(best.row_losses), len(other.row_losses)):
        return None
    if len(rows) < FEWEST_ROWS:
        return 1.0
    before, after = ([each.row_losses[row] for row in rows] for each in (other, best))
    if sum(after) >= sum(before):  # it is better by its tokens alone, in a few long rows
        return 1.0
    return paired_p_value(before, after, seed=_SEED)

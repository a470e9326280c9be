"""Which of many runs a table shows: those that fit what is looked for, in the order asked for, a page at a time.

Runs that were started together are one line, at the place of the first of them, unless something is looked for.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from studio.runs.summary import Summary
from studio.runs.view import WORKING, Status

PAGE_ROWS = 25

ANY, AT_WORK, WAITING, DRAFT, FINISHED, STOPPED, TROUBLE = (
    "",
    "at-work",
    "waiting",
    "draft",
    "finished",
    "stopped",
    "trouble",
)
STATES: Mapping[str, tuple[Status, ...]] = {
    AT_WORK: WORKING,
    WAITING: ("queued",),
    DRAFT: ("draft",),
    FINISHED: ("finished",),
    STOPPED: ("stopped",),
    TROUBLE: ("failed", "lost", "damaged"),
}
"""What can be looked for, beside any state at all."""

_SELDOM_FIRST: tuple[Status, ...] = (
    "training", "preparing", "stopping", "queued", "draft", "failed", "lost", "damaged", "stopped", "finished",
)  # fmt: skip

KEYS: Mapping[str, Callable[[Summary], str | float | None]] = {
    "created": lambda run: run.created,
    "name": lambda run: run.name.casefold(),
    "state": lambda run: None if run.status is None else float(_SELDOM_FIRST.index(run.status)),
    "dataset": lambda run: run.dataset.casefold(),
    "model": lambda run: run.model.casefold(),
    "method": lambda run: run.method,
    "rank": lambda run: run.rank,
    "learning_rate": lambda run: run.learning_rate,
    "epochs": lambda run: run.epochs,
    "best_loss": lambda run: run.best_loss,
    "seconds": lambda run: run.seconds,
    "last_loss": lambda run: run.last_loss,
}
"""What the runs can be sorted by. What is not known comes last, whichever way they are sorted."""

NEWEST_FIRST = "created"


@dataclass(frozen=True)
class Query:
    """What is looked for. `text` is words that all have to be in the run, `page` counts from 0."""

    text: str = ""
    state: str = ANY
    sort: str = NEWEST_FIRST
    descending: bool = True
    page: int = 0


@dataclass(frozen=True)
class Together:
    """Runs that were started together, in the order of the table. `best` is the one with the lowest loss of those that
    are done; None without any, and where their losses are of other data or other base models.
    """

    runs: tuple[Summary, ...]

    @property
    def done(self) -> int:
        """How many of them have finished."""
        return sum(run.status == "finished" for run in self.runs)

    @property
    def best(self) -> Summary | None:
        if len({(run.base, run.dataset_sha256) for run in self.runs}) > 1:
            return None
        scored = [run for run in self.runs if run.status == "finished" and run.best_part is None]
        return min((run for run in scored if run.best_loss is not None), key=_best_loss, default=None)


def _best_loss(run: Summary) -> float:
    return run.best_loss or 0.0


@dataclass(frozen=True)
class Page:
    """The rows of one page, how many fit in all, and which page of how many it is, counted from 0.

    A row whose group is in `groups` stands for all of it.
    """

    rows: tuple[Summary, ...]
    total: int
    page: int
    pages: int
    groups: Mapping[str, Together] = field(default_factory=dict)


def find(runs: Sequence[Summary], query: Query) -> Page:
    """Choose the page. One beyond the last is the last; an unknown order is the newest first."""
    words = query.text.casefold().split()
    states = STATES.get(query.state)
    found = [run for run in runs if (states is None or run.status in states) and _has(run, words)]
    key = KEYS.get(query.sort, KEYS[NEWEST_FIRST])
    known = [run for run in found if key(run) is not None]
    known.sort(key=key, reverse=query.descending)  # type: ignore[arg-type]  # None was left out
    ordered = [*known, *(run for run in found if key(run) is None)]
    groups = {} if words or states is not None else _together(ordered)
    ordered = [run for run in ordered if run.group not in groups or groups[run.group].runs[0] is run]
    pages = max(1, -(-len(ordered) // PAGE_ROWS))
    page = min(max(0, query.page), pages - 1)
    rows = tuple(ordered[page * PAGE_ROWS : (page + 1) * PAGE_ROWS])
    shown = {run.group: groups[run.group] for run in rows if run.group in groups}
    return Page(rows, len(ordered), page, pages, shown)


def _together(runs: Sequence[Summary]) -> dict[str, Together]:
    """Put the runs of each group together; one that is alone by now stands for itself."""
    return {group: Together(tuple(members)) for group, members in by_group(runs).items() if len(members) > 1}


def by_group(runs: Iterable[Summary]) -> dict[str, list[Summary]]:
    """Put the runs of each group together, by its id, in the order in which they come."""
    found: dict[str, list[Summary]] = {}
    for run in runs:
        if run.group:
            found.setdefault(run.group, []).append(run)
    return found


def _has(run: Summary, words: Sequence[str]) -> bool:
    if not words:
        return True
    text = f"{run.name}\n{run.note}\n{run.dataset}\n{run.model}\n{run.method}\n{run.id}".casefold()
    return all(word in text for word in words)

"""Which of many runs a table shows: those that fit what is looked for, in the order asked for, a page at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
    "last_loss": lambda run: run.spark[-1] if run.spark else None,
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
class Page:
    """The rows of one page, how many fit in all, and which page of how many it is, counted from 0."""

    rows: tuple[Summary, ...]
    total: int
    page: int
    pages: int


def find(runs: Sequence[Summary], query: Query) -> Page:
    """Choose the page. One beyond the last is the last; an unknown order is the newest first."""
    words = query.text.casefold().split()
    states = STATES.get(query.state)
    found = [run for run in runs if (states is None or run.status in states) and _has(run, words)]
    key = KEYS.get(query.sort, KEYS[NEWEST_FIRST])
    known = [run for run in found if key(run) is not None]
    known.sort(key=key, reverse=query.descending)  # type: ignore[arg-type]  # None was left out
    ordered = [*known, *(run for run in found if key(run) is None)]
    pages = max(1, -(-len(ordered) // PAGE_ROWS))
    page = min(max(0, query.page), pages - 1)
    return Page(tuple(ordered[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]), len(ordered), page, pages)


def _has(run: Summary, words: Sequence[str]) -> bool:
    if not words:
        return True
    text = f"{run.name}\n{run.note}\n{run.dataset}\n{run.model}\n{run.method}\n{run.id}".casefold()
    return all(word in text for word in words)

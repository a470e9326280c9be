"""All that the Runs tab shows at a moment, by the names of its parts; sends only what is new.

From what is looked for and what the folder holds to markup and updates. Knows nothing of how the tab is laid out.
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from studio.errors import RunError
from studio.runs import listing
from studio.runs.listing import Query
from studio.runs.store import RunFolder
from studio.runs.summaries import Snapshot
from studio.runs.summary import Summary
from studio.studio import Studio
from studio.ui.kit.updates import Drawn, is_due, only_new
from studio.ui.runs import lists, overlay, run_detail, table
from studio.ui.runs.overlay import HELD_OUT

PARTS = (
    "table",
    "queue",
    "one",
    "actions",
    "describe",
    "name",
    "note",
    "chart",
    "differences",
    "bin",
    "binned",
    "said",
)
"""The parts that are drawn, in the order of the tab's outputs."""

OVER = ("chart", "differences")


@dataclass(frozen=True)
class Selection:
    """What a person looks at on one page: an order, some runs laid over each other, one opened, a question asked."""

    query: Query = field(default_factory=Query)
    chosen: tuple[str, ...] = ()
    opened: str = ""
    kind: str = HELD_OUT
    sure: bool = False
    """Whether it is being asked if the bin shall be emptied."""
    said: str = ""
    """What came of the last action, as a sentence."""


@dataclass(frozen=True)
class _Seen:
    """What the drawing follows from: two equal ones are drawn the same."""

    snapshot: int
    binned: tuple[RunFolder, ...]
    selection: Selection


@dataclass(frozen=True)
class _Laid:
    """The runs that are laid over each other; `asked` is how many were to be."""

    runs: tuple[Summary, ...]
    asked: int
    kind: str


def draw(studio: Studio, selection: Selection, drawn: Drawn | None, *, fresh: bool = False) -> list[Any]:
    """Return an update for each part and, last, what to remember. `fresh` is for who has just changed something."""
    snapshot = studio.summaries.look(fresh=fresh)
    seen = _Seen(snapshot.number, studio.runs.binned(), selection)
    before = drawn or {}
    if before.get("seen") == seen and not is_due(before.get("parts")):
        return [gr.skip()] * (len(PARTS) + 1)
    parts = _parts(studio, snapshot, seen)
    laid = _Laid(studio.summaries.read(selection.chosen), len(selection.chosen), selection.kind)
    # Long curves are dear: they are drawn again only when one of these runs went on.
    old = before["parts"] if before.get("laid") == laid else {}
    over = {name: old[name] for name in OVER} if old else _laid_over(studio, laid)
    *updates, sent = only_new({name: (parts | over)[name] for name in PARTS}, before.get("parts"))
    return [*updates, {"seen": seen, "laid": laid, "parts": sent}]


def _parts(studio: Studio, snapshot: Snapshot, seen: _Seen) -> dict[str, Any]:
    selection = seen.selection
    page = listing.find(snapshot.runs, selection.query)
    page = replace(page, rows=studio.summaries.read([run.id for run in page.rows]))
    drawn = table.table(
        page,
        selection.query,
        chosen=selection.chosen,
        opened=selection.opened,
        unread=snapshot.unread,
        any_run=bool(snapshot.runs),
    )
    waiting = sorted((run for run in snapshot.runs if run.place), key=lambda run: run.place)
    at_work = [run for run in snapshot.runs if run.is_at_work]
    return {
        "table": str(drawn),
        "queue": str(lists.queue(waiting, at_work)),
        **_one(studio, selection.opened),
        "bin": gr.update(label=f"Bin ({len(seen.binned):,})"),
        "binned": str(lists.bin_list(seen.binned, sure=selection.sure)),
        "said": str(lists.said(selection.said)),
    }


def _one(studio: Studio, opened: str) -> dict[str, Any]:
    """Show the run that is open, or that none is."""
    found = studio.summaries.read([opened] if opened else [])
    empty = {"actions": "", "describe": gr.update(visible=False), "name": gr.skip(), "note": gr.skip()}
    if found and found[0].trouble:
        acts = str(run_detail.damaged_actions(found[0]))
        return {"one": str(run_detail.damaged_card(found[0])), **empty, "actions": acts}
    if not found:
        return {"one": str(run_detail.none_open()), **empty}
    summary, state = found[0], studio.scheduler.view(opened)
    return {
        "one": str(run_detail.card(state, summary)),
        "actions": str(run_detail.actions(state, summary)),
        "describe": gr.update(visible=True),
        "name": gr.update(value=summary.name),
        "note": gr.update(value=summary.note),
    }


def _laid_over(studio: Studio, laid: _Laid) -> dict[str, Any]:
    """Draw the chosen runs over each other, and what they do not share."""
    curves, columns = [], []
    for run in laid.runs:
        with suppress(RunError):  # put into the bin just now
            state = studio.scheduler.view(run.id)
            curves.append(overlay.curve(run.name, state.view, kind=laid.kind))
            columns.append(overlay.Column(run.id, run.name, state.run.config, state.run.origin))
    return {
        "chart": overlay.payload(curves, kind=laid.kind),
        "differences": str(overlay.differences(columns, gone=laid.asked - len(columns))),
    }

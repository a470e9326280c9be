"""All that the Runs tab shows at a moment, by the names of its parts, as markup and updates."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from studio.errors import RunError
from studio.jobs.evaluation_report import evaluated_at
from studio.jobs.variants import short_name
from studio.logs import logged
from studio.planning import groups
from studio.runs import listing
from studio.runs.listing import Query
from studio.runs.store import RunFolder
from studio.runs.summaries import Snapshot
from studio.runs.summary import Summary
from studio.studio import Studio
from studio.ui.kit.drawn import Section
from studio.ui.runs import group_card, lists, overlay, run_detail, table
from studio.ui.runs.overlay import HELD_OUT

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Selection:
    """What a person looks at on one page: an order, some runs laid over each other, one opened, a question asked."""

    text: str = ""
    state: str = listing.ANY
    kind: str = HELD_OUT
    query: Query = field(default_factory=Query)
    """The order and the page, with the text and the state that are looked for."""
    chosen: tuple[str, ...] = ()
    opened: str = ""
    group: str = ""
    """The group of runs that is open."""
    sure: bool = False
    """Whether it is being asked if the bin shall be emptied."""
    said: str = ""
    """What came of the last action, as a sentence."""

    def looking_for_all(self) -> "Selection":
        """Look for every run, in the usual order."""
        return replace(self, text="", state=listing.ANY, query=Query())


def settle(before: Selection, now: Selection) -> Selection:
    """Look for what the fields hold; another search begins at its first page."""
    query = replace(now.query, text=now.text.strip(), state=now.state)
    return now if query == now.query else replace(now, query=replace(query, page=0))


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


def draw(studio: Studio, selection: Selection) -> Sequence[Section]:
    """Draw the runs, and those laid over each other: long curves are slow, and only for one of these that went on."""
    snapshot = studio.summaries.look()
    seen = _Seen(snapshot.number, studio.runs.binned(), selection)
    laid = _Laid(studio.summaries.read(selection.chosen), len(selection.chosen), selection.kind)
    members = studio.summaries.of_group(selection.group)
    waiting = studio.scheduler.waiting() if members else ()
    compared = tuple((_as_compared(run), run.id in waiting, *_evaluated(studio, run)) for run in members)
    return [
        Section(seen, lambda: _parts(studio, snapshot, seen)),
        Section(compared, lambda: _group(studio, members)),
        Section(laid, lambda: _laid_over(studio, laid)),
    ]


def _group(studio: Studio, members: Sequence[Summary]) -> dict[str, Any]:
    """Draw the group that is open."""
    return {"group": str(group_card.card(groups.look(studio, studio.summaries.read([run.id for run in members]))))}


def _evaluated(studio: Studio, run: Summary) -> tuple[int, bool]:
    """Say when a run was evaluated, and whether it is to be: neither changes anything else of it."""
    with logged(log, "A run of a group was deleted just now", RunError):
        folder = studio.runs.find(run.id)
        return evaluated_at(folder.path), run.status == "finished" and groups.is_awaited(studio, folder)
    return 0, False


def _as_compared(run: Summary) -> Summary:
    """Leave out what a run says at every step: the table of a group is drawn for each hundredth of a run."""
    share = 100 * run.step // run.total_steps if run.total_steps else 0
    return replace(run, step=share, curve=b"", best_loss=None, seconds=None, waited=0.0, tokens_per_second=None)


def _parts(studio: Studio, snapshot: Snapshot, seen: _Seen) -> dict[str, Any]:
    selection = seen.selection
    page = listing.find(snapshot.runs, selection.query)
    page = replace(page, rows=studio.summaries.read([run.id for run in page.rows]))
    drawn = table.table(
        page,
        selection.query,
        chosen=selection.chosen,
        opened=selection.opened,
        opened_group=selection.group,
        unread=snapshot.unread,
        all_runs=len(snapshot.runs),
    )
    waiting = sorted((run for run in snapshot.runs if run.place), key=lambda run: run.place)
    at_work = [run for run in snapshot.runs if run.is_at_work]
    return {
        "table": str(drawn),
        "queue": str(lists.queue(waiting, at_work)),
        **_one(studio, selection.opened),
        "bin": gr.update(label=f"Trash ({len(seen.binned):,})"),
        "binned": str(lists.bin_list(seen.binned, sure=selection.sure)),
        "said": str(lists.said(selection.said)),
    }


def _one(studio: Studio, opened: str) -> dict[str, Any]:
    """Show the run that is open, or that none is."""
    found = studio.summaries.read([opened] if opened else [])
    empty = {"actions": "", "describe": gr.update(visible=False), "name": gr.skip(), "note": gr.skip()}
    if found and found[0].trouble:
        acts = str(run_detail.damaged_actions(found[0]))
        return {"one_said": str(run_detail.damaged_card(found[0])), **empty, "actions": acts}
    if not found:
        return {"one_said": str(run_detail.none_open()), **empty}
    summary, state = found[0], studio.scheduler.view(opened)
    return {
        "one_said": str(run_detail.card(state, summary)),
        "actions": str(run_detail.actions(state, summary)),
        "describe": gr.update(visible=True),
        "name": gr.update(value=summary.name),
        "note": gr.update(value=summary.note),
    }


def _laid_over(studio: Studio, laid: _Laid) -> dict[str, Any]:
    """Draw the chosen runs over each other, and what they do not share."""
    curves, columns = [], []
    together = len({run.group or run.id for run in laid.runs}) == 1
    for run in laid.runs:
        name = short_name(run.name, run.group_name) if together else run.name
        with logged(log, "A run is not compared: it was deleted just now", RunError):
            state = studio.scheduler.view(run.id)
            curves.append(overlay.curve(name, state.view, kind=laid.kind))
            columns.append(overlay.Column(run.id, name, state.run.config, state.run.origin))
    return {
        "chart": overlay.payload(curves, kind=laid.kind),
        "differences": str(overlay.differences(columns, gone=laid.asked - len(columns))),
    }

"""All that the Evaluate tab shows at a moment, by the names of its parts; sends only what is new.

From what is looked at to markup and updates. Knows nothing of how the tab is laid out.
"""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.studio import Studio
from studio.ui.evaluate import cards, state, tradeoff_view
from studio.ui.evaluate import rows as evaluate_rows
from studio.ui.evaluate.state import Selection, TabState
from studio.ui.evaluate.tradeoff_state import Tradeoff, Tradeoffs
from studio.ui.kit.updates import Drawn, is_due, only_new

PARTS = (
    "name",
    "status",
    "headline",
    "taking",
    "scores",
    "scores_card",
    "forgetting",
    "forgetting_card",
    "standard",
    "standard_card",
    "confusions",
    "confusions_card",
    "rows",
    "rows_card",
    "tradeoff",
    "offer",
    "scatter",
    "tradeoff_card",
    "again",
)
"""The parts that are drawn, in the order of the tab's outputs."""

_ROWS = ("rows", "rows_card")


@dataclass(frozen=True)
class _Seen:
    """What the drawing follows from: two equal ones are drawn the same."""

    tab_state: TabState
    tradeoff: Tradeoff | None


@dataclass(frozen=True)
class _RowsOf:
    """What the rows follow from: they are read again only where this is another one."""

    selection: Selection
    created: float


def draw(
    studio: Studio, tradeoffs: Tradeoffs, selection: Selection, drawn: Drawn | None, *, chosen: str | None
) -> list[Any]:
    """Return an update for each part and, last, what to remember. Raises RunError when the run's folder is damaged.

    `chosen` is the evaluation that the field on the page names.
    """
    tab_state = state.look(studio, selection)
    seen = _Seen(tab_state, tradeoffs.look(tab_state.selection.run_id) if tab_state.run is not None else None)
    before = drawn or {}
    if before.get("seen") == seen and not is_due(before.get("parts")):
        return [gr.skip()] * (len(PARTS) + 1)
    of = _RowsOf(tab_state.selection, tab_state.report.created if tab_state.report else 0.0)
    rows = {name: before["parts"][name] for name in _ROWS} if before.get("rows") == of else _rows(studio, tab_state)
    fresh = {**_about(tab_state, chosen), **_report(tab_state), **rows, **_tradeoff(seen.tradeoff)}
    *updates, sent = only_new({name: fresh[name] for name in PARTS}, before.get("parts"))
    return [*updates, {"seen": seen, "rows": of, "parts": sent}]


def _about(tab_state: TabState, chosen: str | None) -> dict[str, Any]:
    names = [name for _, name in tab_state.choices]
    name = tab_state.selection.name if tab_state.selection.name in names else None
    # What is chosen already is left alone: a person may be choosing another one at the same moment.
    value = {} if name == chosen is not None else {"value": name}
    can_ask = tab_state.run is not None and tab_state.run.has_result and not tab_state.run.is_at_work
    return {
        "name": gr.update(choices=list(tab_state.choices), visible=len(names) > 1, **value),
        "status": str(cards.status(tab_state)),
        "headline": str(cards.headline(tab_state.report)),
        "taking": gr.update(visible=tab_state.report is not None),
        "again": gr.update(visible=can_ask),
    }


def _report(tab_state: TabState) -> dict[str, Any]:
    report = tab_state.report
    tables = bool(report is not None and report.confusions)
    return {
        "scores": str(cards.scores(report)) if report else "",
        "scores_card": gr.update(visible=report is not None),
        "forgetting": str(cards.forgetting(report.forgetting)) if report else "",
        "forgetting_card": gr.update(visible=report is not None),
        "standard": str(cards.standard(report)) if report and report.standard else "",
        "standard_card": gr.update(visible=bool(report is not None and report.standard)),
        "confusions": str(cards.confusions(report)) if report else "",
        "confusions_card": gr.update(visible=tables),
    }


def _rows(studio: Studio, tab_state: TabState) -> dict[str, Any]:
    if tab_state.report is None:
        return {"rows": "", "rows_card": gr.update(visible=False)}
    found = state.row_page(studio, tab_state)
    return {"rows": str(evaluate_rows.page(found, tab_state.report)), "rows_card": gr.update(visible=True)}


def _tradeoff(found: Tradeoff | None) -> dict[str, Any]:
    if found is None:
        nothing = {"tradeoff": "", "offer": "", "scatter": tradeoff_view.payload(Tradeoff(""))}
        return {**nothing, "tradeoff_card": gr.update(visible=False)}
    return {
        "tradeoff": str(tradeoff_view.table(found)),
        "offer": str(tradeoff_view.offer(found)),
        "scatter": tradeoff_view.payload(found),
        "tradeoff_card": gr.update(visible=True),
    }

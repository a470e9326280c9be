"""All that the Evaluate tab shows at a moment, by the names of its parts, as markup and updates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.planning.tradeoffs import Tradeoff, Tradeoffs
from studio.studio import Studio
from studio.ui.evaluate import cards, state, tradeoff_view
from studio.ui.evaluate import rows as evaluate_rows
from studio.ui.evaluate.state import Selection, TabState
from studio.ui.kit import run_choices
from studio.ui.kit.drawn import Section

FEWEST_POINTS = 2
"""One run alone is no comparison, so it is not drawn as a plot."""


@dataclass(frozen=True)
class _RowsOf:
    """What the rows follow from: they are read again only where this is another one."""

    selection: Selection
    created: float


def draw(studio: Studio, tradeoffs: Tradeoffs, selection: Selection) -> Sequence[Section]:
    """Draw the run, the rows of the chosen report, and the trade-off. Raises RunError when its folder is damaged."""
    tab_state = state.look(studio, selection)
    tradeoff = tradeoffs.look(tab_state.selection.run_id) if tab_state.run is not None else None
    unknown = not selection.run_id and bool(run_choices.runs_to_evaluate(studio, most=1))
    of = _RowsOf(tab_state.selection, tab_state.report.created if tab_state.report else 0.0)
    return [
        Section((tab_state, unknown), lambda: {**_about(tab_state, unknown=unknown), **_details(tab_state)}),
        Section(of, lambda: _rows(studio, tab_state)),
        Section(tradeoff, lambda: _tradeoff(tradeoff)),
    ]


def _about(tab_state: TabState, *, unknown: bool) -> dict[str, Any]:
    """Draw what the report is; `unknown` says that the run is not chosen yet, which it is at once."""
    names = [name for _, name in tab_state.choices]
    name = tab_state.selection.name if tab_state.selection.name in names else None
    can_ask = tab_state.run is not None and tab_state.run.has_result and not tab_state.run.is_at_work
    return {
        "name": gr.update(choices=list(tab_state.choices), value=name, visible=len(names) > 1),
        "summary": str(cards.summary(tab_state.report)),
        "status": "" if unknown else str(cards.status(tab_state)),
        "taking": gr.update(visible=tab_state.report is not None),
        "again": gr.update(visible=can_ask),
    }


def _details(tab_state: TabState) -> dict[str, Any]:
    report = tab_state.report
    return {
        "details": gr.update(visible=report is not None),
        "scores": str(cards.scores(report)) if report else "",
        "forgetting": str(cards.forgetting(report.forgetting)) if report else "",
        "standard": str(cards.standard(report)) if report and report.standard else "",
        "standard_card": gr.update(visible=bool(report is not None and report.standard)),
        "confusions": str(cards.confusions(report)) if report else "",
        "confusions_card": gr.update(visible=bool(report is not None and report.confusions)),
    }


def _rows(studio: Studio, tab_state: TabState) -> dict[str, Any]:
    if tab_state.report is None:
        return {"rows": "", "rows_card": gr.update(visible=False)}
    found = state.row_page(studio, tab_state)
    return {"rows": str(evaluate_rows.page(found, tab_state.report)), "rows_card": gr.update(visible=True)}


def _tradeoff(found: Tradeoff | None) -> dict[str, Any]:
    if found is None:
        nothing = {"tradeoff": "", "offer": "", "scatter": tradeoff_view.payload(Tradeoff(""))}
        return {**nothing, "tradeoff_card": gr.update(visible=False), "scatter_card": gr.update(visible=False)}
    payload = tradeoff_view.payload(found)
    return {
        "tradeoff": str(tradeoff_view.table(found)),
        "offer": str(tradeoff_view.offer(found)),
        "scatter": payload,
        "scatter_card": gr.update(visible=len(payload["points"]) >= FEWEST_POINTS),
        "tradeoff_card": gr.update(visible=True),
    }

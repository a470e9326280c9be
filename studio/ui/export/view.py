"""All that the Export tab shows at a moment, by the names of its parts: each kind of export on a card of its own."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.config import FULL, STARTER
from studio.jobs.exports import ExportState, export_archive, export_folder, export_state
from studio.models.elsewhere import shown_name
from studio.models.starter import HUB_ID
from studio.studio import Studio
from studio.ui.export import cards as export_cards
from studio.ui.kit import fragments, run_choices
from studio.ui.kit.downloads import RUN, download_address
from studio.ui.kit.drawn import Parts


@dataclass(frozen=True)
class Selection:
    """The run that is exported; empty where there is none."""

    run_id: str = ""


def draw(studio: Studio, selection: Selection) -> Parts:
    """Show the exports of the run as they are now. Raises RunError."""
    run_id = selection.run_id
    drawn: dict[str, Any] = {}
    for kind in export_cards.KINDS:
        state = export_state(studio.jobs, studio.runs.get(run_id), kind) if run_id else None
        drawn |= {f"{kind}_{name}": part for name, part in _card(studio, run_id, kind, state).items()}
    return drawn


def no_run() -> Markup:
    """Say what fills a card."""
    return fragments.empty("No finished run yet", "Train a run first. Its result can then be prepared here.")


def refresh_runs(studio: Studio, chosen: str | None) -> Any:
    """Return the dropdown with the runs that can be exported now; keep what is chosen."""
    choices = run_choices.runs_with_result(studio, also=chosen)
    return gr.update(choices=choices, value=run_choices.keep_or_first(chosen, choices))


def _card(studio: Studio, run_id: str, kind: str, state: ExportState | None) -> dict[str, Any]:
    """Make what one card shows, by the names of its components."""
    if state is None:
        return {
            "status": str(no_run()),
            "prepare": gr.update(interactive=False, visible=True),
            "download": gr.update(visible=False),
            "code": gr.update(visible=False),
        }
    ready = state.result is not None
    title = export_cards.name(kind, whole=studio.runs.get(run_id).config.method == FULL)
    return {
        "status": str(export_cards.status(state)),
        "prepare": gr.update(
            visible=not ready and state.status != "absent",
            interactive=state.status != "working",
            value=_prepare_label(state, title),
        ),
        "download": gr.update(
            visible=ready, value=f"Download the {title}", link=export_address(studio, run_id, kind) if ready else None
        ),
        "code": gr.update(visible=ready, value=_snippet(studio, run_id, kind, state), label=f"How to load the {title}"),
    }


def _prepare_label(state: ExportState, title: str) -> str:
    if state.status == "working":
        return f"Preparing the {title}"
    return f"Prepare the {title} again" if state.status == "failed" else f"Prepare the {title}"


def _snippet(studio: Studio, run_id: str, kind: str, state: ExportState) -> str:
    if state.result is None:
        return ""
    run = studio.runs.get(run_id)
    base = HUB_ID if run.config.model == STARTER else shown_name(run.config.model)
    return export_cards.snippet(kind, model=base, folder=export_folder(run, kind).name)


def export_address(studio: Studio, run_id: str, kind: str) -> str:
    """Return where the zip of an export is downloaded."""
    return download_address(RUN, run_id, export_archive(studio.runs.get(run_id), kind).name)

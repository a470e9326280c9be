"""All that the Export tab shows at a moment, by the names of its parts: each kind of export on a card of its own."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.config import FULL
from studio.jobs.exports import ExportState, export_archive, export_state
from studio.jobs.snippets import snippet
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
    return fragments.empty("No finished run yet", "When a run has finished training, its result can be prepared here.")


def refresh_runs(studio: Studio, chosen: str | None) -> Any:
    """Return the dropdown with the runs that can be exported now; keep what is chosen."""
    choices = run_choices.runs_with_result(studio, also=chosen)
    return run_choices.offer(choices, run_choices.keep_or_first(chosen, choices), otherwise=run_choices.NO_RESULT)


def _card(studio: Studio, run_id: str, kind: str, state: ExportState | None) -> dict[str, Any]:
    """Make what one card shows, by the names of its components: nothing while the run is not chosen yet."""
    if state is None:
        return {
            "status": "" if run_choices.runs_with_result(studio, most=1) else str(no_run()),
            "prepare": gr.update(interactive=False, visible=True),
            "download": gr.update(visible=False),
            "code": gr.update(visible=False),
        }
    ready = state.result is not None
    run = studio.runs.get(run_id)
    title = export_cards.name(kind, whole=run.config.method == FULL)
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
        "code": gr.update(visible=ready, value=snippet(run, kind) if ready else "", label=f"Use the {title} in Python"),
    }


def _prepare_label(state: ExportState, title: str) -> str:
    if state.status == "working":
        return f"Preparing the {title}"
    return f"Prepare the {title} again" if state.status == "failed" else f"Prepare the {title}"


def export_address(studio: Studio, run_id: str, kind: str) -> str:
    """Return where the zip of an export is downloaded."""
    return download_address(RUN, run_id, export_archive(studio.runs.get(run_id), kind).name)

"""All that the Export tab shows at a moment, by the names of its parts: each kind of export on a card of its own."""

import logging
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.config import FULL
from studio.errors import ModelError
from studio.jobs.exports import (
    ADAPTER,
    GGUF,
    GGUF_ADAPTER,
    ONE_FILE,
    QUANTISATIONS,
    ExportState,
    export_archive,
    export_modelfile,
    export_state,
    gguf_kind,
    quantisation_of,
    went_on,
)
from studio.jobs.snippets import gguf_commands, snippet
from studio.logs import logged
from studio.models.gguf_sizes import known_architecture, recommended, size_of
from studio.models.locate import locate_settled
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.export import cards as export_cards
from studio.ui.export import publish_view
from studio.ui.export.state import Selection
from studio.ui.kit import fragments, run_choices
from studio.ui.kit.downloads import RUN, download_address
from studio.ui.kit.drawn import Parts

log = logging.getLogger(__name__)


def kind_of(kind: str, selection: Selection) -> str:
    """Return the kind of export that a card is about. Raises ExportError for a quantisation that is not made here."""
    return gguf_kind(selection.quantisation) if kind == GGUF else kind


def draw(studio: Studio, selection: Selection) -> Parts:
    """Show the exports of the run as they are now. Raises RunError."""
    run_id = selection.run_id
    drawn: dict[str, Any] = {}
    for kind in export_cards.KINDS:
        state = export_state(studio.jobs, studio.runs.get(run_id), kind) if run_id else None
        drawn |= {f"{kind}_{name}": part for name, part in _card(studio, run_id, kind, state).items()}
    kind = kind_of(GGUF, selection)
    state = export_state(studio.jobs, studio.runs.get(run_id), kind) if run_id else None
    drawn |= {f"gguf_{name}": part for name, part in _gguf_card(studio, run_id, kind, state).items()}
    return {**drawn, **publish_view.draw(studio, selection)}


def no_run() -> Markup:
    """Say what fills a card."""
    return fragments.empty("No finished run yet", "When a run has finished training, its result can be prepared here.")


def refresh_runs(studio: Studio, chosen: str | None) -> Any:
    """Return the dropdown with the runs that can be exported now; keep what is chosen."""
    choices = run_choices.runs_with_result(studio, also=chosen)
    return run_choices.offer(choices, run_choices.keep_or_first(chosen, choices), otherwise=run_choices.NO_RESULT)


def _gguf_card(studio: Studio, run_id: str, kind: str, state: ExportState | None) -> dict[str, Any]:
    """Make what the card of the GGUF files shows, by the names of its components."""
    drawn = _card(studio, run_id, kind, state)
    if state is None:
        return {**drawn, "kinds": "", "how": "", "modelfile": gr.update(visible=False)}
    run, ready = studio.runs.get(run_id), state.result is not None
    beside = export_modelfile(run, kind)
    address = download_address(RUN, run_id, beside.name)
    has_modelfile = ready and kind != GGUF_ADAPTER
    return {
        **drawn,
        "kinds": str(_packings(studio, run, ADAPTER if kind == GGUF_ADAPTER else quantisation_of(kind))),
        "modelfile": gr.update(visible=has_modelfile, link=address if has_modelfile else None),
        "how": str(export_cards.how_to_use(kind)) if ready else "",
        "code": gr.update(visible=ready, value=gguf_commands(run, kind) if ready else ""),
    }


def _packings(studio: Studio, run: RunFolder, chosen: str) -> Markup:
    with logged(log, "The base of a run cannot be found for the sizes of its exports", ModelError):
        files = locate_settled(run.config.model, studio.settings.home)
        architecture = None if files is None else known_architecture(files.folder)
        found = {
            each: (
                None if architecture is None or each == ADAPTER else size_of(architecture, each),
                export_state(studio.jobs, run, gguf_kind(each)).result,
            )
            for each in (*QUANTISATIONS, ADAPTER)
        }
        advised = None if files is None else recommended(architecture)
        return export_cards.packings(found, advised=advised, chosen=chosen)
    return Markup("")


def _card(studio: Studio, run_id: str, kind: str, state: ExportState | None) -> dict[str, Any]:
    """Make what one card shows, by the names of its components: nothing while the run is not chosen yet."""
    if state is None:
        return {
            "status": "" if run_choices.runs_with_result(studio, most=1) else str(no_run()),
            "prepare": gr.update(interactive=False, visible=True),
            "download": gr.update(visible=False),
            "code": gr.update(visible=False),
            "cancel": gr.update(visible=False),
            "delete": gr.update(visible=False),
        }
    ready = state.result is not None
    run = studio.runs.get(run_id)
    is_gguf = kind in ONE_FILE
    title = export_cards.name(GGUF if is_gguf else kind, whole=run.config.method == FULL)
    return {
        "status": str(fragments.stack([_went_on(studio, run_id, state), export_cards.status(state)])),
        "prepare": gr.update(
            visible=not ready and state.status != "absent",
            interactive=state.status != "working",
            value=_prepare_label(state, title),
        ),
        "download": gr.update(
            visible=ready, value=f"Download the {title}", link=export_address(studio, run_id, kind) if ready else None
        ),
        **({} if is_gguf else {"code": _code(run, kind, title, ready=ready)}),
        "cancel": gr.update(visible=state.working, interactive=not state.cancelled),
        "delete": gr.update(visible=ready),
    }


def _went_on(studio: Studio, run_id: str, state: ExportState) -> Markup:
    """Say of what an export is whose run has gone on since."""
    if state.result is None:
        return Markup("")
    said = went_on(state.result, studio.scheduler.view(run_id).view.step)
    return fragments.line("warning", said) if said else Markup("")


def _code(run: RunFolder, kind: str, title: str, *, ready: bool) -> dict[str, Any]:
    lines = snippet(run, kind) if ready else ""
    updated: dict[str, Any] = gr.update(visible=ready, value=lines, label=f"Use the {title} in Python")
    return updated


def _prepare_label(state: ExportState, title: str) -> str:
    if state.status == "working":
        return f"Preparing the {title}"
    return f"Prepare the {title} again" if state.status == "failed" else f"Prepare the {title}"


def export_address(studio: Studio, run_id: str, kind: str) -> str:
    """Return where the file of an export is downloaded."""
    return download_address(RUN, run_id, export_archive(studio.runs.get(run_id), kind).name)

"""The Export tab: take the result away as an adapter or as a merged model, each checked before it is offered.

Knows how to ask for an export and to show it; `studio.runs` makes and checks it.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.config import FULL, STARTER
from studio.jobs.exports import ExportState, export_archive, export_folder, export_state, start_export
from studio.models.elsewhere import shown_name
from studio.models.starter import HUB_ID
from studio.studio import Studio
from studio.ui.export import cards as export_cards
from studio.ui.kit import fragments, run_choices
from studio.ui.kit.components import ACTING, QUIET, html, picker
from studio.ui.kit.downloads import RUN, download_address
from studio.ui.kit.errors import shown
from studio.ui.kit.updates import Drawn, only_new


@dataclass(frozen=True)
class Card:
    """One kind of export."""

    status: gr.HTML
    prepare: gr.Button
    download: gr.Button
    code: gr.Code


@dataclass(frozen=True)
class ExportTab:
    """The components of the tab; `cards` by the kind of export."""

    run: gr.Dropdown
    cards: Mapping[str, Card]
    drawn: gr.State


def build() -> ExportTab:
    """Lay the tab out."""
    with gr.Column(elem_classes="ls-card"):
        run = picker(label="Run to export", info="Any run that left a result.", elem_id="export-run")
    with gr.Row(equal_height=True):
        cards = {kind: _build_card(kind, *texts) for kind, texts in export_cards.KINDS.items()}
    return ExportTab(run=run, cards=cards, drawn=gr.State(None))


def _build_card(kind: str, title: str, text: str) -> Card:
    with gr.Column(elem_classes="ls-card", min_width=300):
        html(fragments.heading(title, text))
        status = html(no_run(), elem_id=f"export-{kind}-status")
        prepare = gr.Button(
            f"Prepare the {title.lower()}",
            variant="primary" if kind == "adapter" else "secondary",
            interactive=False,
            elem_id=f"export-{kind}-prepare",
        )
        download = gr.Button(
            f"Download the {title.lower()}", variant="primary", visible=False, elem_id=f"export-{kind}-download"
        )
        code = gr.Code(
            "",
            language="python",
            label=f"How to load the {title.lower()}",
            interactive=False,
            visible=False,
            show_line_numbers=False,
            elem_id=f"export-{kind}-code",
        )
    return Card(status=status, prepare=prepare, download=download, code=code)


def no_run() -> Any:
    """Say what fills a card."""
    return fragments.empty("No finished run yet", "Train a run first. Its result can then be prepared here.")


def wire(tab: ExportTab, *, studio: Studio, timer: gr.Timer, opened: Callable[..., Any]) -> None:
    """Connect the tab. `opened` is the event of the tab being opened."""
    outputs = [part for card in tab.cards.values() for part in (card.status, card.prepare, card.download, card.code)]
    gr.on(
        [timer.tick, opened, tab.run.change],
        shown(functools.partial(redraw, studio)),
        inputs_kwargs={"run_id": tab.run, "drawn": tab.drawn},
        outputs=[*outputs, tab.drawn],
        **QUIET,
    )
    for kind, card in tab.cards.items():
        card.prepare.click(
            shown(functools.partial(prepare, studio, kind)), inputs=[tab.run], outputs=[card.prepare], **ACTING
        )


def refresh_runs(studio: Studio, chosen: str | None) -> Any:
    """Return the dropdown with the runs that can be exported now; keep what is chosen."""
    choices = run_choices.runs_with_result(studio, also=chosen)
    return gr.update(choices=choices, value=run_choices.keep_or_first(chosen, choices))


def prepare(studio: Studio, kind: str, run_id: str | None) -> Any:
    """Start to write an export. Raises RunError or ExportError."""
    if run_id:
        start_export(studio.jobs, studio.runs.get(run_id), kind)
    return gr.update(interactive=False)


def redraw(studio: Studio, *, run_id: str | None, drawn: Drawn | None) -> list[Any]:
    """Show both exports of the run as they are now, sending only what is new since `drawn`."""
    fresh: dict[str, Any] = {}
    for kind in export_cards.KINDS:
        state = export_state(studio.jobs, studio.runs.get(run_id), kind) if run_id else None
        fresh |= {f"{kind} {name}": part for name, part in parts(studio, run_id, kind, state).items()}
    return only_new(fresh, drawn)


def parts(studio: Studio, run_id: str | None, kind: str, state: ExportState | None) -> dict[str, Any]:
    """Make what one card shows, by the names of its components in order."""
    if not run_id or state is None:
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
            visible=ready, value=f"Download the {title}", link=_address(studio, run_id, kind) if ready else None
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


def _address(studio: Studio, run_id: str, kind: str) -> str:
    return download_address(RUN, run_id, export_archive(studio.runs.get(run_id), kind).name)


def export_run(studio: Studio, run_id: str, kind: str) -> dict[str, Any]:
    """Start an export if it is not there, and say what it is at. Raises RunError or ExportError.

    `download` is its address below that of the page, once it is ready.
    """
    state = start_export(studio.jobs, studio.runs.get(run_id), kind)
    download = _address(studio, run_id, kind) if state.result else ""
    return {"status": state.status, "sentence": state.sentence, "download": download}

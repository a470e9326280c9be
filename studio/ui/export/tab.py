"""The Export tab: take the result away as an adapter, a merged model or a GGUF, each checked before it is offered."""

import functools
from collections.abc import Callable
from typing import Any

import gradio as gr

from studio.jobs.exports import GGUF
from studio.studio import Studio
from studio.ui.export import address_card, cards, publish_card, view
from studio.ui.export.state import Selection
from studio.ui.kit import fragments
from studio.ui.kit.components import html, picker
from studio.ui.kit.panel import Panel

Buttons = tuple[gr.Button, gr.Button, gr.Button]
"""What prepares an export, what ends that, and what deletes it."""


def build(studio: Studio, *, timer: gr.HTML, opened: Callable[..., Any]) -> gr.Dropdown:
    """Lay the tab out and connect it; return the chooser of the run. `opened` is the event of the tab being opened."""
    panel = Panel("export", Selection(), draw=functools.partial(view.draw, studio), settle=publish_card.settle)
    with gr.Column(elem_classes="ls-card"):
        run = panel.input(
            "run_id", picker(label="Run to export", info="Any run that left a result.", elem_id="export-run")
        )
        html(fragments.subheading("Which file do I need?") + cards.which(), elem_id="export-which")
    with gr.Row(equal_height=True):
        buttons = {kind: _build_card(panel, kind, *texts) for kind, texts in cards.KINDS.items()}
    buttons[GGUF] = _build_gguf(panel)
    publishing = publish_card.build(panel)
    panel.redraws([timer.tick, opened])
    for kind, (prepare_it, cancel_it, delete_it) in buttons.items():
        panel.on([prepare_it.click], functools.partial(prepare, studio, kind))
        panel.on([cancel_it.click], functools.partial(cancel, studio, kind))
        panel.on([delete_it.click], functools.partial(delete, studio, kind))
    publish_card.connect(panel, studio, publishing)
    address_card.build(studio, run=run, timer=timer.tick, opened=opened)
    return run


def _build_gguf(panel: Panel[Selection]) -> Buttons:
    """Lay out the card of the GGUF files; return its buttons."""
    title, text, technical = cards.GGUF_TEXTS
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading(title, text))
        html(fragments.note(technical))
        panel.html("gguf_kinds")
        panel.input(
            "quantisation",
            gr.Radio(
                [(name, kind) for kind, (name, _) in cards.PACKED.items()],
                value=Selection().quantisation,
                label="Kind of GGUF file",
                elem_id="export-gguf-quantisation",
            ),
        )
        panel.html("gguf_status")
        prepare = gr.Button(
            "Prepare the GGUF file", variant="primary", interactive=False, elem_id="export-gguf-prepare"
        )
        with gr.Row():
            download = gr.Button(
                "Download the GGUF file", variant="primary", visible=False, elem_id="export-gguf-download"
            )
            beside = gr.Button("Download the Modelfile", visible=False, elem_id="export-gguf-modelfile")
        cancel, delete = _build_ends(GGUF)
        panel.html("gguf_how")
        code = gr.Code(
            "",
            language="shell",
            label="In a terminal",
            interactive=False,
            visible=False,
            show_line_numbers=False,
            elem_id="export-gguf-code",
        )
    parts = {"prepare": prepare, "download": download, "modelfile": beside, "code": code}
    for name, component in {**parts, "cancel": cancel, "delete": delete}.items():
        panel.part(f"gguf_{name}", component)
    return prepare, cancel, delete


def _build_ends(kind: str) -> tuple[gr.Button, gr.Button]:
    """Lay out what ends an export and what deletes it."""
    cancel = gr.Button("Cancel", visible=False, elem_id=f"export-{kind}-cancel")
    return cancel, gr.Button("Delete this export", visible=False, elem_id=f"export-{kind}-delete")


def _build_card(panel: Panel[Selection], kind: str, title: str, text: str, technical: str) -> Buttons:
    """Lay out one kind of export; return its buttons."""
    with gr.Column(elem_classes="ls-card", min_width=300):
        html(fragments.heading(title, text))
        html(fragments.note(technical))
        panel.html(f"{kind}_status")
        prepare = gr.Button(
            f"Prepare the {title.lower()}",
            interactive=False,
            elem_id=f"export-{kind}-prepare",
        )
        download = gr.Button(
            f"Download the {title.lower()}", variant="primary", visible=False, elem_id=f"export-{kind}-download"
        )
        cancel, delete = _build_ends(kind)
        code = gr.Code(
            "",
            language="python",
            label=f"How to load the {title.lower()}",
            interactive=False,
            visible=False,
            show_line_numbers=False,
            elem_id=f"export-{kind}-code",
        )
    for name, component in (("prepare", prepare), ("download", download), ("code", code)):
        panel.part(f"{kind}_{name}", component)
    panel.part(f"{kind}_cancel", cancel)
    panel.part(f"{kind}_delete", delete)
    return prepare, cancel, delete


def prepare(studio: Studio, kind: str, selection: Selection) -> Selection:
    """Start to write an export. Raises RunError or ExportError."""
    if selection.run_id:
        studio.start_export(selection.run_id, view.kind_of(kind, selection))
    return selection


def cancel(studio: Studio, kind: str, selection: Selection) -> Selection:
    """Ask an export to end. Raises RunError or ExportError."""
    if selection.run_id:
        studio.cancel_export(selection.run_id, view.kind_of(kind, selection))
    return selection


def delete(studio: Studio, kind: str, selection: Selection) -> Selection:
    """Delete an export. Raises RunError or ExportError."""
    if selection.run_id:
        studio.delete_export(selection.run_id, view.kind_of(kind, selection))
    return selection

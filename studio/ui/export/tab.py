"""The Export tab: take the result away as an adapter or as a merged model, each checked before it is offered."""

import functools
from collections.abc import Callable
from typing import Any

import gradio as gr

from studio.studio import Studio
from studio.ui.export import cards, view
from studio.ui.export.view import Selection
from studio.ui.kit import fragments
from studio.ui.kit.components import html, picker
from studio.ui.kit.panel import Panel


def build(studio: Studio, *, timer: gr.HTML, opened: Callable[..., Any]) -> gr.Dropdown:
    """Lay the tab out and connect it; return the chooser of the run. `opened` is the event of the tab being opened."""
    panel = Panel("export", Selection(), draw=functools.partial(view.draw, studio))
    with gr.Column(elem_classes="ls-card"):
        run = panel.input(
            "run_id", picker(label="Run to export", info="Any run that left a result.", elem_id="export-run")
        )
    with gr.Row(equal_height=True):
        buttons = {kind: _build_card(panel, kind, *texts) for kind, texts in cards.KINDS.items()}
    panel.redraws([timer.tick, opened])
    for kind, button in buttons.items():
        panel.on([button.click], functools.partial(prepare, studio, kind))
    return run


def _build_card(panel: Panel[Selection], kind: str, title: str, text: str, technical: str) -> gr.Button:
    """Lay out one kind of export; return the button that prepares it."""
    with gr.Column(elem_classes="ls-card", min_width=300):
        html(fragments.heading(title, text))
        html(fragments.note(technical))
        panel.html(f"{kind}_status")
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
    for name, component in (("prepare", prepare), ("download", download), ("code", code)):
        panel.part(f"{kind}_{name}", component)
    return prepare


def prepare(studio: Studio, kind: str, selection: Selection) -> Selection:
    """Start to write an export. Raises RunError or ExportError."""
    if selection.run_id:
        studio.start_export(selection.run_id, kind)
    return selection

"""Going from one example to another: by number, one by one, by a search.

Lays out the card that shows an example, and connects what moves.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block

from studio.planning.model_facts import ModelFacts
from studio.ui.data import actions
from studio.ui.data.example_view import no_preview
from studio.ui.kit import fragments, scripts
from studio.ui.kit.components import QUIET, html
from studio.ui.kit.errors import shown


@dataclass(frozen=True)
class Viewer:
    """The components. `number` is that of the example shown, from 1."""

    search: gr.Textbox
    find: gr.Button
    special: gr.Checkbox
    search_said: gr.HTML
    number: gr.Number
    leave_out: gr.Button


def build(parts: dict[str, Block]) -> Viewer:
    """Lay out what shows one example, and what moves to another."""
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("What the model reads and learns"))
        with gr.Row(elem_classes="ls-search"):
            search = gr.Textbox(
                placeholder="Search in the examples",
                show_label=False,
                label="Search",
                max_lines=1,
                elem_id="data-search",
            )
            find = gr.Button("Find next", size="sm", elem_id="data-find")
            special = gr.Checkbox(label="Show special tokens", elem_id="data-special")
        search_said = html("", elem_id="data-search-said")
        parts["preview"] = html(no_preview(), elem_id="data-preview")
        with gr.Row(elem_classes="ls-pager"):
            parts["previous"] = gr.Button("Previous", size="sm", interactive=False, elem_id="data-previous")
            number = gr.Number(1, label="Example", show_label=False, precision=0, min_width=80, elem_id="data-number")
            parts["position"] = html("", elem_id="data-position")
            parts["following"] = gr.Button("Next", size="sm", interactive=False, elem_id="data-next")
            leave_out = gr.Button(
                "Leave this example out", size="sm", elem_id="data-leave-out", elem_classes="ls-fixes"
            )
    return Viewer(
        search=search,
        find=find,
        special=special,
        search_said=search_said,
        number=number,
        leave_out=leave_out,
    )


def wire(viewer: Viewer, parts: Mapping[str, Block], *, facts: ModelFacts, version: gr.Dropdown) -> None:
    """Connect what moves to another example: each only sets its number."""
    for name, step in (("previous", -1), ("following", 1)):
        button = parts[name]
        assert isinstance(button, gr.Button)
        button.click(
            None,
            inputs=[viewer.number],
            outputs=[viewer.number],
            js=scripts.call("moveExample", step),
            show_progress="hidden",
        )
    gr.on(
        [viewer.find.click, viewer.search.submit],
        shown(functools.partial(actions.find, facts)),
        inputs=[version, viewer.search, viewer.number],
        outputs=[viewer.number, viewer.search_said],
        **QUIET,
    )

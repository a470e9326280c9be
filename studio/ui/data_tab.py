"""The Data tab: bring examples, say what the columns hold, see what is doubtful and exactly what will be learned.

Lays the tab out and connects it. What is shown, `studio.ui.data_drawing` makes; what a data set is, `studio.data`
knows.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.runs.studio import Studio
from studio.ui import data_bring, data_held_out, data_library, data_listeners, form, fragments
from studio.ui.components import ACTING, QUIET, html
from studio.ui.data_bring import Bring
from studio.ui.data_cards import nothing_yet
from studio.ui.data_drawing import PARTS
from studio.ui.data_held_out import HeldOut
from studio.ui.data_library import Keeping, Library
from studio.ui.data_viewer import no_preview
from studio.ui.errors import shown
from studio.ui.histogram import histogram
from studio.ui.presses import on_press, pressable
from studio.ui.reading import Reading

FOLLOWED = ("model", "max_length", "overlong", "batch_size", "epochs", *form.HELD_OUT)
"""The settings of a run that what is shown here follows from."""


@dataclass(frozen=True)
class DataTab:
    """The components of the tab. `shown` holds the parts of `data_drawing` by name.

    `number` is that of the example shown, from 1; `drawn` is what was drawn last; `assigning` are the parts of columns
    that are being chosen.
    """

    bring: Bring
    library: Library
    keeping: Keeping
    held_out: HeldOut
    shown: Mapping[str, Block]
    use_template: gr.Button
    number: gr.Number
    special: gr.Checkbox
    search: gr.Textbox
    find: gr.Button
    search_said: gr.HTML
    leave_out: gr.Button
    proceed: gr.Button
    assigning: gr.State
    drawn: gr.State


def build(studio: Studio) -> DataTab:
    """Lay the tab out."""
    parts: dict[str, Block] = {}
    bring = data_bring.build(studio.datasets.samples())
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("What is in it"))
        library = data_library.build_pickers()
        parts["verdict"] = html(nothing_yet(), elem_id="data-verdict")
        parts["table"] = pressable(elem_id="data-table")
        with gr.Column(visible=False, elem_id="data-template-box") as parts["template_box"]:
            parts["template"] = gr.Textbox(
                label="How the columns make the question",
                info="Names of columns in braces stand for their cells.",
                lines=3,
                elem_id="data-template",
            )
            use_template = gr.Button("Use this wording", size="sm", elem_id="data-use-template")
        parts["how_read"] = html("", elem_id="data-how-read")
        keeping = data_library.build_keeping()
    with gr.Column(elem_classes="ls-card", visible=False) as parts["checks_card"]:
        html(fragments.heading("Checks", "Nothing is changed without being asked, and every change can be undone."))
        parts["checks"] = pressable(elem_id="data-checks")
        with gr.Accordion(
            "Rows left out", open=False, visible=False, elem_classes="ls-inner", elem_id="data-problems"
        ) as parts["left_out"]:
            parts["problems"] = html("")
    with gr.Column(visible=False, elem_classes="ls-body") as parts["body"]:
        viewer = _build_viewer(parts)
        with gr.Column(elem_classes="ls-card"):
            html(
                fragments.heading(
                    "Length and tokens",
                    "A token is a piece of a word, about three quarters of one. The model reads and writes in tokens.",
                )
            )
            parts["figures"] = html("", elem_id="data-figures")
            parts["histogram"] = histogram("data-histogram")
            parts["meaning"] = html("", elem_id="data-meaning")
        with gr.Column(elem_classes="ls-card"):
            held_out = data_held_out.build()
            parts["held_out"] = held_out.said
    with gr.Row(elem_classes="ls-forward"):
        proceed = gr.Button("Next: configure", variant="primary", elem_id="data-proceed")
    return DataTab(
        bring=bring,
        library=library,
        keeping=keeping,
        held_out=held_out,
        shown=parts,
        use_template=use_template,
        proceed=proceed,
        assigning=gr.State(None),
        drawn=gr.State(None),
        **viewer,
    )


def _build_viewer(parts: dict[str, Block]) -> dict[str, Any]:
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
            leave_out = gr.Button("Leave this example out", size="sm", elem_id="data-leave-out")
    return {
        "search": search,
        "find": find,
        "special": special,
        "search_said": search_said,
        "number": number,
        "leave_out": leave_out,
    }


def wire(
    tab: DataTab,
    *,
    studio: Studio,
    reading: Reading,
    controls: Mapping[str, gr.components.Component],
    calm: gr.Timer,
    tabs: gr.Tabs,
) -> None:
    """Connect the tab. `controls` are the settings of a run by name; what is shown follows from some of them."""
    data_bring.wire(tab.bring, studio=studio, library=tab.library, calm=calm, tabs=tabs)
    data_library.wire(tab.library, tab.keeping, studio=studio)
    followed = {name: controls[name] for name in FOLLOWED}
    looked_at: dict[str, Block] = {
        "dataset_id": tab.library.version,
        "other_id": tab.held_out.other,
        "number": tab.number,
        "special": tab.special,
        "assigning": tab.assigning,
        "drawn": tab.drawn,
    }
    looked_for = [component for name, component in looked_at.items() if name != "drawn"]
    changes = [component.change for component in (*followed.values(), *looked_for)]  # type: ignore[attr-defined]
    gr.on(
        [calm.tick, *changes],
        shown(functools.partial(data_listeners.redraw, studio, reading)),
        inputs_kwargs={**looked_at, **followed},
        outputs=[*(tab.shown[name] for name in PARTS), tab.number, tab.drawn],
        trigger_mode="always_last",
        **QUIET,
    )
    tab.library.version.change(
        shown(functools.partial(data_listeners.offer_held_out, studio)),
        inputs=[tab.library.version, tab.held_out.other],
        outputs=[tab.held_out.other],
        **QUIET,
    )
    _wire_moves(tab, studio=studio, reading=reading)
    _wire_actions(tab, studio=studio)
    tab.proceed.click(lambda: gr.Tabs(selected="configure"), outputs=[tabs], **QUIET)


def _wire_moves(tab: DataTab, *, studio: Studio, reading: Reading) -> None:
    """Connect what moves to another example: each only sets its number."""
    for name, step in (("previous", -1), ("following", 1)):
        button = tab.shown[name]
        assert isinstance(button, gr.Button)
        button.click(None, inputs=[tab.number], outputs=[tab.number], js=f"(n) => Math.max(1, (n || 1) + {step})")
    gr.on(
        [tab.find.click, tab.search.submit],
        shown(functools.partial(data_listeners.find, reading)),
        inputs=[tab.library.version, tab.search, tab.number],
        outputs=[tab.number, tab.search_said],
        **QUIET,
    )


def _wire_actions(tab: DataTab, *, studio: Studio) -> None:
    """Connect what makes another version: each starts an import, or selects a version that is there."""
    started, version = tab.bring.started, tab.library.version
    table, checks = tab.shown["table"], tab.shown["checks"]
    assert isinstance(table, gr.HTML)
    assert isinstance(checks, gr.HTML)
    on_press(
        table,
        functools.partial(data_listeners.assign_part, studio),
        inputs_kwargs={"dataset_id": version, "assigning": tab.assigning, "started": started},
        outputs=[tab.assigning, started, version],
        **ACTING,
    )
    tab.use_template.click(
        shown(functools.partial(data_listeners.use_template, studio)),
        inputs=[version, tab.assigning, tab.shown["template"], started],
        outputs=[tab.assigning, started, version],
        **ACTING,
    )
    on_press(
        checks,
        functools.partial(data_listeners.press_check, studio),
        inputs_kwargs={"dataset_id": version, "number": tab.number, "started": started},
        outputs=[tab.number, started, version],
        **ACTING,
    )
    tab.leave_out.click(
        shown(functools.partial(data_listeners.leave_out, studio)),
        inputs=[version, tab.number, started],
        outputs=[started, version],
        **ACTING,
    )

"""The Data tab: bring examples, say what the columns hold, see what is doubtful and exactly what will be learned.

Lays the tab out and connects it. What is shown, `studio.ui.data.view` makes; what a data set is, `studio.data`
knows.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.data import actions, browse
from studio.ui.data import bring as data_bring
from studio.ui.data import held_out as data_held_out
from studio.ui.data import library as data_library
from studio.ui.data.bring import Bring
from studio.ui.data.browse import Viewer
from studio.ui.data.cards import nothing_yet
from studio.ui.data.held_out import HeldOut
from studio.ui.data.lengths import histogram
from studio.ui.data.library import Keeping, Library
from studio.ui.data.view import PARTS
from studio.ui.kit import form, fragments, scripts
from studio.ui.kit.actions import action_html, on_action
from studio.ui.kit.components import ACTING, QUIET, html
from studio.ui.kit.errors import shown

TOKEN_HELP = "A token is a piece of a word, about three quarters of one. The model reads and writes in tokens."

FOLLOWED = ("model", "max_length", "overlong", "batch_size", "epochs", *form.HELD_OUT)
"""The settings of a run that what is shown here follows from."""


@dataclass(frozen=True)
class DataTab:
    """The components of the tab. `shown` holds the parts of `view` by name.

    `drawn` is what was drawn last; `assigning` are the parts of columns that are being chosen.
    """

    bring: Bring
    library: Library
    keeping: Keeping
    held_out: HeldOut
    shown: Mapping[str, Block]
    use_template: gr.Button
    viewer: Viewer
    proceed: gr.Button
    assigning: gr.State
    drawn: gr.State


def build(studio: Studio) -> DataTab:
    """Lay the tab out."""
    parts: dict[str, Block] = {}
    bring = data_bring.build(studio.data.samples())
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("What is in it"))
        library = data_library.build_pickers()
        parts["verdict"] = html(nothing_yet(), elem_id="data-verdict")
        parts["table"] = action_html(elem_id="data-table")
        with gr.Column(visible=False, elem_id="data-template-box") as parts["template_box"]:
            parts["template"] = gr.Textbox(
                label="How the columns make the question",
                info="Names of columns in braces stand for their cells.",
                lines=3,
                elem_id="data-template",
            )
            use_template = gr.Button(
                "Use this wording", size="sm", elem_id="data-use-template", elem_classes="ls-fixes"
            )
        parts["how_read"] = html("", elem_id="data-how-read")
        keeping = data_library.build_keeping()
    _build_checks(parts)
    with gr.Column(visible=False, elem_classes="ls-body") as parts["body"]:
        viewer = browse.build(parts)
        _build_lengths(parts)
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
        viewer=viewer,
        assigning=gr.State(None),
        drawn=gr.State(None),
    )


def _build_checks(parts: dict[str, Block]) -> None:
    with gr.Column(elem_classes="ls-card", visible=False) as parts["checks_card"]:
        html(fragments.heading("Checks", "Nothing is changed without being asked, and every change can be undone."))
        parts["checks"] = action_html(elem_id="data-checks")
        with gr.Accordion(
            "Rows left out", open=False, visible=False, elem_classes="ls-inner", elem_id="data-problems"
        ) as parts["left_out"]:
            parts["problems"] = html("")


def _build_lengths(parts: dict[str, Block]) -> None:
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("Length and tokens", TOKEN_HELP))
        parts["figures"] = html("", elem_id="data-figures")
        parts["histogram"] = histogram("data-histogram")
        parts["meaning"] = html("", elem_id="data-meaning")


def wire(
    tab: DataTab,
    *,
    studio: Studio,
    facts: ModelFacts,
    controls: Mapping[str, gr.components.Component],
    calm: gr.Timer,
    opened: Callable[..., Any],
    tabs: gr.Tabs,
    loaded: Callable[..., Any],
) -> None:
    """Connect the tab. `controls` are the settings of a run by name; what is shown follows from some of them.

    `opened` is the event of the tab being opened, `loaded` that of the page.
    """
    data_bring.wire(tab.bring, studio=studio, library=tab.library, calm=calm, tabs=tabs)
    data_library.wire(tab.library, tab.keeping, studio=studio, loaded=loaded)
    followed = {name: controls[name] for name in FOLLOWED}
    looked_at: dict[str, Block] = {
        "dataset_id": tab.library.version,
        "other_id": tab.held_out.other,
        "number": tab.viewer.number,
        "special": tab.viewer.special,
        "assigning": tab.assigning,
        "drawn": tab.drawn,
    }
    looked_for = [component for name, component in looked_at.items() if name != "drawn"]
    changes = [component.change for component in (*followed.values(), *looked_for)]  # type: ignore[attr-defined]
    gr.on(
        [calm.tick, opened, *changes],
        shown(functools.partial(actions.redraw, studio, facts)),
        inputs_kwargs={**looked_at, **followed},
        outputs=[
            *(tab.shown[name] for name in PARTS),
            tab.viewer.number,
            tab.drawn,
            tab.library.family,
            tab.library.version,
        ],
        trigger_mode="always_last",
        **QUIET,
    )
    tab.library.version.change(
        shown(functools.partial(actions.offer_held_out, studio)),
        inputs=[tab.library.version, tab.held_out.other],
        outputs=[tab.held_out.other],
        **QUIET,
    )
    browse.wire(tab.viewer, tab.shown, facts=facts, version=tab.library.version)
    _wire_actions(tab, studio=studio, model=controls["model"])
    tab.proceed.click(lambda: gr.Tabs(selected="configure"), outputs=[tabs], **QUIET)


def _wire_actions(tab: DataTab, *, studio: Studio, model: Block) -> None:
    """Connect what makes another version: each starts an import, or selects a version that is there."""
    started, version = tab.bring.started, tab.library.version
    table, checks = tab.shown["table"], tab.shown["checks"]
    assert isinstance(table, gr.HTML)
    assert isinstance(checks, gr.HTML)
    on_action(
        table,
        functools.partial(actions.assign_part, studio),
        inputs_kwargs={"dataset_id": version, "assigning": tab.assigning, "started": started},
        outputs=[tab.assigning, started, version],
        trigger_mode="multiple",  # a person may set the second column before the first has come through
        **ACTING,
    )
    tab.use_template.click(
        shown(functools.partial(actions.use_template, studio)),
        inputs=[version, tab.assigning, tab.shown["template"], started],
        outputs=[tab.assigning, started, version],
        js=scripts.call("holdPressed"),
        **ACTING,
    )
    on_action(
        checks,
        functools.partial(actions.press_check, studio),
        inputs_kwargs={"dataset_id": version, "number": tab.viewer.number, "started": started, "model": model},
        outputs=[tab.viewer.number, started, version],
        **ACTING,
    )
    tab.viewer.leave_out.click(
        shown(functools.partial(actions.leave_out, studio)),
        inputs=[version, tab.viewer.number, started],
        outputs=[started, version],
        js=scripts.call("holdPressed"),
        **ACTING,
    )

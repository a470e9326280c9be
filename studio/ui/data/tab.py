"""The Data tab: bring examples, say what the columns hold, see what is doubtful and exactly what will be learned.

Lays the tab out and connects it. What is shown, `view` makes; what a data set is, `studio.data` knows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.data import actions, bring, library, view
from studio.ui.data.bring import Listeners
from studio.ui.data.cards import nothing_yet
from studio.ui.data.example_view import no_preview
from studio.ui.data.held_out import NONE, HeldOut
from studio.ui.data.lengths import histogram
from studio.ui.data.state import ON_CONFIGURE, Selection, settle
from studio.ui.kit import form, fragments, scripts
from studio.ui.kit.components import ACTING, QUIET, html, picker, unchecked
from studio.ui.kit.panel import Panel

TOKEN_HELP = "A token is a piece of a word, about three quarters of one. The model reads and writes in tokens."
PURPOSE = (
    "A few examples are kept aside and never learned. How well the model answers these tells whether it learned your "
    "way of answering, or only these very words."
)
UNTOUCHED = "Nothing is changed without being asked, and every change can be undone."

_HOLDING = {**ACTING, "js": scripts.call("holdPressed")}
"""How a button is connected that makes another version: it looks busy until that is there."""


@dataclass(frozen=True)
class Library:
    """What chooses a data set: `family` holds what all versions share, `version` the id of the chosen one."""

    family: gr.Dropdown
    version: gr.Dropdown


@dataclass(frozen=True)
class DataTab:
    """What other tabs need of it, and what is connected once the settings that it follows are there."""

    library: Library
    held_out: HeldOut
    panel: Panel[Selection]
    listeners: Listeners


def build(studio: Studio, facts: ModelFacts, tabs: gr.Tabs) -> DataTab:
    """Lay the tab out."""
    panel = Panel("data", Selection(), draw=partial(view.draw, studio, facts), settle=partial(settle, studio))
    listeners = bring.build(panel, studio, tabs)
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("What is in it"))
        pickers = _build_pickers(panel)
        panel.html("verdict", nothing_yet())
        listeners += _build_columns(panel, studio)
        listeners += _build_keeping(panel, studio)
    listeners += _build_checks(panel, studio)
    with panel.part("body", gr.Column(visible=False, elem_classes="ls-body")):
        listeners += _build_viewer(panel, studio, facts)
        with gr.Column(elem_classes="ls-card"):
            html(fragments.heading("Length and tokens", TOKEN_HELP))
            panel.html("figures")
            panel.part("histogram", histogram("data-histogram"))
            panel.html("meaning")
        held_out = _build_held_out(panel)
    with gr.Row(elem_classes="ls-forward"):
        proceed = gr.Button("Next: configure", variant="primary", elem_id="data-proceed")
    listeners.append(lambda: proceed.click(lambda: gr.Tabs(selected="configure"), outputs=[tabs], **QUIET))
    return DataTab(pickers, held_out, panel, listeners)


def connect(
    tab: DataTab,
    *,
    controls: Mapping[str, Component],
    timer: gr.Timer,
    opened: Callable[..., Any],
    loaded: Callable[..., Any],
) -> None:
    """Connect the tab. What is shown follows from some of `controls`, the settings of a run by name.

    `opened` is the event of the tab being opened, `loaded` that of the page.
    """
    for name in ON_CONFIGURE:
        tab.panel.input(name, controls[name])
    tab.panel.redraws([timer.tick, opened, loaded])
    for listen in tab.listeners:
        listen()


def _build_pickers(panel: Panel[Selection]) -> Library:
    with gr.Row(elem_classes="ls-pickers"):
        family = picker(label="Data set", info="Everything you brought stays here.", elem_id="data-library")
        version = picker(
            label="Version",
            info="What you change makes a new one; the others stay.",
            elem_id="data-version",
            visible=False,
        )
    return Library(panel.input("family", family, redraws_on="input"), panel.input("version", version))


def _build_columns(panel: Panel[Selection], studio: Studio) -> Listeners:
    table = panel.action_html("table")
    with panel.part("template_box", gr.Column(visible=False, elem_id="data-template-box")):
        template = gr.Textbox(
            label="How the columns make the question",
            info="Names of columns in braces stand for their cells.",
            lines=3,
            elem_id="data-template",
        )
        given = {"template": panel.part("template", template)}
        use = gr.Button("Use this wording", size="sm", elem_id="data-use-template", elem_classes="ls-fixes")
    panel.html("how_read")
    # A person may set the second column before the first has come through.
    setting = {**ACTING, "trigger_mode": "multiple"}
    return [
        partial(panel.on_action, partial(actions.assign_part, studio), of=[table], options=setting),
        partial(panel.on, [use.click], partial(actions.use_template, studio), given=given, options=_HOLDING),
    ]


def _build_keeping(panel: Panel[Selection], studio: Studio) -> Listeners:
    """Lay out naming, downloading and deleting, and the bin."""
    with gr.Accordion("Rename, download or delete", open=False, elem_classes="ls-inner", elem_id="data-keeping"):
        with gr.Row(elem_classes="ls-actions"):
            name = panel.part("name", gr.Textbox(label="Name", max_lines=1, elem_id="data-name"))
            rename = gr.Button("Rename", size="sm", elem_id="data-rename")
        with gr.Row(elem_classes="ls-actions"):
            prepare = gr.Button("Download (JSON Lines)", size="sm", elem_id="data-download")
        delete = panel.action_html("delete")
    with panel.part("bin", gr.Accordion("Bin", open=False, visible=False, elem_classes="ls-inner", elem_id="data-bin")):
        binned = panel.action_html("binned")
    events = [rename.click, name.submit]
    return [
        partial(panel.on, events, partial(library.rename, studio), given={"name": name}),
        partial(panel.download, prepare.click, partial(library.prepare, studio)),
        partial(panel.on_action, partial(library.press, studio), of=[delete, binned]),
    ]


def _build_checks(panel: Panel[Selection], studio: Studio) -> Listeners:
    with panel.part("checks_card", gr.Column(elem_classes="ls-card", visible=False)):
        html(fragments.heading("Checks", UNTOUCHED))
        checks = panel.action_html("checks")
        look: dict[str, Any] = {"open": False, "visible": False, "elem_classes": "ls-inner"}
        with panel.part("left_out", gr.Accordion("Rows left out", elem_id="data-problems", **look)):
            panel.part("problems", html(""))
    return [partial(panel.on_action, partial(actions.press_check, studio), of=[checks])]


def _build_viewer(panel: Panel[Selection], studio: Studio, facts: ModelFacts) -> Listeners:
    """Lay out what shows one example, and what moves to another: each only sets its number."""
    look: dict[str, Any] = {"show_label": False, "max_lines": 1, "elem_id": "data-search"}
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("What the model reads and learns"))
        with gr.Row(elem_classes="ls-search"):
            search = gr.Textbox(placeholder="Search in the examples", label="Search", **look)
            find = gr.Button("Find next", size="sm", elem_id="data-find")
            panel.input("special", gr.Checkbox(label="Show special tokens", elem_id="data-special"))
        panel.html("search_said")
        panel.html("preview", no_preview())
        with gr.Row(elem_classes="ls-pager"):
            moves = _build_moves(panel)
            out = gr.Button("Leave this example out", size="sm", elem_id="data-leave-out", elem_classes="ls-fixes")
    events = [find.click, search.submit]
    return [
        *moves,
        partial(panel.on, events, partial(actions.find, facts), given={"text": search}, options=QUIET),
        partial(panel.on, [out.click], partial(actions.leave_out, studio), options=_HOLDING),
    ]


def _build_moves(panel: Panel[Selection]) -> Listeners:
    previous = gr.Button("Previous", size="sm", interactive=False, elem_id="data-previous")
    panel.part("previous", previous)
    number = gr.Number(1, label="Example", show_label=False, precision=0, min_width=80, elem_id="data-number")
    panel.input("number", number)
    panel.html("position")
    following = panel.part("following", gr.Button("Next", size="sm", interactive=False, elem_id="data-next"))
    options: dict[str, Any] = {"inputs": [number], "outputs": [number], "show_progress": "hidden"}
    return [
        partial(button.click, None, js=scripts.call("moveExample", step), **options)
        for button, step in ((previous, -1), (following, 1))
    ]


def _build_held_out(panel: Panel[Selection]) -> HeldOut:
    """Lay out how many are held out, and how; the controls belong to the settings of a run."""
    first, *others = form.HELD_OUT
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("Held-out examples", PURPOSE))
        with gr.Column(elem_classes="ls-grid"):
            controls = {first: panel.input(first, form.control(first))}
            other = unchecked(gr.Dropdown)(
                [(NONE, "")],
                value="",
                label="Or use another data set for it",
                info="Your own examples for checking. Then all of this one is learned.",
                elem_id="data-held-out",
            )
            panel.input("other", other)
        panel.html("held_out_said")
        with gr.Accordion("How they are drawn", open=False, elem_classes="ls-inner", elem_id="data-drawn-how"):
            with gr.Column(elem_classes="ls-grid"):
                controls |= {name: panel.input(name, form.control(name)) for name in others}
    return HeldOut(controls, other)

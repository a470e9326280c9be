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
from studio.ui.data import actions, bring, editing, keeping, view
from studio.ui.data.bring import Listeners
from studio.ui.data.example_view import no_preview
from studio.ui.data.held_out import NONE, HeldOut
from studio.ui.data.lengths import histogram
from studio.ui.data.state import ON_CONFIGURE, Selection, settle
from studio.ui.data.view import COLUMNS, EXACT, HELD_OUT, LENGTHS
from studio.ui.kit import form, fragments, scripts
from studio.ui.kit.components import ACTING, QUIET, html, picker, unchecked
from studio.ui.kit.panel import Panel

TOKEN_HELP = "A token is a piece of a word, about three quarters of one. The model reads and writes in tokens."
PURPOSE = (
    "A few examples are kept aside and never learned. How well the model answers these shows whether it learned your "
    "way of answering, or only these very words. The start and the end of training score all of them, and the "
    "checks in between a fixed part where all would take more than a tenth of the time."
)
UNTOUCHED = "You decide what is changed, and you can undo every change."

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
    """Lay the tab out: what matters of the chosen data set on one screen, and below it what opens."""
    panel = Panel("data", Selection(), draw=partial(view.draw, studio, facts), settle=partial(settle, studio))
    listeners = bring.build(panel, studio, tabs)
    with gr.Column(elem_classes="ls-card", elem_id="data-card"):
        with gr.Row(elem_classes="ls-card-top"):
            html(fragments.heading("Your data"), elem_id="data-heading")
            proceed = gr.Button("Next: configure", variant="primary", size="sm", visible=False, elem_id="data-proceed")
            panel.part("proceed", proceed)
        pickers = _build_pickers(panel)
        panel.html("verdict")
        waiting = panel.action_html("waiting")
        listeners.append(partial(panel.on_action, partial(actions.answer, studio), of=[waiting]))
    with gr.Row(elem_classes="ls-look"):
        listeners += _build_checks(panel, studio)
        listeners += _build_viewer(panel, studio, facts)
    listeners += _build_columns(panel, studio)
    with panel.part("body", gr.Column(visible=False, elem_classes="ls-body")):
        with panel.part("lengths", gr.Accordion(LENGTHS, open=False, elem_classes="ls-more", elem_id="data-lengths")):
            html(fragments.note(TOKEN_HELP))
            panel.html("figures")
            panel.part("histogram", histogram("data-histogram"))
            panel.html("meaning")
        held_out = _build_held_out(panel)
    listeners += keeping.build(panel, studio)
    listeners.append(lambda: proceed.click(lambda: gr.update(selected="configure"), outputs=[tabs], **QUIET))
    return DataTab(pickers, held_out, panel, listeners)


def connect(
    tab: DataTab,
    *,
    controls: Mapping[str, Component],
    timer: gr.HTML,
    opened: Callable[..., Any],
) -> None:
    """Connect the tab. What is shown follows from some of `controls`, the settings of a run by name.

    `opened` is the event of the tab being opened, which it is with the page.
    """
    for name in ON_CONFIGURE:
        tab.panel.input(name, controls[name])
    tab.panel.redraws([timer.tick, opened])
    for listen in tab.listeners:
        listen()


def _build_pickers(panel: Panel[Selection]) -> Library:
    with gr.Row(elem_classes="ls-pickers"):
        family = picker(label="Data set", info="", elem_id="data-library", visible=False)
        version = picker(label="Version", info="", elem_id="data-version", visible=False)
    return Library(panel.input("family", family, redraws_on="input"), panel.input("version", version))


def _build_checks(panel: Panel[Selection], studio: Studio) -> Listeners:
    with panel.part("checks_card", gr.Column(scale=5, min_width=320, elem_classes="ls-card", visible=False)):
        html(fragments.heading("Checks", UNTOUCHED))
        checks = panel.action_html("checks")
        look: dict[str, Any] = {"open": False, "visible": False, "elem_classes": "ls-inner"}
        with panel.part("left_out", gr.Accordion("Rows left out", elem_id="data-problems", **look)):
            panel.part("problems", html(""))
    return [partial(panel.on_action, partial(actions.press_check, studio), of=[checks])]


def _build_viewer(panel: Panel[Selection], studio: Studio, facts: ModelFacts) -> Listeners:
    """Lay out what shows one example, what moves to another and what changes it: each move only sets its number."""
    with panel.part("viewer", gr.Column(scale=6, min_width=320, elem_classes="ls-card", visible=False)):
        html(fragments.heading("What the model learns"))
        half = html("", elem_id="data-half", template="", on_load=scripts.on_load("halfEdited"))
        panel.part("half", half)
        with panel.part("viewing", gr.Column(elem_classes="ls-body")):
            panel.html("preview", no_preview())
            with gr.Row(elem_classes="ls-pager"):
                moves = _build_moves(panel)
            with gr.Row(elem_classes="ls-pager"):
                edit = gr.Button("Edit", size="sm", elem_id="data-edit")
                out = gr.Button("Remove", size="sm", elem_id="data-leave-out", elem_classes="ls-fixes")
            searching = _build_search(panel, facts)
            look: dict[str, Any] = {"open": False, "elem_classes": "ls-inner", "elem_id": "data-exact-box"}
            with panel.part("exact_box", gr.Accordion(EXACT, **look)):
                panel.html("exact")
                panel.input("special", gr.Checkbox(label="Show special tokens", elem_id="data-special"))
        saving = _build_editor(panel, studio)
    return [
        *moves,
        *searching,
        *saving,
        partial(panel.on_action, partial(editing.resume, studio), of=[half]),
        partial(panel.on, [edit.click], partial(editing.begin, studio)),
        partial(panel.on, [out.click], partial(actions.leave_out, studio), options=_HOLDING),
    ]


def _build_search(panel: Panel[Selection], facts: ModelFacts) -> Listeners:
    look: dict[str, Any] = {"show_label": False, "max_lines": 1, "elem_id": "data-search"}
    with gr.Row(elem_classes="ls-search"):
        search = gr.Textbox(placeholder="Search in the examples", label="Search", **look)
        find = gr.Button("Find next", size="sm", elem_id="data-find")
    panel.html("search_said")
    events = [find.click, search.submit]
    return [partial(panel.on, events, partial(actions.find, facts), given={"text": search}, options=QUIET)]


def _build_editor(panel: Panel[Selection], studio: Studio) -> Listeners:
    """Lay out the texts of an example as fields of the browser's own; they are read when they are saved."""
    with panel.part("editor_box", gr.Column(visible=False, elem_classes="ls-body")):
        fields = html(
            {"key": "", "fields": [], "number": 1},
            elem_id="data-editor",
            template=fragments.render("data/example_editor.html"),
            on_load=scripts.on_load("exampleEditor"),
        )
        panel.part("editor", fields)
        with gr.Row(elem_classes="ls-pager"):
            look: dict[str, Any] = {"variant": "primary", "size": "sm", "elem_classes": "ls-fixes"}
            save = gr.Button("Save changes", elem_id="data-save", **look)
            cancel = gr.Button("Cancel", size="sm", elem_id="data-cancel-edit")
    reading = {**ACTING, "js": scripts.call("readEdited")}
    return [
        partial(panel.on, [save.click], partial(editing.save, studio), given={"texts": fields}, options=reading),
        partial(panel.on, [cancel.click], editing.cancel, options={**QUIET, "js": scripts.call("forgetEdited")}),
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


def _build_columns(panel: Panel[Selection], studio: Studio) -> Listeners:
    look: dict[str, Any] = {"open": False, "visible": False, "elem_classes": "ls-more", "elem_id": "data-columns"}
    with panel.part("columns", gr.Accordion(COLUMNS, **look)):
        table = panel.action_html("table")
        with panel.part("template_box", gr.Column(visible=False, elem_id="data-template-box")):
            template = gr.Textbox(
                label="How the columns make the question",
                info="The name of a column in braces stands for what the column holds.",
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


def _build_held_out(panel: Panel[Selection]) -> HeldOut:
    """Lay out how many are held out, and how; the controls belong to the settings of a run."""
    first, *others = form.HELD_OUT
    with panel.part("aside", gr.Accordion(HELD_OUT, open=False, elem_classes="ls-more", elem_id="data-aside")):
        html(fragments.note(PURPOSE))
        with gr.Column(elem_classes="ls-grid"):
            controls = {first: panel.input(first, form.control(first))}
            other = unchecked(gr.Dropdown)(
                [(NONE, "")],
                value="",
                label="Or check with another data set",
                info="Your own examples for checking. Then the model learns all of this data set.",
                elem_id="data-held-out",
            )
            panel.input("other", other)
        panel.html("held_out_said")
        with gr.Accordion("How examples are picked", open=False, elem_classes="ls-inner", elem_id="data-drawn-how"):
            with gr.Column(elem_classes="ls-grid"):
                controls |= {name: panel.input(name, form.control(name)) for name in others}
    return HeldOut(controls, other)

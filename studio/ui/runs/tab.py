"""The Runs tab: every run in one table, several laid over each other, and what can be done with each.

Lays out and connects. What it shows comes from the folders of the runs, so that two pages show the same; what leads to
another tab is wired by the page.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.runs import listing
from studio.studio import Studio
from studio.ui.kit import fragments, scripts
from studio.ui.kit.actions import action_html, on_action
from studio.ui.kit.components import ACTING, QUIET, html
from studio.ui.kit.downloads import prepared_file
from studio.ui.kit.errors import shown
from studio.ui.runs import actions as runs_listeners
from studio.ui.runs import overlay
from studio.ui.runs.view import PARTS, Selection

STATES = [
    ("Any state", listing.ANY),
    ("At work", listing.AT_WORK),
    ("Waiting", listing.WAITING),
    ("Draft", listing.DRAFT),
    ("Finished", listing.FINISHED),
    ("Stopped", listing.STOPPED),
    ("Failed or lost", listing.TROUBLE),
]


@dataclass(frozen=True)
class RunsTab:
    """The components of the tab; `shown` holds one for each part that is drawn."""

    text: gr.Textbox
    state: gr.Dropdown
    bring: gr.UploadButton
    kind: gr.Radio
    save: gr.Button
    pack: gr.Button
    address: gr.Textbox
    shown: Mapping[str, Block]
    selection: gr.State
    drawn: gr.State

    @property
    def actions(self) -> gr.HTML:
        """What can be done with the run that is open."""
        return self._html("actions")

    @property
    def queue(self) -> gr.HTML:
        """The runs that wait."""
        return self._html("queue")

    def _html(self, name: str) -> gr.HTML:
        component = self.shown[name]
        assert isinstance(component, gr.HTML)
        return component

    def inputs(self) -> dict[str, Block]:
        """Return what every listener of the tab is given."""
        return {
            "text": self.text,
            "state": self.state,
            "kind": self.kind,
            "selection": self.selection,
            "drawn": self.drawn,
        }

    def outputs(self) -> list[Block]:
        """Return what every listener of the tab updates."""
        return [self.selection, self.text, self.state, *(self.shown[name] for name in PARTS), self.drawn]


def build() -> RunsTab:
    """Lay the tab out."""
    parts: dict[str, Block] = {}
    parts["said"] = action_html(elem_id="runs-said")
    parts["queue"] = action_html(elem_id="runs-queue")
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("All runs", "Press a name to open a run. Mark several to lay them over each other."))
        with gr.Row(elem_classes="ls-search ls-runs-search"):
            text = gr.Textbox(
                label="Search the runs",
                show_label=False,
                placeholder="Search by name, note, data set, base model or method",
                max_lines=1,
                elem_id="runs-search",
            )
            state = gr.Dropdown(STATES, value=listing.ANY, label="State", show_label=False, elem_id="runs-state")
            bring = gr.UploadButton("Bring a run in", file_types=[".zip"], size="sm", elem_id="runs-bring")
        parts["table"] = action_html(elem_id="runs-table")
    save, pack, address = _build_one(parts)
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("Laid over each other"))
        kind = gr.Radio(overlay.KINDS, value=overlay.HELD_OUT, label="Curves", elem_id="runs-kind")
        parts["chart"] = overlay.overlay("runs-chart")
        parts["differences"] = action_html(elem_id="runs-differences")
    with gr.Accordion("Bin", open=False, elem_classes="ls-more", elem_id="runs-bin") as parts["bin"]:
        parts["binned"] = action_html(elem_id="runs-binned")
    return RunsTab(
        text=text,
        state=state,
        bring=bring,
        kind=kind,
        save=save,
        pack=pack,
        address=address,
        shown=parts,
        selection=gr.State(Selection()),
        drawn=gr.State(None),
    )


def _build_one(parts: dict[str, Block]) -> tuple[gr.Button, gr.Button, gr.Textbox]:
    with gr.Column(elem_classes="ls-card", elem_id="runs-one"):
        parts["one"] = html("", elem_id="runs-one-said")
        parts["actions"] = action_html(elem_id="runs-actions")
        with gr.Column(visible=False) as parts["describe"]:
            with gr.Row(elem_classes="ls-runs-describe"):
                parts["name"] = gr.Textbox(label="Name", max_lines=1, elem_id="runs-name")
                parts["note"] = gr.Textbox(label="Note", lines=2, max_lines=6, elem_id="runs-note", scale=2)
            with gr.Row(elem_classes="ls-actions"):
                save = gr.Button("Keep name and note", size="sm", elem_id="runs-describe")
                pack = gr.Button("Download as one file", size="sm", elem_id="runs-pack")
                address = prepared_file()
    return save, pack, address


def wire(tab: RunsTab, *, studio: Studio, calm: gr.Timer, opened: Callable[..., Any]) -> None:
    """Connect the tab. `opened` is the event of the tab being opened."""
    gr.on(
        [calm.tick, opened, tab.text.change, tab.state.change, tab.kind.change],
        shown(functools.partial(runs_listeners.redraw, studio)),
        inputs_kwargs=tab.inputs(),
        outputs=tab.outputs(),
        trigger_mode="always_last",
        **QUIET,
    )
    for name in ("said", "queue", "table", "actions", "differences", "binned"):
        component = tab.shown[name]
        assert isinstance(component, gr.HTML)
        on_action(
            component,
            functools.partial(runs_listeners.press, studio),
            inputs_kwargs=tab.inputs(),
            outputs=tab.outputs(),
            **ACTING,
        )
    gr.on(
        [tab.save.click, tab.shown["name"].submit],  # type: ignore[attr-defined]
        shown(functools.partial(runs_listeners.describe, studio)),
        inputs_kwargs={**tab.inputs(), "name": tab.shown["name"], "note": tab.shown["note"]},
        outputs=tab.outputs(),
        **ACTING,
    )
    tab.bring.upload(
        shown(functools.partial(runs_listeners.bring_in, studio)),
        inputs_kwargs={**tab.inputs(), "file": tab.bring},
        outputs=tab.outputs(),
        **ACTING,
    )
    tab.pack.click(
        shown(functools.partial(runs_listeners.pack, studio)),
        inputs=[tab.selection],
        outputs=[tab.address],
        **ACTING,
    ).success(None, inputs=[tab.address], js=scripts.call("saveFile"), show_progress="hidden")

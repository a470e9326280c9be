"""The Runs tab: every run in one table, several compared by their curves, and what can be done with each.

Lays out and connects. What it shows comes from the folders of the runs, so that two pages show the same; what leads to
another tab is wired by the page.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.runs import listing
from studio.studio import Studio
from studio.ui.kit import fragments
from studio.ui.kit.components import html
from studio.ui.kit.panel import Panel
from studio.ui.runs import actions, overlay, places_tab, view
from studio.ui.runs.view import Selection

STATES = [
    ("Any state", listing.ANY),
    ("Training", listing.AT_WORK),
    ("Waiting", listing.WAITING),
    ("Draft", listing.DRAFT),
    ("Finished", listing.FINISHED),
    ("Stopped", listing.STOPPED),
    ("Failed or lost", listing.TROUBLE),
]


@dataclass(frozen=True)
class RunsTab:
    """What other tabs need of it: what can be done with the run that is open, and the runs that wait."""

    panel: Panel[Selection]
    actions: gr.HTML
    queue: gr.HTML
    group: gr.HTML


def build(studio: Studio, *, timer: gr.HTML, opened: Callable[..., Any]) -> RunsTab:
    """Lay the tab out and connect it. `opened` is the event of the tab being opened."""
    panel = Panel("runs", Selection(), draw=functools.partial(view.draw, studio), settle=view.settle)
    panel.action_html("said")
    queue = panel.action_html("queue")
    bring = _build_table(panel)
    group = panel.action_html("group")
    acts, given, save, pack = _build_one(panel)
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("Compare runs", "The losses of the runs that you marked, and the settings that differ."))
        panel.input("kind", gr.Radio(overlay.KINDS, value=overlay.HELD_OUT, label="Curves", elem_id="runs-kind"))
        panel.part("chart", overlay.overlay("runs-chart"))
        panel.action_html("differences")
    with panel.part("bin", gr.Accordion("Trash", open=False, elem_classes="ls-more", elem_id="runs-bin")):
        panel.action_html("binned")

    places_tab.build(studio, timer=timer, opened=opened)

    panel.redraws([timer.tick, opened])
    panel.on_action(functools.partial(actions.press, studio))
    panel.on([save.click, given["name"].submit], functools.partial(actions.describe, studio), given=given)
    panel.on([bring.upload], functools.partial(actions.bring_in, studio), given={"file": bring})
    panel.download(pack.click, functools.partial(actions.pack, studio))
    return RunsTab(panel, acts, queue, group)


def _build_table(panel: Panel[Selection]) -> gr.UploadButton:
    """Lay out the table of all runs; return what brings one in."""
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("All runs", "Click a name to open a run. Mark several to compare them."))
        with gr.Row(elem_classes="ls-search ls-runs-search"):
            search = gr.Textbox(
                label="Search runs",
                show_label=False,
                placeholder="Search by name, note, data set, base model or method",
                max_lines=1,
                elem_id="runs-search",
            )
            panel.input("text", search)
            states = gr.Dropdown(STATES, value=listing.ANY, label="State", show_label=False, elem_id="runs-state")
            panel.input("state", states)
            bring = gr.UploadButton("Import run", file_types=[".zip"], size="sm", elem_id="runs-bring")
        panel.action_html("table")
    return bring


def _build_one(panel: Panel[Selection]) -> tuple[gr.HTML, dict[str, gr.Textbox], gr.Button, gr.Button]:
    """Lay out the run that is open; return what can be done with it, its name and note, and the buttons below."""
    with gr.Column(elem_classes="ls-card", elem_id="runs-one"):
        panel.html("one_said")
        acts = panel.action_html("actions")
        with panel.part("describe", gr.Column(visible=False)):
            with gr.Row(elem_classes="ls-runs-describe"):
                name = panel.part("name", gr.Textbox(label="Name", max_lines=1, elem_id="runs-name"))
                note = gr.Textbox(label="Note", lines=2, max_lines=6, elem_id="runs-note", scale=2)
                panel.part("note", note)
            with gr.Row(elem_classes="ls-actions"):
                save = gr.Button("Save name and note", size="sm", elem_id="runs-describe")
                pack = gr.Button("Download the run, to import it elsewhere", size="sm", elem_id="runs-pack")
    return acts, {"name": name, "note": note}, save, pack

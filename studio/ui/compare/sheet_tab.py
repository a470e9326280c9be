"""The prompt sheet on the Compare tab: many prompts, answered by all chosen models, as a table.

Lays out and connects; what it does stands in `sheet_actions`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from studio.compare import sheets
from studio.compare.sheet_answers import SheetWork
from studio.compare.sheet_asking import MOST_MODELS
from studio.studio import Studio
from studio.ui.compare import bin_panel, sampling, sheet_actions, sheet_view
from studio.ui.compare.sheet_actions import FILE, HELD_OUT, NOUN, TYPED, Selection
from studio.ui.kit import fragments
from studio.ui.kit.components import DRAFT, QUIET, html, picker
from studio.ui.kit.panel import Panel

_SOURCES = [("Typed here", TYPED), ("From a file", FILE), ("Held-out rows", HELD_OUT)]
_WHICH = [
    ("All rows", sheets.ALL),
    ("Where the answers differ", sheets.DIFFERENT),
    ("Where all answers are the same", sheets.SAME),
    ("Where an answer is not the expected one", sheets.WRONG),
    ("Not answered by every model", sheets.OPEN),
]
_LOOK_SECONDS = 1.0


def build(studio: Studio, work: SheetWork, *, opened: Callable[..., Any]) -> None:
    """Lay the part out and connect it. `opened` is the event of the Compare tab being opened."""
    panel = Panel("sheet", Selection(), draw=partial(sheet_actions.draw, work), settle=sheet_actions.settle)
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("Ask many prompts", "Every chosen model answers every prompt."))
        file = _build_source(panel)
        info = f"Of runs that have finished. They must share one base model. A sheet has at most {MOST_MODELS} columns."
        models = picker(label="Models", info=info, elem_id="sheet-models", multiselect=True)
        panel.input("models", models, redraws_on="")
        panel.input("strengths", sampling.strengths(elem_id="sheet-strengths"), redraws_on="")
        with gr.Accordion("Answer settings", open=False, elem_classes="ls-inner"):
            sampling.build(panel, longest=128)
        with gr.Row(elem_classes="ls-actions"):
            start = gr.Button("Answer all", variant="primary", elem_id="sheet-start")
    with gr.Column(elem_classes="ls-card"):
        stop, go_on, table = _build_answers(panel)
        with gr.Row(elem_classes="ls-actions"):
            csv = panel.part("csv", gr.Button("Download as CSV", size="sm", elem_id="sheet-csv"))
            jsonl = panel.part("jsonl", gr.Button("Download as JSONL", size="sm", elem_id="sheet-jsonl"))
            delete = panel.part("delete", gr.Button("Move to Trash", size="sm", variant="stop", elem_id="sheet-delete"))
            undo = gr.Button("Restore", size="sm", visible=False, elem_id="sheet-restore")
            panel.part("restore", undo)
        with panel.part("naming", gr.Row(elem_classes="ls-kept")):
            name = gr.Textbox(label="New name", max_lines=1, elem_id="sheet-name")
            rename = gr.Button("Rename", size="sm", elem_id="sheet-rename")
        back, emptying = bin_panel.build(panel, NOUN)
    timer = panel.part("timer", gr.Timer(_LOOK_SECONDS, active=False))

    panel.redraws([timer.tick])
    panel.on([opened], partial(sheet_actions.refresh, studio, work), options=QUIET)
    panel.on([start.click], partial(sheet_actions.start, studio, work), given={"file": file})
    panel.on([go_on.click], partial(sheet_actions.go_on, work))
    panel.on([stop.click], partial(sheet_actions.stop, work))
    panel.on_action(sheet_actions.turn, of=[table], options=QUIET)
    panel.on([rename.click, name.submit], partial(sheet_actions.rename, work), given={"name": name})
    panel.on([delete.click], partial(sheet_actions.delete, work))
    panel.on([undo.click], lambda now: sheet_actions.restore(work, now, now.deleted))
    panel.on([back.click], lambda now: sheet_actions.restore(work, now, now.picked))
    panel.on_action(partial(bin_panel.press, work.sheets, NOUN), of=[emptying])
    panel.download(csv.click, partial(sheet_actions.save, work, "csv"), save="saveText")
    panel.download(jsonl.click, partial(sheet_actions.save, work, "jsonl"), save="saveText")


def _build_source(panel: Panel[Selection]) -> gr.File:
    """Lay out where the prompts come from; return the field of a file."""
    panel.input("source", gr.Radio(_SOURCES, value=TYPED, label="Prompts from", elem_id="sheet-source"))
    with panel.part("typed_part", gr.Column(elem_id="sheet-typed-part")):
        typed = gr.Textbox(
            label="Prompts", info="One a line.", lines=5, max_lines=14, elem_id="sheet-typed", elem_classes=DRAFT
        )
        panel.input("typed", typed, redraws_on="")
    with panel.part("file_part", gr.Column(visible=False)):
        file = gr.File(
            label="A text with one prompt a line, or a CSV or JSON Lines file with a column 'prompt'",
            file_types=[".txt", ".md", ".csv", ".tsv", ".jsonl", ".json"],
            elem_id="sheet-file",
        )
    with panel.part("held_out_part", gr.Column(visible=False)), gr.Row():
        run = picker(label="Run", info="Its held-out rows were not trained on.", elem_id="sheet-run")
        panel.input("run", run, redraws_on="")
        info = "Picked with the seed."
        most = gr.Slider(1, 200, value=20, step=1, label="Rows at most", info=info, elem_id="sheet-most")
        panel.input("most", most, redraws_on="")
    return file


def _build_answers(panel: Panel[Selection]) -> tuple[gr.Button, gr.Button, gr.HTML]:
    """Lay out the sheet that is open; return the buttons that stop it and let it go on, and its rows."""
    kept = picker(label="Prompt sheet", info="All sheets are kept on this machine.", elem_id="sheet-kept")
    panel.input("sheet", kept)
    panel.html("progress")
    with gr.Row(elem_classes=["ls-actions", "ls-maybe"]):
        stop = gr.Button("Stop", variant="stop", visible=False, elem_id="sheet-stop")
        go_on = gr.Button("Resume", visible=False, elem_id="sheet-go-on")
    panel.part("stop", stop)
    panel.part("go_on", go_on)
    with panel.part("searching", gr.Row(elem_classes="ls-search ls-sheet-search")):
        text = gr.Textbox(
            label="Search the sheet",
            show_label=False,
            placeholder="Search in prompts and answers",
            max_lines=1,
            elem_id="sheet-search",
        )
        panel.input("text", text)
        which = gr.Dropdown(_WHICH, value=sheets.ALL, label="Rows", show_label=False, elem_id="sheet-which")
        panel.input("which", which)
        panel.input("marks", gr.Checkbox(label="Highlight differences", elem_id="sheet-marks"))
    panel.html("marked")
    return stop, go_on, panel.action_html("table", sheet_view.table(None, (), page=0, marks=False))

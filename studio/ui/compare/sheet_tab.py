"""The prompt sheet on the Compare tab: many prompts, answered by all chosen models, as a table.

Lays out and connects; what it does stands in `sheet_actions`.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.compare import sheets
from studio.compare.answering import GenerationSettings
from studio.compare.sheet_answers import SheetWork
from studio.compare.sheet_asking import MOST_MODELS
from studio.studio import Studio
from studio.ui.compare import bin_panel, chat_parts, sheet_actions, sheet_view
from studio.ui.compare.bin_panel import Bin
from studio.ui.compare.chat_parts import Sampling
from studio.ui.compare.sheet_actions import FILE, HELD_OUT, PARTS, TYPED, Source
from studio.ui.kit import fragments, scripts
from studio.ui.kit.actions import action_html, on_action
from studio.ui.kit.components import ACTING, QUIET, html, picker
from studio.ui.kit.downloads import prepared_file
from studio.ui.kit.errors import shown

_SOURCES = [("Type them", TYPED), ("From a file", FILE), ("Held-out rows", HELD_OUT)]
_WHICH = [
    ("All rows", sheets.ALL),
    ("Where the answers differ", sheets.DIFFERENT),
    ("Where all say the same", sheets.SAME),
    ("Where one is not the expected answer", sheets.WRONG),
    ("Not answered by all", sheets.OPEN),
]
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class SheetTab:
    """The components of the part, by name."""

    parts: Mapping[str, Block]
    sampling: Sampling
    bin: Bin

    def __getitem__(self, name: str) -> Any:
        return self.parts[name]

    def looking(self) -> dict[str, Block]:
        """Return what the drawing is given, by name."""
        return {name: self.parts[name] for name in ("sheet", "text", "which", "marks", "page", "drawn")}

    def drawn(self) -> list[Block]:
        """Return what is drawn, with what remembers it."""
        return [*(self.parts[name] for name in PARTS), self.parts["drawn"]]


def build() -> SheetTab:
    """Lay the part out."""
    parts: dict[str, Block] = {}
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("Ask many prompts", "Every chosen model answers every prompt, several at once."))
        parts |= _build_source()
        parts["models"] = picker(
            label="Models",
            info=f"All of one base model. A sheet has at most {MOST_MODELS} columns.",
            elem_id="sheet-models",
            multiselect=True,
        )
        parts["strengths"] = chat_parts.strengths(elem_id="sheet-strengths")
        with gr.Accordion("How they answer", open=False, elem_classes="ls-inner"):
            sampling = chat_parts.build_sampling("sheet", longest=128)
        with gr.Row(elem_classes="ls-actions"):
            parts["start"] = gr.Button("Answer all", variant="primary", elem_id="sheet-start")
    with gr.Column(elem_classes="ls-card"):
        parts |= _build_answers()
        bin = bin_panel.build("prompt sheet", name="sheet")
    parts["page"], parts["drawn"], parts["deleted"] = gr.State(0), gr.State(None), gr.State("")
    parts["timer"] = gr.Timer(_LOOK_SECONDS, active=False)
    return SheetTab(parts=parts, sampling=sampling, bin=bin)


def _build_source() -> dict[str, Block]:
    parts: dict[str, Block] = {}
    parts["source"] = gr.Radio(_SOURCES, value=TYPED, label="The prompts", elem_id="sheet-source")
    with gr.Column(elem_id="sheet-typed-part") as parts["typed_part"]:
        parts["typed"] = gr.Textbox(label="Prompts", info="One a line.", lines=5, max_lines=14, elem_id="sheet-typed")
    with gr.Column(visible=False) as parts["file_part"]:
        parts["file"] = gr.File(
            label="A text with one prompt a line, or a CSV or JSON Lines file with a column 'prompt'",
            file_types=[".txt", ".md", ".csv", ".tsv", ".jsonl", ".json"],
            elem_id="sheet-file",
        )
    with gr.Column(visible=False) as parts["held_out_part"]:
        with gr.Row():
            parts["run"] = picker(label="Run", info="Its held-out rows were never learned.", elem_id="sheet-run")
            parts["most"] = gr.Slider(
                1,
                200,
                value=20,
                step=1,
                label="Rows at most",
                info="Drawn with the sampling seed.",
                elem_id="sheet-most",
            )
    return parts


def _build_answers() -> dict[str, Block]:
    parts: dict[str, Block] = {}
    parts["sheet"] = picker(label="Prompt sheet", info="Every sheet is kept on this machine.", elem_id="sheet-kept")
    parts["progress"] = html("", elem_id="sheet-progress")
    with gr.Row(elem_classes=["ls-actions", "ls-maybe"]):
        parts["stop"] = gr.Button("Stop answering", variant="stop", visible=False, elem_id="sheet-stop")
        parts["go_on"] = gr.Button("Go on", visible=False, elem_id="sheet-go-on")
    with gr.Row(elem_classes="ls-search ls-sheet-search"):
        parts["text"] = gr.Textbox(
            label="Search the sheet",
            show_label=False,
            placeholder="Search in prompts and answers",
            max_lines=1,
            elem_id="sheet-search",
        )
        parts["which"] = gr.Dropdown(_WHICH, value=sheets.ALL, label="Rows", show_label=False, elem_id="sheet-which")
        parts["marks"] = gr.Checkbox(label="Highlight what differs", elem_id="sheet-marks")
    parts["table"] = action_html(
        sheet_view.table(None, (), page=0, marks=False),
        elem_id="sheet-table",
    )
    with gr.Row(elem_classes="ls-actions"):
        parts["csv"] = gr.Button("Download as CSV", size="sm", elem_id="sheet-csv")
        parts["jsonl"] = gr.Button("Download as JSONL", size="sm", elem_id="sheet-jsonl")
        parts["delete"] = gr.Button("Move to the bin", size="sm", variant="stop", elem_id="sheet-delete")
        parts["restore"] = gr.Button("Put it back", size="sm", visible=False, elem_id="sheet-restore")
    with gr.Row(elem_classes="ls-kept"):
        parts["name"] = gr.Textbox(label="Another name", max_lines=1, elem_id="sheet-name")
        parts["rename"] = gr.Button("Keep the name", size="sm", elem_id="sheet-rename")
    parts["saved"] = prepared_file()
    return parts


def wire(
    tab: SheetTab, *, studio: Studio, work: SheetWork, opened: Callable[..., Any], loaded: Callable[..., Any]
) -> None:
    """Connect the part. `opened` is the event of the Compare tab being opened, `loaded` that of the page."""
    gr.on(
        [opened, loaded],
        shown(functools.partial(sheet_actions.refresh, studio, work)),
        inputs_kwargs={name: tab[name] for name in ("models", "run", "sheet")},
        outputs=[tab["models"], tab["run"], tab["sheet"]],
        **QUIET,
    )
    tab["source"].change(
        sheet_actions.show_source,
        inputs=[tab["source"]],
        outputs=[tab["typed_part"], tab["file_part"], tab["held_out_part"]],
        **QUIET,
    )
    _wire_answering(tab, studio, work)
    gr.on(
        [tab["timer"].tick, tab["sheet"].change, tab["text"].change, tab["which"].change, tab["marks"].change],
        shown(functools.partial(sheet_actions.draw, work)),
        inputs_kwargs=tab.looking(),
        outputs=tab.drawn(),
        trigger_mode="always_last",
        **QUIET,
    )
    turned = on_action(tab["table"], sheet_actions.turn, outputs=[tab["page"]], **QUIET)
    _then_draw(turned, tab, work)
    gr.on([tab["sheet"].change, tab["text"].change, tab["which"].change], lambda: 0, outputs=[tab["page"]], **QUIET)
    deleting = _wire_kept(tab, work)
    bin_panel.wire(tab.bin, work.sheets, events=[opened, loaded], after=deleting, undo=tab["restore"])


def _wire_answering(tab: SheetTab, studio: Studio, work: SheetWork) -> None:
    def begin(
        kind: str,
        text: str | None,
        file: str | None,
        run: str | None,
        most: float,
        models: list[str] | None,
        strengths: list[float] | None,
        system: str | None,
        temperature: float,
        longest: float,
        seed: float | None,
    ) -> tuple[Any, int]:
        generation = GenerationSettings(system or "", temperature, int(longest), int(seed or 0))
        source = Source(kind, text or "", file, run, int(most))
        return sheet_actions.start(
            studio, work, models=models, strengths=strengths, generation=generation, source=source
        )

    parts = {"kind": "source", "text": "typed"} | {
        name: name for name in ("file", "run", "most", "models", "strengths")
    }
    started = tab["start"].click(
        shown(begin),
        inputs_kwargs={**{name: tab[part] for name, part in parts.items()}, **tab.sampling.inputs()},
        outputs=[tab["sheet"], tab["page"]],
        **ACTING,
    )
    _then_draw(started, tab, work)
    for name, act in (("go_on", sheet_actions.go_on), ("stop", sheet_actions.stop)):
        acted = tab[name].click(shown(functools.partial(act, work)), inputs=[tab["sheet"]], **ACTING)
        _then_draw(acted, tab, work)


def _wire_kept(tab: SheetTab, work: SheetWork) -> list[Any]:
    """Connect the kept sheets; return the listeners that put one into the bin or take it out."""
    gr.on(
        [tab["rename"].click, tab["name"].submit],
        shown(functools.partial(sheet_actions.rename, work)),
        inputs=[tab["sheet"], tab["name"]],
        outputs=[tab["sheet"]],
        **ACTING,
    )
    end = tab["delete"].click(
        shown(functools.partial(sheet_actions.delete, work)),
        inputs=[tab["sheet"]],
        outputs=[tab["sheet"], tab["restore"], tab["deleted"]],
        **ACTING,
    )
    back = [
        button.click(
            shown(functools.partial(sheet_actions.restore, work)),
            inputs=[id],
            outputs=[tab["sheet"], tab["restore"]],
            **ACTING,
        )
        for button, id in ((tab["restore"], tab["deleted"]), (tab.bin.back, tab.bin.picked))
    ]
    for kind in ("csv", "jsonl"):
        tab[kind].click(
            shown(functools.partial(sheet_actions.save, work, kind)),
            inputs=[tab["sheet"]],
            outputs=[tab["saved"]],
            **ACTING,
        ).success(None, inputs=[tab["saved"]], js=scripts.call("saveText"), show_progress="hidden")
    return [end, *back]


def _then_draw(event: Any, tab: SheetTab, work: SheetWork) -> None:
    event.success(
        shown(functools.partial(sheet_actions.draw, work)),
        inputs_kwargs=tab.looking(),
        outputs=tab.drawn(),
        **QUIET,
    )

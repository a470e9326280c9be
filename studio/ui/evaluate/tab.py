"""The Evaluate tab: how good a run is beside its base, what it forgot, the rows behind that, and what it cost.

Lays out and connects. What it shows comes from the folders of the runs, so that a reload loses nothing.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.jobs import scored_rows, standard_tasks
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.evaluate import actions, cards, tradeoff_view
from studio.ui.evaluate.state import Selection, TabState
from studio.ui.evaluate.tradeoff_state import Tradeoffs
from studio.ui.evaluate.view import PARTS
from studio.ui.kit import fragments, run_choices, scripts
from studio.ui.kit.actions import action_html, on_action
from studio.ui.kit.components import ACTING, QUIET, html, picker
from studio.ui.kit.downloads import prepared_file
from studio.ui.kit.errors import shown

ORDERS = [
    ("Worst first", scored_rows.WORST),
    ("Best first", scored_rows.BEST),
    ("Most changed first", scored_rows.CHANGED),
    ("All, as they come", scored_rows.ALL),
]
TRADEOFF_HELP = (
    "Every run of this data set: how well it does the task, what it kept of its general ability, and what it cost. "
    "General knowledge is a share of right answers, general language a loss: lower is better."
)

"""How far an evaluation is stands above, out of sight of the button that asks for it."""


@dataclass(frozen=True)
class Again:
    """The controls that ask for another evaluation."""

    file: gr.File
    how_many: gr.Radio
    number: gr.Number
    longest: gr.Number
    forgetting: gr.Checkbox
    tasks: gr.Dropdown
    questions: gr.Slider
    start: gr.Button


@dataclass(frozen=True)
class Taking:
    """The buttons that download something; its address passes through `address`, unseen."""

    report: gr.Button
    rows: Mapping[str, gr.Button]
    address: gr.Textbox


@dataclass(frozen=True)
class EvaluateTab:
    """The components of the tab; `shown` holds one for each part that is drawn."""

    run: gr.Dropdown
    order: gr.Radio
    text: gr.Textbox
    again: Again
    taking: Taking
    shown: Mapping[str, Block]
    selection: gr.State
    drawn: gr.State

    def inputs(self) -> dict[str, Block]:
        """Return what every listener of the tab is given."""
        return {
            "run_id": self.run,
            "name": self.shown["name"],
            "order": self.order,
            "text": self.text,
            "selection": self.selection,
            "drawn": self.drawn,
        }

    def outputs(self) -> list[Block]:
        """Return what every listener of the tab updates."""
        return [self.selection, *(self.shown[name] for name in PARTS), self.drawn]


def build(*, unasked: bool) -> EvaluateTab:
    """Lay the tab out. `unasked` says whether every run is evaluated at its end."""
    parts: dict[str, Block] = {}
    with gr.Column(elem_classes="ls-card"):
        with gr.Row(elem_classes="ls-pickers"):
            run = picker(
                label="Run to evaluate",
                info=cards.UNASKED if unasked else cards.ASKED,
                elem_id="evaluate-run",
            )
            parts["name"] = picker(label="Evaluation", info="On which rows.", elem_id="evaluate-name", visible=False)
        parts["headline"] = html("", elem_id="evaluate-headline")
        parts["status"] = action_html(cards.status(TabState(Selection())), elem_id="evaluate-status")
        with gr.Row(visible=False, elem_classes="ls-actions") as parts["taking"]:
            report = gr.Button("Download the report", size="sm", elem_id="evaluate-report")
    with _card(parts, "scores", "Scores", "Base and tuned model on the same rows."):
        parts["scores"] = html("", elem_id="evaluate-scores")
    with _card(parts, "forgetting", "What was forgotten", "Questions and texts that have nothing to do with the data."):
        parts["forgetting"] = html("", elem_id="evaluate-forgetting")
    with _card(parts, "standard", "Standard tasks", cards.STANDARD):
        parts["standard"] = html("", elem_id="evaluate-standard")
    with _card(parts, "confusions", "Which label for which", "Rows are what was expected, columns what was answered."):
        parts["confusions"] = html("", elem_id="evaluate-confusions")
    with _card(parts, "rows", "Row by row", "What was asked and expected, and what both models answered."):
        order, text, rows = _build_rows(parts)
    with _card(parts, "tradeoff", "The trade-off", TRADEOFF_HELP):
        parts["tradeoff"] = html("", elem_id="evaluate-tradeoff")
        parts["offer"] = action_html(elem_id="evaluate-offer")
        parts["scatter"] = tradeoff_view.scatter("evaluate-scatter")
    again = _build_again(parts)
    return EvaluateTab(
        run=run,
        order=order,
        text=text,
        again=again,
        taking=Taking(report, rows, prepared_file()),
        shown=parts,
        selection=gr.State(Selection()),
        drawn=gr.State(None),
    )


def _card(parts: dict[str, Block], name: str, title: str, text: str) -> gr.Column:
    """Open a card that is shown only while there is something in it."""
    card = gr.Column(visible=False, elem_classes="ls-card", elem_id=f"evaluate-{name}-top")
    parts[f"{name}_card"] = card
    with card:
        html(fragments.heading(title, text))
    return card


def _build_rows(parts: dict[str, Block]) -> tuple[gr.Radio, gr.Textbox, Mapping[str, gr.Button]]:
    order = gr.Radio(ORDERS, value=scored_rows.WORST, label="Order", elem_id="evaluate-order")
    with gr.Row(elem_classes="ls-search ls-evaluate-search"):
        text = gr.Textbox(
            label="Search the rows",
            show_label=False,
            placeholder="Search in prompts and answers",
            max_lines=1,
            elem_id="evaluate-search",
        )
        rows = {
            kind: gr.Button(f"Download as {label}", size="sm", elem_id=f"evaluate-{kind}")
            for kind, label in ((scored_rows.CSV, "CSV"), (scored_rows.JSONL, "JSON Lines"))
        }
    parts["rows"] = action_html(elem_id="evaluate-rows")
    return order, text, rows


def _build_again(parts: dict[str, Block]) -> Again:
    with gr.Accordion(
        "Evaluate again", open=False, visible=False, elem_classes="ls-more", elem_id="evaluate-again"
    ) as parts["again"]:
        with gr.Row():
            with gr.Column(min_width=280):
                how_many = gr.Radio(
                    actions.HOW_MANY,
                    value=actions.SOON,
                    label="Rows",
                    info="More rows make narrower intervals and take longer.",
                    elem_id="evaluate-how-many",
                )
                number = gr.Number(100, label="Number of rows", precision=0, visible=False, elem_id="evaluate-number")
                longest = gr.Number(
                    0,
                    label="Longest answer",
                    info="In tokens. 0 lets an answer be twice as long as the expected one, up to 256.",
                    precision=0,
                    elem_id="evaluate-longest",
                )
                forgetting = gr.Checkbox(
                    True,
                    label="See what was forgotten",
                    info="Asks both models the questions and texts on general ability.",
                    elem_id="evaluate-probes",
                )
            with gr.Column(min_width=280):
                file = gr.File(label="Another file, instead of the held-out rows", height=150, elem_id="evaluate-file")
        tasks, questions = _build_tasks()
        with gr.Row(elem_classes="ls-actions"):
            start = gr.Button("Evaluate again", variant="primary", elem_id="evaluate-start")
    return Again(
        file=file,
        how_many=how_many,
        number=number,
        longest=longest,
        forgetting=forgetting,
        tasks=tasks,
        questions=questions,
        start=start,
    )


def _build_tasks() -> tuple[gr.Dropdown, gr.Slider]:
    """Lay out the choice of standard tasks; where they cannot be asked, only say what is missing."""
    can_ask = standard_tasks.installed()
    if not can_ask:
        html(cards.tasks_missing(), elem_id="evaluate-tasks-missing")
    with gr.Row(visible=can_ask):
        tasks = gr.Dropdown(
            choices=[],
            value=[],
            multiselect=True,
            label="Standard tasks besides",
            info="Asked by lm-evaluation-harness. Their questions come from the Hugging Face Hub once. Tasks of your "
            "own can hold code: only whoever runs this studio adds them, as files.",
            elem_id="evaluate-tasks",
        )
        questions = gr.Slider(
            10,
            1000,
            value=standard_tasks.QUESTIONS,
            step=10,
            label="Questions of each task",
            info="The same ones for every model.",
            elem_id="evaluate-questions",
        )
    return tasks, questions


def wire(tab: EvaluateTab, *, studio: Studio, facts: ModelFacts, timer: gr.Timer, opened: Callable[..., Any]) -> None:
    """Connect the tab. `opened` is the event of the tab being opened."""
    tradeoffs = Tradeoffs(studio, facts)
    name = tab.shown["name"]
    assert isinstance(name, gr.Dropdown)
    gr.on(
        [timer.tick, opened, tab.run.change, name.input, tab.order.change, tab.text.change],
        shown(functools.partial(actions.redraw, studio, tradeoffs)),
        inputs_kwargs=tab.inputs(),
        outputs=tab.outputs(),
        trigger_mode="always_last",
        **QUIET,
    )
    for part in ("status", "rows", "offer"):
        component = tab.shown[part]
        assert isinstance(component, gr.HTML)
        on_action(
            component,
            functools.partial(actions.press, studio, tradeoffs),
            inputs_kwargs=tab.inputs(),
            outputs=tab.outputs(),
            **ACTING,
        )
    _wire_again(tab, studio=studio, tradeoffs=tradeoffs)
    if standard_tasks.installed():
        gr.on(
            [opened],
            lambda: gr.update(choices=actions.task_choices(studio.settings)),
            outputs=[tab.again.tasks],
            **QUIET,
        )
    _wire_taking(tab, studio=studio, tradeoffs=tradeoffs)


def _wire_again(tab: EvaluateTab, *, studio: Studio, tradeoffs: Tradeoffs) -> None:
    again = tab.again
    again.how_many.change(
        None,
        inputs=[again.how_many],
        outputs=[again.number],
        js=scripts.call("showWhere", actions.A_NUMBER),
        show_progress="hidden",
    )
    selection = {
        "file": again.file,
        "how_many": again.how_many,
        "number": again.number,
        "longest": again.longest,
        "forgetting": again.forgetting,
        "tasks": again.tasks,
        "questions": again.questions,
    }
    again.start.click(
        shown(functools.partial(actions.start, studio, tradeoffs)),
        inputs_kwargs={**tab.inputs(), **selection},
        outputs=[again.file, *tab.outputs()],
        **ACTING,
    ).success(None, js=scripts.call("scrollTo", "evaluate-run"), show_progress="hidden")


def _wire_taking(tab: EvaluateTab, *, studio: Studio, tradeoffs: Tradeoffs) -> None:
    taking = tab.taking
    taking.report.click(
        shown(functools.partial(actions.take_report, studio, tradeoffs)),
        inputs=[tab.selection],
        outputs=[taking.address],
        **ACTING,
    ).success(None, inputs=[taking.address], js=scripts.call("saveFile"), show_progress="hidden")
    for kind, button in taking.rows.items():
        button.click(
            shown(functools.partial(actions.take_rows, studio, kind)),
            inputs=[tab.order, tab.text, tab.selection],
            outputs=[taking.address],
            **ACTING,
        ).success(None, inputs=[taking.address], js=scripts.call("saveFile"), show_progress="hidden")


def refresh_runs(studio: Studio, chosen: str | None) -> Any:
    """Return the dropdown with the runs that have a result or are on their way to one; keep what is chosen."""
    choices = run_choices.runs_to_evaluate(studio, also=chosen)
    with_result = [id for _, id in run_choices.runs_with_result(studio, most=1)]
    value = run_choices.keep_or_first(chosen, choices, rather=next(iter(with_result), None))
    return gr.update(choices=choices, value=value)

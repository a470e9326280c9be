"""The Evaluate tab: how good a run is beside its base, what it forgot, the rows behind that, and what it cost.

Lays out and connects. What it shows comes from the folders of the runs, so that a reload loses nothing.
"""

import functools
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.components import Component

from studio.jobs import scored_rows, standard_tasks
from studio.planning.model_facts import ModelFacts
from studio.planning.tradeoffs import Tradeoffs
from studio.settings import Settings
from studio.studio import Studio
from studio.ui.evaluate import actions, cards, tradeoff_view, view
from studio.ui.evaluate.state import Selection, settle
from studio.ui.kit import fragments, run_choices, scripts
from studio.ui.kit.components import QUIET, html, picker
from studio.ui.kit.panel import Panel

ORDERS = [
    ("Worst first", scored_rows.WORST),
    ("Best first", scored_rows.BEST),
    ("Most changed first", scored_rows.CHANGED),
    ("In their order", scored_rows.ALL),
]
TRADEOFF_HELP = "Every run of this data set: what it gained, forgot and cost. An exported zip also holds the tokenizer."


def build(studio: Studio, facts: ModelFacts, *, timer: gr.HTML, opened: Callable[..., Any]) -> gr.Dropdown:
    """Lay the tab out and connect it; return the chooser of the run. `opened` is the event of the tab being opened."""
    tradeoffs = Tradeoffs(studio, facts)
    draw = functools.partial(view.draw, studio, tradeoffs)
    panel = Panel("evaluate", Selection(), draw=draw, settle=settle)
    run, report = _build_top(panel, unasked=studio.settings.evaluate)
    with _card(panel, "tradeoff", "The methods compared", TRADEOFF_HELP):
        panel.html("tradeoff")
        panel.action_html("offer")
        with panel.part("scatter_card", gr.Column(visible=False)):
            panel.part("scatter", tradeoff_view.scatter("evaluate-scatter"))
    rows = _build_rows(panel)
    _build_details(panel)
    start, wanted = _build_again(panel, studio.settings, opened=opened)

    panel.redraws([timer.tick, opened])
    panel.on_action(functools.partial(actions.press, studio, tradeoffs))
    panel.on(
        [start.click], functools.partial(actions.start, studio), given=wanted, also={"file": wanted["file"]}
    ).success(  # how far an evaluation is stands above, out of sight of the button that asks for it
        None, js=scripts.call("scrollTo", "evaluate-run"), show_progress="hidden"
    )
    panel.download(report.click, functools.partial(actions.take_report, studio, tradeoffs))
    for kind, button in rows.items():
        panel.download(button.click, functools.partial(actions.take_rows, studio, kind))
    return run


def _build_top(panel: Panel[Selection], *, unasked: bool) -> tuple[gr.Dropdown, gr.Button]:
    """Lay out the choice of an evaluation and its report. `unasked` says whether every run is evaluated at its end."""
    with gr.Column(elem_classes="ls-card"):
        with gr.Row(elem_classes="ls-pickers"):
            info = cards.UNASKED if unasked else cards.ASKED
            run = panel.input("run_id", picker(label="Run to evaluate", info=info, elem_id="evaluate-run"))
            name = picker(label="Evaluation", info="On which rows.", elem_id="evaluate-name", visible=False)
            panel.input("name", name, redraws_on="input")
        panel.html("summary")
        with gr.Row(elem_classes="ls-evaluate-made"):
            panel.action_html("status")
            report = gr.Button("Download the report", size="sm", visible=False, elem_id="evaluate-report")
            panel.part("taking", report)
    return run, report


def _build_details(panel: Panel[Selection]) -> None:
    """Lay out what stands behind the three sentences, closed until somebody asks."""
    accordion = gr.Accordion(
        "Details: all scores", open=False, visible=False, elem_classes="ls-more", elem_id="evaluate-details"
    )
    with panel.part("details", accordion):
        for name, title, text in (
            ("scores", "Scores", "Base and tuned model on the same rows."),
            ("forgetting", "Forgetting", "Questions and texts that have nothing to do with the data."),
        ):
            html(fragments.heading(title, text))
            panel.html(name)
        for name, title, text in (
            ("standard", "Standard tasks", cards.STANDARD),
            ("confusions", "Which labels are mixed up", "Rows: the expected label. Columns: the answer."),
        ):
            with panel.part(f"{name}_card", gr.Column(visible=False, elem_id=f"evaluate-{name}-top")):
                html(fragments.heading(title, text))
                panel.html(name)


def _card(panel: Panel[Selection], name: str, title: str, text: str) -> gr.Column:
    """Open a card that is shown only while there is something in it."""
    card = panel.part(f"{name}_card", gr.Column(visible=False, elem_classes="ls-card", elem_id=f"evaluate-{name}-top"))
    with card:
        html(fragments.heading(title, text))
    return card


def _build_rows(panel: Panel[Selection]) -> dict[str, gr.Button]:
    """Lay out the rows; return the buttons that download them."""
    with _card(panel, "rows", "Row by row", "Open a row to read what was expected and what both models answered."):
        with gr.Row(elem_classes="ls-search ls-evaluate-search"):
            order = gr.Dropdown(
                ORDERS, value=scored_rows.WORST, label="Order", show_label=False, elem_id="evaluate-order"
            )
            panel.input("order", order)
            search = gr.Textbox(
                label="Search the rows",
                show_label=False,
                placeholder="Search questions and answers",
                max_lines=1,
                elem_id="evaluate-search",
            )
            panel.input("text", search)
            buttons = {
                kind: gr.Button(f"Download as {label}", size="sm", elem_id=f"evaluate-{kind}")
                for kind, label in ((scored_rows.CSV, "CSV"), (scored_rows.JSONL, "JSON Lines"))
            }
        panel.action_html("rows")
    return buttons


def _build_again(
    panel: Panel[Selection], settings: Settings, *, opened: Callable[..., Any]
) -> tuple[gr.Button, dict[str, Component]]:
    """Lay out what asks for another evaluation; return what starts it, and what it is given by name."""
    with panel.part(
        "again",
        gr.Accordion("Evaluate again", open=False, visible=False, elem_classes="ls-more", elem_id="evaluate-again"),
    ):
        with gr.Row():
            with gr.Column(min_width=280):
                wanted = _build_amounts()
            with gr.Column(min_width=280):
                wanted["file"] = gr.File(
                    label="Another file instead of the held-out rows", height=150, elem_id="evaluate-file"
                )
        wanted |= _build_tasks(settings, opened=opened)
        with gr.Row(elem_classes="ls-actions"):
            start = gr.Button("Evaluate again", variant="primary", elem_id="evaluate-start")
    return start, wanted


def _build_amounts() -> dict[str, Component]:
    how_many = gr.Radio(
        actions.HOW_MANY,
        value=actions.SOON,
        label="Rows",
        info="More rows make the result surer and take longer.",
        elem_id="evaluate-how-many",
    )
    number = gr.Number(100, label="Number of rows", precision=0, visible=False, elem_id="evaluate-number")
    how_many.change(
        None,
        inputs=[how_many],
        outputs=[number],
        js=scripts.call("showWhere", actions.A_NUMBER),
        show_progress="hidden",
        show_progress_on=[],
    )
    longest = gr.Number(
        0,
        label="Longest answer",
        info="In tokens. 0 allows twice the expected answer, up to 256.",
        precision=0,
        elem_id="evaluate-longest",
    )
    forgetting = gr.Checkbox(
        True,
        label="Check what was forgotten",
        info="Asks both models general questions and texts.",
        elem_id="evaluate-probes",
    )
    return {"how_many": how_many, "number": number, "longest": longest, "forgetting": forgetting}


def _build_tasks(settings: Settings, *, opened: Callable[..., Any]) -> dict[str, Component]:
    """Lay out the choice of standard tasks; where they cannot be asked, only say what is missing."""
    can_ask = standard_tasks.installed()
    if not can_ask:
        html(cards.tasks_missing(), elem_id="evaluate-tasks-missing")
    with gr.Row(visible=can_ask):
        tasks = gr.Dropdown(
            choices=[],
            value=[],
            multiselect=True,
            label="Standard tasks, optional",
            info="Public benchmarks, asked by lm-evaluation-harness. Their questions are downloaded once from the "
            "Hugging Face Hub. Your own tasks can hold code: only whoever runs this studio adds them, as files.",
            elem_id="evaluate-tasks",
        )
        questions = gr.Slider(
            10,
            1000,
            value=standard_tasks.QUESTIONS,
            step=10,
            label="Questions for each task",
            info="Every model gets the same ones.",
            elem_id="evaluate-questions",
        )
    if can_ask:
        gr.on([opened], lambda: gr.update(choices=actions.task_choices(settings)), outputs=[tasks], **QUIET)
    return {"tasks": tasks, "questions": questions}


def refresh_runs(studio: Studio, chosen: str | None) -> Any:
    """Return the dropdown with the runs that have a result or are on their way to one; keep what is chosen."""
    choices = run_choices.runs_to_evaluate(studio, also=chosen)
    with_result = [id for _, id in run_choices.runs_with_result(studio, most=1)]
    value = run_choices.keep_or_first(chosen, choices, rather=next(iter(with_result), None))
    return run_choices.offer(choices, value, otherwise=run_choices.NO_RESULT)

"""The Train tab: follow a run, live or long over; stop it; go on to the comparison.

All that is shown comes from the run's folder, so a reload loses nothing.
"""

import functools
from dataclasses import dataclass

import gradio as gr
from gradio.events import api

from studio.studio import Studio
from studio.ui.kit import fragments, scripts
from studio.ui.kit.components import html, picker
from studio.ui.kit.errors import report_errors
from studio.ui.kit.panel import Panel
from studio.ui.train import actions, answers_view, cards, charts, notices, view
from studio.ui.train.view import Selection

LOSS_HELP = (
    "How far the model's answers are from yours. Both curves should fall; when the held-out one rises while the other "
    "falls, it is learning by heart."
)
ANSWERS_HELP = "The same few prompts at every check. Marked is what the answer before the first step did not have."


@dataclass(frozen=True)
class TrainTab:
    """What the page needs of it: the chooser of the run, and the buttons that lead to other tabs."""

    panel: Panel[Selection]
    run: gr.Dropdown
    compare: gr.Button
    evaluate: gr.Button
    data: gr.Button


def build(studio: Studio, *, timer: gr.Timer) -> TrainTab:
    """Lay the tab out and connect it. Opening another tab from here is wired by the page, which knows that tab."""
    shared = view.shared_view(studio)
    panel = Panel("train", Selection(), draw=functools.partial(view.draw, shared))
    with gr.Column(elem_classes="ls-card"):
        chooser = picker(label="Run", info="The newest is shown. Any earlier one can be chosen.", elem_id="train-run")
        run = panel.input("run_id", chooser)
        panel.html("status", cards.no_run())
        with gr.Row(elem_classes="ls-actions"):
            compare = gr.Button(
                "Compare with the base model", variant="primary", visible=False, elem_id="train-compare"
            )
            evaluate = gr.Button("See the evaluation", visible=False, elem_id="train-evaluate")
        panel.part("compare", compare)
        panel.part("evaluate", evaluate)
        acts = panel.action_html("actions")
        panel.part("notices", notices.notices("train-notices"))
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("Loss", LOSS_HELP))
        chart = panel.part("chart", charts.chart("train-chart"))
        taken = html(elem_id="train-taken", template="", on_load=scripts.on_load("saveEachFile"))
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("How the answers change", ANSWERS_HELP))
        panel.part("answers", answers_view.answers_view("train-answers"))
    with gr.Accordion("What this run ran with", open=False, elem_classes="ls-more", elem_id="train-settings"):
        panel.part("settings", html(view.no_parts()["settings"]))
        data = gr.Button("Show the data it learned from", size="sm", elem_id="train-data")
    with gr.Accordion("Log", open=False, elem_classes="ls-more", elem_id="train-log"):
        log = gr.Textbox(
            label="The last lines that the worker wrote",
            placeholder="What the worker writes while it works appears here.",
            lines=12,
            max_lines=12,
            interactive=False,
            elem_classes="ls-log",
        )
        panel.part("log", log)

    panel.redraws([timer.tick])
    panel.on_action(functools.partial(actions.press, studio, shared), of=[acts])
    panel.on_action(functools.partial(actions.take_csv, studio), of=[chart], also={"taken": taken})

    def run_notice(run_id: str) -> str:
        """Say how far a run is, for a page that nobody looks at."""
        return str(shared.look(run_id)["notices"])

    api(report_errors(run_notice), api_name=notices.ADDRESS, queue=False, api_visibility="undocumented")
    return TrainTab(panel, run, compare, evaluate, data)

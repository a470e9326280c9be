"""The Train tab: follow a run, live or long over; stop it; see what could make it better.

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
from studio.ui.train import actions, answers_view, charts, notices, view
from studio.ui.train.view import Selection

LOSS_HELP = (
    "How far its answers are from yours: both curves should fall. If only the held-out one rises, it learns by heart."
)
ANSWERS_HELP = (
    "The same prompts before training, during it and at its end; long answers are cut. Coloured: not in the first "
    "answer. Where two words are almost as likely, Compare and Evaluate may choose the other one."
)


@dataclass(frozen=True)
class TrainTab:
    """What the page needs of it: the chooser of the run, and what leads to other tabs."""

    panel: Panel[Selection]
    run: gr.Dropdown
    compare: gr.Button
    evaluate: gr.Button
    data: gr.Button
    advice: gr.HTML


def build(studio: Studio, *, timer: gr.HTML) -> TrainTab:
    """Lay the tab out and connect it. Opening another tab from here is wired by the page, which knows that tab."""
    shared = view.shared_view(studio)
    panel = Panel("train", Selection(), draw=functools.partial(view.draw, studio, shared))
    with gr.Column(elem_classes="ls-card ls-train-status"):
        with gr.Row(elem_classes="ls-train-top"):
            run = panel.input("run_id", picker(label="Run", info="", elem_id="train-run"))
            compare = gr.Button(
                "Compare with the base model", variant="primary", size="sm", visible=False, elem_id="train-compare"
            )
            evaluate = gr.Button("See the evaluation", size="sm", visible=False, elem_id="train-evaluate")
        panel.part("compare", compare)
        panel.part("evaluate", evaluate)
        status = panel.action_html("status")
        acts = panel.action_html("actions")
        panel.part("notices", notices.notices("train-notices"))
    with gr.Row(elem_classes="ls-train-live", equal_height=False):
        with gr.Column(elem_classes="ls-card", min_width=360):
            html(fragments.heading("Loss"))
            chart = panel.part("chart", charts.chart("train-chart"))
            html(fragments.line("quiet", LOSS_HELP))
            taken = html(elem_id="train-taken", template="", on_load=scripts.on_load("saveEachFile"))
        with gr.Column(elem_classes="ls-card", min_width=360):
            html(fragments.heading("How the answers change"))
            panel.part("answers", answers_view.answers_view("train-answers"))
            html(fragments.line("quiet", ANSWERS_HELP))
    advice = panel.action_html("advice")
    with gr.Accordion("Settings used", open=False, elem_classes="ls-more", elem_id="train-settings"):
        panel.part("settings", html(view.no_parts()["settings"]))
        data = gr.Button("Show its data", size="sm", elem_id="train-data")
    with gr.Accordion("Log", open=False, elem_classes="ls-more", elem_id="train-log"):
        log = gr.Textbox(
            label="What happened",
            placeholder="What happens in the run is told here.",
            lines=12,
            max_lines=12,
            interactive=False,
            elem_classes="ls-log",
        )
        panel.part("log", log)

    panel.redraws([timer.tick])
    panel.on_action(functools.partial(actions.press, studio, shared), of=[acts, status])
    panel.on_action(functools.partial(actions.take_csv, studio), of=[chart], also={"taken": taken})

    def run_notice(run_id: str) -> str:
        """Say how far a run is, for a page that nobody looks at."""
        return str(shared.look(run_id)["notices"])

    api(report_errors(run_notice), api_name=notices.ADDRESS, queue=False, api_visibility="undocumented")
    return TrainTab(panel, run, compare, evaluate, data, advice)

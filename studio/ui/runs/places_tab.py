"""The part of the Runs tab that says where runs train beside this machine: adds places, checks and forgets them.

Lays out and connects. It is shown to those who may add places.
"""

import functools
from collections.abc import Callable
from typing import Any

import gradio as gr

from studio.jobs.places.book import HUB, RAY, SLURM
from studio.studio import Studio
from studio.ui.kit import fragments
from studio.ui.kit.components import html, token_field, unchecked
from studio.ui.kit.panel import Panel
from studio.ui.runs import places_actions, places_view
from studio.ui.runs.places_view import Wanted

KINDS = [("Ray cluster", RAY), ("Slurm cluster", SLURM), ("Hugging Face Jobs", HUB)]


def build(studio: Studio, *, timer: gr.HTML, opened: Callable[..., Any]) -> None:
    """Lay the part out below the others and connect it. `opened` is the event of the tab being opened."""
    panel = Panel("places", Wanted(), draw=functools.partial(places_view.draw, studio))
    panel.action_html("ending")
    whole = gr.Accordion("Places to train", open=False, visible=False, elem_classes="ls-more", elem_id="places-all")
    with panel.part("all", whole):
        html(fragments.note(places_view.ABOUT))
        panel.action_html("list")
        html(fragments.subheading("Add a place"))
        with gr.Column(elem_classes="ls-grid"):
            panel.input("kind", unchecked(gr.Radio)(KINDS, value=RAY, label="What it is", elem_id="places-kind"))
            _text(panel, "name", "Name", "Small letters, digits and hyphens, such as lab-cluster.")
            _text(panel, "address", "Address", "Where a Ray cluster takes jobs, such as http://10.0.0.7:8265.")
            _text(panel, "folder", "Shared folder", "One that the place and this machine see under the same path.")
            _text(panel, "flavor", "Hardware", "By the name that the Hub has for it, such as t4-small.")
            _number(
                panel, "cap", "A run costs at most", "In US dollars, over all of its jobs. Nothing starts without it."
            )
            _number(panel, "hours", "Longest time", "In hours. Then a job saves its work, and the run stops.")
            _text(panel, "namespace", "Whose jobs", "An organization on the Hub. Empty for whoever trains.")
            _text(
                panel, "image", "Docker image", "What it lacks of the packages that a run needs is installed each time."
            )
            _text(panel, "python", "Python", "The command there that has the studio's requirements.")
            _number(panel, "runs_at_once", "Runs at once", "How many runs train there at the same time.")
            _number(panel, "gpus", "GPUs", "How many of them each run gets.")
        token = token_field(
            label="Your access token",
            info="For jobs on the Hugging Face Hub, which you pay for. It is kept until the studio stops, and in no "
            "file.",
            elem_id="places-token",
            visible=False,
        )
        panel.part("token", token)
        add = gr.Button("Add and check", size="sm", elem_id="places-add")
        panel.html("said")
    panel.redraws([timer.tick, opened])
    panel.on_action(functools.partial(places_actions.press, studio))
    panel.on(
        [add.click],
        functools.partial(places_actions.add, studio),
        given={"token": token},
        also={"emptied_token": token},
    )


def _text(panel: Panel[Wanted], name: str, label: str, info: str) -> None:
    value = getattr(Wanted(), name)
    panel.input(name, gr.Textbox(value, label=label, info=info, max_lines=1, elem_id=f"places-{name}"), redraws_on="")


def _number(panel: Panel[Wanted], name: str, label: str, info: str) -> None:
    value = getattr(Wanted(), name)
    elem_id = f"places-{name.replace('_', '-')}"
    panel.input(name, unchecked(gr.Number)(value, label=label, info=info, elem_id=elem_id), redraws_on="")

"""The blind vote on the Compare tab: two answers at a time, names hidden, by button or key.

Lays out and connects; what it does stands in `vote_actions`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from studio.compare.sheet_answers import SheetWork
from studio.compare.votes import Votes
from studio.studio import Studio
from studio.ui.compare import sampling, vote_actions
from studio.ui.compare.vote_actions import SHEET, TYPED, Selection, VoteDesk, Voting
from studio.ui.kit import fragments, scripts
from studio.ui.kit.components import QUIET, html, picker
from studio.ui.kit.panel import Panel

_LOOK_SECONDS = 1.0


def build(
    studio: Studio,
    work: SheetWork,
    votes: Votes,
    *,
    opened: Callable[..., Any],
    turned_to: Callable[..., Any],
) -> None:
    """Lay the part out and connect it. The events are of the Compare tab being opened, and of this part."""
    desk = VoteDesk(studio, work, votes)
    panel = Panel("vote", Selection(), draw=desk.draw, settle=desk.settle)
    with panel.part("setup", gr.Column(elem_classes="ls-card")):
        html(fragments.heading("Which is better?", "You judge two answers at a time without knowing who wrote them."))
        source = _build_source(panel)
        with panel.part("how", gr.Accordion("Answer settings", open=False, elem_classes="ls-inner")):
            sampling.build(panel, longest=128)
        with gr.Row(elem_classes="ls-actions"):
            begin = gr.Button("Start voting", variant="primary", elem_id="vote-begin")
    with panel.part("vote", gr.Column(elem_classes="ls-card", visible=False)):
        # A vote is kept apart from the other fields, so that nothing drawn at the same moment takes it back.
        panel.input("voting", gr.State(Voting()), redraws_on="")
        panel.action_html("ballot")
        html(elem_id="vote-keys", on_load=scripts.on_load("voteByKey"))
    with panel.part("results", gr.Column(elem_classes="ls-card")):
        html(fragments.heading("Results", "All votes that were ever given on two models."))
        panel.input("pair", picker(label="Pair of models", info="", elem_id="vote-pair", visible=False))
        panel.html("standing")
        with gr.Row(elem_classes="ls-actions"):
            save = gr.Button("Download as preference data", size="sm", visible=False, elem_id="vote-save")
            panel.part("save", save)
    timer = panel.part("timer", gr.Timer(_LOOK_SECONDS, active=False))

    panel.redraws([])
    panel.on([opened, turned_to], partial(vote_actions.refresh, studio, work, votes), options=QUIET)
    panel.on([source.change], partial(vote_actions.list_sheets, work), options=QUIET)
    panel.on([begin.click], desk.begin)
    panel.on_failure(panel.on([timer.tick], desk.look, options=QUIET), desk.give_up)
    panel.on_action(desk.press)
    panel.download(save.click, partial(vote_actions.save, votes), save="saveText")


def _build_source(panel: Panel[Selection]) -> gr.Radio:
    """Lay out what is voted on; return what chooses between a sheet and typed prompts."""
    sources = [("A prompt sheet", SHEET), ("Typed here", TYPED)]
    source = gr.Radio(sources, value=TYPED, label="Prompts from", elem_id="vote-source")
    panel.input("source", source, redraws_on="")
    with panel.part("sheet_part", gr.Column(visible=False)):
        info = "Those that two models or more answered."
        panel.input("sheet", picker(label="Prompt sheet", info=info, elem_id="vote-sheet"))
        with gr.Row():
            for name, label in (("first", "First model of the sheet"), ("second", "Second model of the sheet")):
                panel.input(name, picker(label=label, info="", elem_id=f"vote-{name}"), redraws_on="")
    with panel.part("typed_part", gr.Column()):
        typed = gr.Textbox(label="Prompts", info="One a line.", lines=4, max_lines=12, elem_id="vote-typed")
        panel.input("typed", typed, redraws_on="")
        with gr.Row(elem_classes="ls-vote-models"):
            for name, label in (("first", "First model"), ("second", "Second model")):
                with gr.Column(min_width=280):
                    panel.input(f"typed_{name}", picker(label=label, info="", elem_id=f"vote-typed-{name}"))
                    label = f"Adapter strength of the {name} model"
                    strength = sampling.strength(label, elem_id=f"vote-strength-{name}")
                    panel.input(f"strength_{name}", strength, redraws_on="")
    return source

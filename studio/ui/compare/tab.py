"""The Compare tab: models side by side, in a conversation, over a whole list of prompts, and with their names hidden.

Lays the three parts out and connects them; each part has modules of its own.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.compare.conversations import open_conversations
from studio.compare.pane_models import pane_model
from studio.compare.sheet_answers import SheetWork
from studio.compare.sheets import open_sheets
from studio.compare.votes import Votes
from studio.studio import Studio
from studio.ui.compare import chat_tab, sheet_tab, vote_tab
from studio.ui.compare.chat_actions import Asking
from studio.ui.kit import fragments
from studio.ui.kit.components import QUIET, html
from studio.ui.kit.errors import report_errors

_ROOM = "The models were unloaded to free memory for the run that is training."
_ROOM_HINT = "Nothing is lost. Your next message loads them again, beside that run."

_NO_RUN = "There is nothing to compare yet."
_AT_WORK_HINT = "Your run is not done yet. When it is, you talk to it and to its base model here, side by side."
_NO_RUN_HINT = "Train a run on the Configure tab first. Here you then talk to it and to its base model, side by side."


@dataclass(frozen=True)
class CompareTab:
    """What other tabs need of it: `run` takes the id of a run that is to be compared, `message` what to ask."""

    run: gr.State
    message: gr.Textbox


def new_ticket() -> str:
    """Make what no other page has."""
    return uuid.uuid4().hex


def build(
    studio: Studio,
    *,
    timer: gr.HTML,
    opened: Callable[..., Any],
    clock: Callable[[], float] = time.monotonic,
    make_ticket: Callable[[], str] = new_ticket,
) -> CompareTab:
    """Lay the tab out and connect it. `opened` is the event of the tab being opened."""
    home = studio.settings.home
    kept = open_conversations(home, studio.clock, studio.pool.require_disk)
    work = SheetWork(
        open_sheets(home, studio.clock, studio.pool.require_disk), studio.chat, lambda key: pane_model(studio, key)
    )
    asking = Asking(studio, kept, clock=clock, make_ticket=make_ticket)
    run = gr.State("")
    said = html("", elem_id="compare-room")
    with gr.Tabs(elem_classes="ls-ways", elem_id="compare-ways"):
        with gr.Tab("Chat", id="chat"):
            message = chat_tab.build(studio, kept, asking, timer=timer, opened=opened, wanted=run)
        with gr.Tab("Prompt sheet", id="sheet"):
            sheet_tab.build(studio, work, opened=opened)
        with gr.Tab("Blind vote", id="vote") as votes:
            vote_tab.build(studio, work, Votes(home), opened=opened, turned_to=votes.select)
    gr.on([timer.tick, opened], report_errors(lambda: room(studio)), outputs=[said], **QUIET)
    return CompareTab(run, message)


def room(studio: Studio) -> str:
    """Say that the chat was closed for a run, while that is at work; and before the first run, what is missing."""
    runs = studio.summaries.look().runs
    if studio.chat.made_room and any(run.is_at_work for run in runs):
        return str(fragments.notice("quiet", _ROOM, _ROOM_HINT))
    if not any(run.has_result for run in runs):
        if any(run.is_at_work for run in runs):
            return str(fragments.notice("quiet", _NO_RUN, _AT_WORK_HINT))
        return str(fragments.notice("quiet", _NO_RUN, _NO_RUN_HINT))
    return ""


def show_run(studio: Studio, run_id: str | None) -> str:
    """Return what `CompareTab.run` takes for a run to be compared. Raises RunError when there is no such run."""
    return studio.runs.get(run_id).id if run_id else ""

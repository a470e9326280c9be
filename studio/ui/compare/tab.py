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
from studio.ui.compare.chat_tab import ChatPart
from studio.ui.compare.sheet_tab import SheetTab
from studio.ui.compare.vote_tab import VoteTab
from studio.ui.kit import fragments
from studio.ui.kit.components import QUIET, html
from studio.ui.kit.errors import shown

_ROOM = "The chat was closed to leave its memory to a run that trains."
_ROOM_HINT = "Nothing is lost. Your next message loads the models again, beside that run if it still trains."

_NO_RUN = "There is nothing to compare yet."
_NO_RUN_HINT = "Train a run on the Configure tab first. It is then chosen here, beside its base model."


@dataclass(frozen=True)
class CompareTab:
    """The components of the tab. `run` takes the id of a run that another tab wants compared."""

    room: gr.HTML
    chat: ChatPart
    sheet: SheetTab
    vote: VoteTab
    vote_page: gr.Tab
    run: gr.State


def build() -> CompareTab:
    """Lay the tab out."""
    room = html("", elem_id="compare-room")
    with gr.Tabs(elem_classes="ls-ways", elem_id="compare-ways"):
        with gr.Tab("Chat", id="chat"):
            chat = chat_tab.build()
        with gr.Tab("Prompt sheet", id="sheet"):
            sheet = sheet_tab.build()
        with gr.Tab("Blind vote", id="vote") as vote_page:
            vote = vote_tab.build()
    return CompareTab(room=room, chat=chat, sheet=sheet, vote=vote, vote_page=vote_page, run=gr.State(""))


def new_ticket() -> str:
    """Make what no other page has."""
    return uuid.uuid4().hex


def wire(
    tab: CompareTab,
    *,
    studio: Studio,
    timer: gr.Timer,
    opened: Callable[..., Any],
    loaded: Callable[..., Any],
    clock: Callable[[], float] = time.monotonic,
    make_ticket: Callable[[], str] = new_ticket,
) -> None:
    """Connect the tab. `opened` is the event of the tab being opened, `loaded` that of the page."""
    home = studio.settings.home
    kept = open_conversations(home, studio.clock, studio.pool.require_disk)
    work = SheetWork(
        open_sheets(home, studio.clock, studio.pool.require_disk), studio.chat, lambda key: pane_model(studio, key)
    )
    asking = Asking(studio, kept, clock=clock, make_ticket=make_ticket)
    chat_tab.wire(
        tab.chat, studio=studio, kept=kept, asking=asking, timer=timer, opened=opened, loaded=loaded, wanted=tab.run
    )
    sheet_tab.wire(tab.sheet, studio=studio, work=work, opened=opened, loaded=loaded)
    vote_tab.wire(
        tab.vote,
        studio=studio,
        work=work,
        votes=Votes(home),
        opened=opened,
        loaded=loaded,
        turned_to=tab.vote_page.select,
    )
    gr.on([timer.tick, opened], shown(lambda: room(studio)), outputs=[tab.room], **QUIET)


def room(studio: Studio) -> str:
    """Say that the chat was closed for a run, until it is used again; and before the first run, what is missing."""
    if studio.chat.made_room:
        return str(fragments.notice("quiet", _ROOM, _ROOM_HINT))
    if not any(run.has_result for run in studio.summaries.look().runs):
        return str(fragments.notice("quiet", _NO_RUN, _NO_RUN_HINT))
    return ""


def show_run(studio: Studio, run_id: str | None) -> str:
    """Return what `CompareTab.run` takes for a run to be compared. Raises RunError when there is no such run."""
    return studio.runs.get(run_id).id if run_id else ""

"""What the Chat part of the Compare tab does: send a message to all panes, again, or another one instead.

Asks through `studio.compare.answering` and keeps every conversation.
"""

import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from studio.compare.answering import READING, WAKING, Answers, GenerationSettings, Growing, answers, check_asked
from studio.compare.asking import Chosen, aligned, cut_off, requests, with_answers, without_last
from studio.compare.conversations import Conversation, name_for
from studio.compare.pane_models import find_model, models_beside, why_apart
from studio.errors import StudioError
from studio.keeping import KeptFiles
from studio.logs import logged
from studio.studio import Studio
from studio.ui.compare import chat_view, model_choices
from studio.ui.compare.chat_state import PLACES, Chat
from studio.ui.compare.model_choices import FEWEST_PANES, MOST_PANES
from studio.ui.kit import fragments
from studio.ui.kit.exchange import Result

log = logging.getLogger(__name__)

ASK, AGAIN, REPLAY = "compare-send", "compare-again", "compare-replay"
"""The names in the browser of the buttons that send. Enter in the message sends like the first."""

_FRAME_SECONDS = 0.15
_LARGEST_SEED = 2**31 - 1
_CHANGING = "You are editing your last message. Send puts the new one in its place, for every model."


class Asking:
    """Asks for one page after the other; `clock` says when a frame was shown, `make_ticket` what no other page has."""

    def __init__(
        self,
        studio: Studio,
        kept: KeptFiles[Conversation],
        *,
        clock: Callable[[], float],
        make_ticket: Callable[[], str],
    ) -> None:
        self._studio = studio
        self._kept = kept
        self._clock = clock
        self._make_ticket = make_ticket

    def stream(self, chat: Chat, how: str) -> Iterator[Result[Chat]]:
        """Put a question to all panes and stream their answers, at most a dozen frames a second.

        `finish` is for the end: while the last frame is on its way, the page still takes this for busy and drops the
        press of a button that sends.
        """
        panes = model_choices.chosen(self._studio, chat.keys, chat.strengths)
        said, questions, generation = _wanted(how, chat, panes)
        check_asked(self._studio.limits, generation, questions, turns=len(said.questions) + len(questions))
        pending = "" if how in (AGAIN, REPLAY) else chat.prompt.strip()
        ticket = chat.ticket or self._make_ticket()
        asking = replace(chat, ticket=ticket, prompt="", pending=pending, seed=generation.seed)
        start: Mapping[str, Any] = {
            "changing": "",
            "said_of": "",
            **chat_view.controls(said, busy=True, keys=chat.keys),
        }
        answered = False
        for question in questions:
            before = said
            said, done = yield from self._one(asking, said, question, panes, start=start)
            start = {}
            answered |= said is not before
            if not done:
                break
        prompt = "" if answered else pending
        ended = replace(asking, said=said, editing=False, pending="", prompt=prompt)
        updates = {
            **chat_view.talks(self._studio, [pane.model for pane in panes], said, marks=chat.marks),
            **chat_view.listed(self._kept, said),
        }
        yield Result(ended, updates)

    def _one(
        self, chat: Chat, said: Conversation, question: str, panes: Sequence[Chosen], *, start: Mapping[str, Any]
    ) -> Generator[Result[Chat], None, tuple[Conversation, bool]]:
        """Stream the answers to one question. Returns the conversation with them, and whether all came to their end."""
        client, generation = self._studio.chat, chat.generation
        now = Answers(tuple(Growing() for _ in panes), READING if client.is_running else WAKING)
        before = [
            chat_view.told(self._studio, pane.model, said, place, marks=chat.marks)
            for place, pane in enumerate(panes, start=1)
        ]

        def frame() -> dict[str, Any]:
            return chat_view.answering(panes, before, question, now.panes, generation=generation, waiting=now.waiting)

        try:
            yield Result(chat, {**start, **frame()})
            shown_at = self._clock()
            asked = requests(said, question, panes, generation.system)
            for now in answers(client, panes[0].model.base, asked, generation=generation, ticket=chat.ticket):
                if now.waiting or self._clock() - shown_at >= _FRAME_SECONDS:
                    shown_at = self._clock()
                    yield Result(chat, frame())
        except GeneratorExit:  # the page was closed or reloaded, or a person went on to something else
            self._keep_cut(chat, said, with_answers(said, question, panes, cut_off(now.panes), generation))
            raise
        if not any(growing.ended for growing in now.panes):
            return said, False  # stopped before the first word: it was not asked
        said = self._kept.save(with_answers(said, question, panes, now.panes, generation))
        return said, all(growing.ended != "stopped" for growing in now.panes)

    def _keep_cut(self, chat: Chat, before: Conversation, cut: Conversation) -> None:
        """Keep a question with what was answered of it. Half an answer takes the place of no whole one, and nothing of
        what was deleted meanwhile comes back.
        """
        with logged(log, "A question that was cut off could not be kept", StudioError, level=logging.WARNING):
            if len(before.questions) < len(chat.said.questions) and before.id:
                if chat.pending:  # the last message was changed; to ask it once more loses no question
                    self._kept.save(replace(cut, id="", revision=0))
            elif before.id:
                self._kept.change(before.id, lambda _: cut)
            else:
                self._kept.save(cut)


def _wanted(how: str, chat: Chat, panes: Sequence[Chosen]) -> tuple[Conversation, tuple[str, ...], GenerationSettings]:
    """Return the conversation to go on with, what is asked, and how. Raises gr.Error when there is nothing to ask."""
    said = aligned(chat.said, [pane.model for pane in panes])
    asked = chat.said.questions
    if how in (AGAIN, REPLAY) and not asked:
        raise gr.Error("You have not sent a message yet.", title="Nothing to send", print_exception=False)
    if how == REPLAY:
        name = f"{chat.said.name or name_for(asked[0])}, replayed"
        fresh = aligned(Conversation(name=name), [pane.model for pane in panes])
        return fresh, asked, chat.generation
    if how == AGAIN:
        return without_last(said), asked[-1:], _other_seed(chat.generation)
    prompt = chat.prompt.strip()
    if not prompt:
        raise gr.Error("Write a message first.", title="Nothing to send", print_exception=False)
    return without_last(said) if chat.editing else said, (prompt,), chat.generation


def _other_seed(generation: GenerationSettings) -> GenerationSettings:
    """Where words are drawn at random, another answer needs another seed; the likeliest words are the same with any."""
    return replace(generation, seed=(generation.seed + 1) % _LARGEST_SEED) if generation.temperature > 0 else generation


_REPLAY_HINT = "Replay with current models sends the same messages again, to all of them."


def take_back(studio: Studio, chat: Chat) -> Result[Chat]:
    """Show the conversation without a question that could not be answered; its words are not lost."""
    prompt = chat.prompt if chat.prompt.strip() else chat.pending
    updates = {**_talks(studio, chat), **chat_view.controls(chat.said, busy=False, keys=chat.keys)}
    return Result(replace(chat, editing=False, prompt=prompt, pending=""), updates)


def _talks(studio: Studio, chat: Chat) -> dict[str, Any]:
    return chat_view.talks(studio, [find_model(studio, key) for key in chat.keys], chat.said, marks=chat.marks)


def edit(chat: Chat) -> Result[Chat]:
    """Put the last message into the field so that it can be changed; pressed again, leave it as it is."""
    editing = not chat.editing and any(talk.turns for talk in chat.said.talks)
    updates = {
        **chat_view.controls(chat.said, busy=False, keys=chat.keys, editing=editing),
        "changing": str(fragments.line("busy", _CHANGING)) if editing else "",
    }
    return Result(replace(chat, editing=editing, prompt=chat.said.questions[-1] if editing else ""), updates)


def choose(studio: Studio, chat: Chat) -> Result[Chat]:
    """Take in that another model was chosen for a pane: all panes start over, and what was said before stays kept."""
    models = [find_model(studio, key) for key in chat.keys]
    said = aligned(chat.said, models)
    updates: dict[str, Any] = {
        **chat_view.talks(studio, models, said, marks=chat.marks),
        **chat_view.controls(said, busy=False, keys=chat.keys),
        **_starting_over(chat.said, said),
        "changing": "",
    }
    first = models[0]
    for place, model in zip(PLACES, models, strict=False):
        updates[f"strength_{place}"] = gr.update(visible=model is not None and Chosen(model).is_adapter)
        trouble = why_apart(first, model, place - 1) if first is not None and model is not None else ""
        if trouble:
            updates[f"caption_{place}"] = str(fragments.line("warning", trouble))
    return Result(replace(chat, said=said, editing=False), updates)


def resize(studio: Studio, change: int, chat: Chat) -> Result[Chat]:
    """Add a pane, with which all start over, or take the last one away, which leaves the others as they are."""
    count = min(max(chat.panes + change, FEWEST_PANES), MOST_PANES)
    keys = [*chat.keys, _another(studio, chat.keys)][:count]
    models = [find_model(studio, key) for key in keys]
    now = replace(chat.with_panes(keys, chat.strengths), said=aligned(chat.said, models))
    updates = {
        **chat_view.panes(studio, now),
        **chat_view.talks(studio, models, now.said, marks=chat.marks),
        **chat_view.controls(now.said, busy=False, keys=keys),
        **_starting_over(chat.said, now.said),
        "changing": "",
    }
    return Result(replace(now, editing=False), updates)


def _starting_over(before: Conversation, now: Conversation) -> dict[str, Any]:
    """Say that all panes start over, where answers were in sight, so that nobody compares unlike conversations."""
    shown = any(talk.turns for talk in before.talks)
    if not now.before:
        return {"said_of": ""}
    if not shown:
        return {}
    said = f"The models changed, so all of them start over. “{before.name}” is kept under Conversation."
    return {"said_of": str(fragments.notice("busy", said, _REPLAY_HINT))}


def _another(studio: Studio, keys: Sequence[str | None]) -> str | None:
    """Choose a model that can answer beside the others and is not among them, a result rather than a checkpoint."""
    first = find_model(studio, next((key for key in keys if key), None))
    if first is None:
        return None
    others = [model for model in models_beside(studio, first) if model.key not in keys]
    results = (model for model in others if model.kind != "checkpoint")
    return next((model.key for model in (*results, *others)), None)


def mark(studio: Studio, chat: Chat) -> Result[Chat]:
    """Show what differs, or show it no longer; what is being answered is shown so when it is complete."""
    return Result(chat, {} if chat.pending else _talks(studio, chat))


def finish(studio: Studio, chat: Chat) -> Result[Chat]:
    """Let another question be asked. What differs is shown again: it may have been ticked meanwhile."""
    return Result(chat, {**_talks(studio, chat), **chat_view.controls(chat.said, busy=False, keys=chat.keys)})


def halt(studio: Studio, chat: Chat) -> Chat:
    """Stop the answers to this page's question; without a ticket it has asked nothing yet."""
    if chat.ticket:
        studio.chat.halt(chat.ticket)
    return chat

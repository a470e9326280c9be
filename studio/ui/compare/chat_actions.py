"""What the Chat part of the Compare tab does: ask all panes at once, again, or something else instead.

Asks through `studio.compare.answering` and keeps every conversation.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from studio.compare.answering import READING, WAKING, Answers, GenerationSettings, Growing, answers, check_asked
from studio.compare.asking import Chosen, aligned, requests, with_answers, without_last
from studio.compare.conversations import Conversation, name_for
from studio.compare.pane_models import find_model, models_beside, why_apart
from studio.keeping import KeptFiles
from studio.studio import Studio
from studio.ui.compare import chat_view, model_choices
from studio.ui.compare.chat_parts import PLACES
from studio.ui.compare.chat_view import update
from studio.ui.compare.model_choices import FEWEST_PANES, MOST_PANES
from studio.ui.kit import fragments

ASK, AGAIN, REPLAY = "ask", "again", "replay"

_FRAME_SECONDS = 0.15
_LARGEST_SEED = 2**31 - 1
_CHANGING = "You are changing your last message. Asking again puts the new one in its place, in every pane."


@dataclass(frozen=True)
class Given:
    """What a page holds when something on it is pressed. `pending` is the message that is being answered."""

    keys: tuple[str | None, ...]
    strengths: tuple[float, ...]
    said: Conversation
    generation: GenerationSettings
    prompt: str = ""
    ticket: str = ""
    pending: str = ""
    marks: bool = False
    editing: bool = False

    @property
    def count(self) -> int:
        """How many panes there are."""
        return len(self.keys)


def read(**values: Any) -> Given:
    """Read what the components of a page hold, by their names."""
    count = min(max(int(values["panes"]), FEWEST_PANES), MOST_PANES)
    return Given(
        keys=tuple(values[f"model_{place}"] for place in PLACES[:count]),
        strengths=tuple(_strength(values[f"strength_{place}"]) for place in PLACES[:count]),
        said=values["said"],
        generation=GenerationSettings(
            values["system"] or "", values["temperature"], int(values["longest"]), int(values["seed"] or 0)
        ),
        prompt=(values["prompt"] or "").strip(),
        ticket=values["ticket"],
        pending=values["pending"],
        marks=bool(values["marks"]),
        editing=bool(values["editing"]),
    )


def _strength(value: float | None) -> float:
    return 1.0 if value is None else float(value)


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

    def stream(self, how: str, given: Given) -> Iterator[list[Any]]:
        """Put a question to all panes and stream their answers, at most a dozen frames a second."""
        panes = model_choices.chosen(self._studio, given.keys, given.strengths)
        said, questions, generation = _wanted(how, given, panes)
        check_asked(self._studio.limits, generation, questions, turns=len(said.questions) + len(questions))
        ticket = given.ticket or self._make_ticket()
        busy = chat_view.controls(said, busy=True, panes=given.count)
        pending = given.prompt if how == ASK else ""
        start = {
            "ticket": ticket,
            "prompt": "",
            "pending": pending,
            "changing": "",
            "said_of": "",
            "seed": generation.seed,
            **busy,
        }
        answered = False
        for question in questions:
            before = said
            said, done = yield from self._one(said, question, panes, generation=generation, ticket=ticket, start=start)
            start = {}
            answered |= said is not before
            if not done:
                break
        unasked = {} if answered else {"prompt": pending}
        yield update({**self._end(given, said, panes), **unasked})

    def _one(
        self,
        said: Conversation,
        question: str,
        panes: Sequence[Chosen],
        *,
        generation: GenerationSettings,
        ticket: str,
        start: dict[str, Any],
    ) -> Any:
        """Stream the answers to one question. Returns the conversation with them, and whether all came to their end."""
        chat = self._studio.chat
        now = Answers(tuple(Growing() for _ in panes), READING if chat.is_running else WAKING)

        def frame() -> dict[str, Any]:
            return chat_view.answering(panes, said, question, now.panes, generation=generation, waiting=now.waiting)

        yield update({**start, **frame()})
        shown_at = self._clock()
        asked = requests(said, question, panes, generation.system)
        for now in answers(chat, panes[0].model.base, asked, generation=generation, ticket=ticket):
            if now.waiting or self._clock() - shown_at >= _FRAME_SECONDS:
                shown_at = self._clock()
                yield update(frame())
        if not any(growing.ended for growing in now.panes):
            return said, False  # stopped before the first word: it was not asked
        said = self._kept.save(with_answers(said, question, panes, now.panes, generation))
        return said, all(growing.ended != "stopped" for growing in now.panes)

    def _end(self, given: Given, said: Conversation, panes: Sequence[Chosen]) -> dict[str, Any]:
        models = [pane.model for pane in panes]
        return {
            **chat_view.talks(models, said, marks=given.marks),
            **chat_view.controls(said, busy=False, panes=given.count),
            **chat_view.listed(self._kept, said),
            "said": said,
            "editing": False,
            "pending": "",
        }


def _wanted(
    how: str, given: Given, panes: Sequence[Chosen]
) -> tuple[Conversation, tuple[str, ...], GenerationSettings]:
    """Return the conversation to go on with, what is asked, and how. Raises gr.Error when there is nothing to ask."""
    said = aligned(given.said, [pane.model for pane in panes])
    asked = given.said.questions
    if how in (AGAIN, REPLAY) and not asked:
        raise gr.Error("Nothing was asked yet.", title="Nothing to ask", print_exception=False)
    if how == REPLAY:
        name = f"{given.said.name or name_for(asked[0])}, asked again"
        fresh = aligned(Conversation(name=name), [pane.model for pane in panes])
        return fresh, asked, given.generation
    if how == AGAIN:
        return without_last(said), asked[-1:], _other_seed(given.generation)
    if not given.prompt:
        raise gr.Error("Write a message first.", title="Nothing to ask", print_exception=False)
    return without_last(said) if given.editing else said, (given.prompt,), given.generation


def _other_seed(generation: GenerationSettings) -> GenerationSettings:
    """Where words are drawn at random, another answer needs another seed; the likeliest words are the same with any."""
    return replace(generation, seed=(generation.seed + 1) % _LARGEST_SEED) if generation.temperature > 0 else generation


def take_back(studio: Studio, given: Given) -> list[Any]:
    """Show the conversation without a question that could not be answered; its words are not lost."""
    models = [find_model(studio, key) for key in given.keys]
    return update(
        {
            **chat_view.talks(models, given.said, marks=given.marks),
            **chat_view.controls(given.said, busy=False, panes=given.count),
            "editing": False,
            "prompt": given.prompt or given.pending,
            "pending": "",
        }
    )


def edit(given: Given) -> list[Any]:
    """Put the last message into the field so that it can be changed; pressed again, leave it as it is."""
    editing = not given.editing and bool(given.said.questions)
    return update(
        {
            **chat_view.controls(given.said, busy=False, panes=given.count, editing=editing),
            "prompt": given.said.questions[-1] if editing else "",
            "changing": str(fragments.line("busy", _CHANGING)) if editing else "",
            "editing": editing,
        }
    )


def choose(studio: Studio, given: Given) -> list[Any]:
    """Take in that another model was chosen for a pane: its talk begins again, and what was said before stays kept."""
    models = [find_model(studio, key) for key in given.keys]
    said = aligned(given.said, models)
    parts: dict[str, Any] = {
        **chat_view.talks(models, said, marks=given.marks),
        **chat_view.controls(said, busy=False, panes=given.count),
        "said": said,
        "editing": False,
        "changing": "",
    }
    first = models[0]
    for place, model in zip(PLACES, models, strict=False):
        parts[f"strength_{place}"] = gr.update(visible=model is not None and Chosen(model).is_adapter)
        trouble = why_apart(first, model, place - 1) if first is not None and model is not None else ""
        if trouble:
            parts[f"caption_{place}"] = str(fragments.line("warning", trouble))
    return update(parts)


def resize(studio: Studio, change: int, given: Given) -> list[Any]:
    """Add a pane, or take the last one away; the others stay as they are."""
    count = min(max(given.count + change, FEWEST_PANES), MOST_PANES)
    keys = [*given.keys, _another(studio, given.keys)][:count]
    models = [find_model(studio, key) for key in keys]
    said = aligned(given.said, models)
    return update(
        {
            **chat_view.choices(studio, keys, given.strengths, count=count),
            **chat_view.talks(models, said, marks=given.marks),
            **chat_view.controls(said, busy=False, panes=count, editing=given.editing),
            "said": said,
        }
    )


def _another(studio: Studio, keys: Sequence[str | None]) -> str | None:
    """Choose a model that can answer beside the others and is not among them, a result rather than a checkpoint."""
    first = find_model(studio, next((key for key in keys if key), None))
    if first is None:
        return None
    others = [model for model in models_beside(studio, first) if model.key not in keys]
    results = (model for model in others if model.kind != "checkpoint")
    return next((model.key for model in (*results, *others)), None)


def mark(studio: Studio, given: Given) -> list[Any]:
    """Show what differs, or show it no longer."""
    models = [find_model(studio, key) for key in given.keys]
    return update(chat_view.talks(models, given.said, marks=given.marks))


def halt(studio: Studio, ticket: str) -> None:
    """Stop the answers to this page's question; without a ticket it has asked nothing yet."""
    if ticket:
        studio.chat.halt(ticket)

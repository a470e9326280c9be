"""Conversations with several models side by side, kept on disk: what was asked, what each answered, and what made it.

<home>/conversations/<id>.json       one conversation, always written whole
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.data.examples import Message
from studio.keeping import KeptFiles

FOLDER = "conversations"
_LONGEST_NAME = 60

CUT = "cut"
"""How an answer ended whose page was closed while it grew."""


@dataclass(frozen=True)
class Answer:
    """What a model answered, and what made it. `seconds` is what it took, `longest` in tokens.

    `ended` is "end", "length", "stopped", "failed" or `CUT`, and `trouble` says why it failed; `template` says whose
    chat template asked it, empty when unknown.
    """

    text: str
    tokens: int = 0
    seconds: float = 0.0
    ended: str = ""
    strength: float = 1.0
    seed: int = 0
    temperature: float = 0.0
    longest: int = 0
    system: str = ""
    template: str = ""
    precision: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Turn:
    """One question and its answer."""

    question: str
    answer: Answer


@dataclass(frozen=True)
class Talk:
    """What one model was asked and answered. `key` names the model among those to choose from, `title` to a person."""

    key: str = ""
    title: str = ""
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True)
class Conversation:
    """Several models that were asked the same. Times are in seconds since the epoch; it is kept once it has an id.

    `before` is what was asked of other models in their place, while nothing was asked of these.
    """

    id: str = ""
    name: str = ""
    created: float = 0.0
    changed: float = 0.0
    revision: int = 0
    talks: tuple[Talk, ...] = ()
    before: tuple[str, ...] = ()

    @property
    def questions(self) -> tuple[str, ...]:
        """All that was asked, as the model with the longest talk heard it."""
        longest = max(self.talks, key=lambda talk: len(talk.turns), default=Talk())
        return tuple(turn.question for turn in longest.turns) or self.before


def open_conversations(
    home: Path, clock: Callable[[], float] = time.time, require_room: Callable[[], None] = lambda: None
) -> KeptFiles[Conversation]:
    """Return the conversations of a data folder. `require_room` is as in `KeptFiles`."""
    return KeptFiles(home, FOLDER, Conversation, noun="conversation", clock=clock, require_room=require_room)


def history(talk: Talk) -> tuple[Message, ...]:
    """Return the turns of a talk as messages, without a system prompt and without what could not be answered."""
    return tuple(
        message
        for turn in talk.turns
        if not turn.answer.trouble
        for message in (Message("user", turn.question), Message("assistant", turn.answer.text))
    )


def name_for(question: str) -> str:
    """Name a conversation after its first question."""
    flat = " ".join(question.split())
    return flat if len(flat) <= _LONGEST_NAME else f"{flat[:_LONGEST_NAME].rstrip()}…"


def as_markdown(conversation: Conversation) -> str:
    """Write a conversation for people: a heading for each question, and below it what each model answered."""
    parts = [f"# {conversation.name or 'Conversation'}", ""]
    for place, question in enumerate(conversation.questions):
        parts += [f"## {place + 1}. Question", "", question, ""]
        for talk in conversation.talks:
            turn = talk.turns[place] if place < len(talk.turns) else None
            if turn is None:
                continue
            parts += [f"### {talk.title}", ""]
            if turn.question != question:
                parts += [f"(asked: {turn.question})", ""]
            parts += [turn.answer.trouble or turn.answer.text or "(nothing)", "", f"*{_made(turn.answer)}*", ""]
    return "\n".join(parts)


def as_jsonl(conversation: Conversation) -> str:
    """Write a conversation for programs: one line for each model, with its messages as training data has them."""
    lines = []
    for talk in conversation.talks:
        last = talk.turns[-1].answer if talk.turns else Answer("")
        system = [{"role": "system", "content": last.system}] if last.system else []
        messages = [{"role": message.role, "content": message.content} for message in history(talk)]
        document = {
            "model": talk.title,
            "key": talk.key,
            "strength": last.strength,
            "seed": last.seed,
            "temperature": last.temperature,
            "messages": [*system, *messages],
        }
        lines.append(json.dumps(document, ensure_ascii=False))
    return "\n".join(lines) + "\n"


def _made(answer: Answer) -> str:
    strength = "" if answer.strength == 1 else f"strength {answer.strength:g}, "
    return f"{strength}seed {answer.seed}, temperature {answer.temperature:g}, {answer.tokens:,} tokens"

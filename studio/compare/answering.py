"""One question put to several models at once, and their answers as they grow.

Turns what the chat worker says into the text and the figures of each pane.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from studio.compare.chat_client import ChatClient
from studio.compare.chat_protocol import Answered, Open, Opened, Opening, PaneRequest, Token, Trouble
from studio.errors import RunError
from studio.limits import LONGEST_ANSWER_NOUN, Limits, require_within

TOP_P = 0.95
WAKING = "Waking the model."
READING = "Reading your question."

LONGEST_ANSWER = 4096
"""No answer is asked for that is longer, in tokens."""


@dataclass(frozen=True)
class GenerationSettings:
    """How the answers are to be made. `longest` is in tokens; a `temperature` of 0 is greedy."""

    system: str
    temperature: float
    longest: int
    seed: int


@dataclass(frozen=True)
class Growing:
    """One growing answer. `ended` is empty while it grows; then "end", "length", "stopped" or "failed".

    `trouble` says why it failed.
    `template` says whose chat template asked it, and `precision` in which numbers it was computed, once it has ended.
    """

    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    ended: str = ""
    template: str = ""
    precision: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Answers:
    """All panes at one moment. `waiting` says what is waited for before the first word."""

    panes: tuple[Growing, ...]
    waiting: str = ""


def answers(
    chat: ChatClient, base: Open, panes: Sequence[PaneRequest], *, generation: GenerationSettings, ticket: str = ""
) -> Iterator[Answers]:
    """Yield all answers as they grow; `ticket` is what `chat.halt` stops them by.

    Raises RunError when a setting is out of its limits or the worker is in trouble.
    """
    check_generation(generation)
    growing = [Growing() for _ in panes]
    said = chat.ask(
        base,
        panes,
        temperature=generation.temperature,
        top_p=TOP_P,
        max_new_tokens=generation.longest,
        seed=generation.seed,
        ticket=ticket,
    )
    with contextlib.closing(said):  # while it is open, it is this question's turn, and nobody else's
        for message in said:
            waiting = ""
            match message:
                case Opening(what):
                    waiting = what
                case Opened():
                    waiting = READING
                case Token(pane=number, text=text):
                    growing[number] = replace(growing[number], text=growing[number].text + text)
                case Answered(pane=number):
                    growing[number] = _whole(growing[number], message)
                case Trouble():
                    raise RunError(message.message, message.hint)
            yield Answers(tuple(growing), waiting)


def _whole(growing: Growing, answered: Answered) -> Growing:
    return replace(
        growing,
        tokens=answered.tokens,
        seconds=answered.seconds,
        ended=answered.ended,
        template=answered.template,
        precision=answered.precision,
        trouble=answered.trouble,
    )


def check_generation(generation: GenerationSettings) -> None:
    """Raise RunError when a setting is out of its limits. Programs can send anything."""
    limits: tuple[tuple[str, object, tuple[type, ...], float, float], ...] = (
        ("temperature", generation.temperature, (int, float), 0, 2),
        ("longest answer", generation.longest, (int,), 1, LONGEST_ANSWER),
        ("seed", generation.seed, (int,), 0, 2**31 - 1),
    )
    for name, value, kinds, low, high in limits:
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:  # type: ignore[operator]
            whole = "a whole number" if kinds == (int,) else "a number"
            raise RunError(
                f"The {name} must be {whole} from {low} to {high}; found {value!r}.", "Correct it, ask again."
            )


def check_asked(limits: Limits, generation: GenerationSettings, texts: Sequence[str], *, turns: int = 1) -> None:
    """Raise TooMany where a question is too long, its answer may become so, or the conversation has too many turns."""
    longest = max((len(text) for text in (generation.system, *texts)), default=0)
    for name, found, noun in (
        ("prompt_characters", longest, "characters for a message"),
        ("answer_tokens", generation.longest, LONGEST_ANSWER_NOUN),
        ("conversation_turns", turns, "questions for a conversation"),
    ):
        require_within(limits, name, found, noun)


def check_sheet(limits: Limits, generation: GenerationSettings, texts: Sequence[str]) -> None:
    """Raise TooMany where a prompt sheet has too many prompts, or one that is too long."""
    require_within(limits, "sheet_prompts", len(texts), "prompts for a sheet")
    check_asked(limits, generation, texts)

"""One question, two answers: the base model's and the tuned one's, as they grow.

Turns what the chat worker says into the text and the figures of two panes. Knows nothing of components.
"""

import contextlib
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from studio.config import FULL
from studio.data.examples import Message
from studio.errors import RunError
from studio.runs.chat_client import ChatClient
from studio.runs.chat_protocol import BASE, Answered, Open, Opened, Opening, PaneRequest, Token, Trouble
from studio.runs.precision import precision_of
from studio.runs.store import RunFolder

TOP_P = 0.95
WAKING = "Waking the model."
READING = "Reading your question."

History = tuple[Message, ...]
"""The turns of one pane, without the system prompt."""


@dataclass(frozen=True)
class Wish:
    """How the answers are to be made."""

    system: str
    temperature: float
    longest: int
    seed: int


@dataclass(frozen=True)
class Pane:
    """One growing answer. `ended` is empty while it grows; then "end", "length" or "stopped"."""

    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    ended: str = ""


@dataclass(frozen=True)
class Answers:
    """Both panes at one moment. `waiting` says what is waited for before the first word."""

    base: Pane = Pane()
    tuned: Pane = Pane()
    waiting: str = ""


def answers(
    chat: ChatClient,
    run: RunFolder,
    *,
    base: Sequence[Message],
    tuned: Sequence[Message],
    wish: Wish,
    ticket: str = "",
) -> Iterator[Answers]:
    """Yield both answers as they grow; `ticket` is what `chat.halt` stops them by.

    Raises RunError when the run has no result or the worker is in trouble.
    """
    result = run.result
    if result is None:
        raise RunError("This run has no result to talk to.", "Choose a run that finished or was stopped.")
    check_wish(wish)
    panes = [Pane(), Pane()]
    said = chat.ask(
        Open(run.config.model, run.config.base_bits, precision_of(run)),
        [PaneRequest(BASE, tuple(base)), PaneRequest(str(result), tuple(tuned))],
        temperature=wish.temperature,
        top_p=TOP_P,
        max_new_tokens=wish.longest,
        seed=wish.seed,
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
                    panes[number] = replace(panes[number], text=panes[number].text + text)
                case Answered(pane=number, tokens=tokens, seconds=seconds, ended=ended):
                    panes[number] = replace(panes[number], tokens=tokens, seconds=seconds, ended=ended)
                case Trouble():
                    raise RunError(message.message, message.hint)
            yield Answers(panes[0], panes[1], waiting)


def check_wish(wish: Wish) -> None:
    """Raise RunError when a wish cannot be granted. Programs can send anything."""
    limits: tuple[tuple[str, object, tuple[type, ...], float, float], ...] = (
        ("temperature", wish.temperature, (int, float), 0, 2),
        ("longest answer", wish.longest, (int,), 1, 4096),
        ("seed", wish.seed, (int,), 0, 2**31 - 1),
    )
    for name, value, kinds, low, high in limits:
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:  # type: ignore[operator]
            whole = "a whole number" if kinds == (int,) else "a number"
            raise RunError(
                f"The {name} must be {whole} from {low} to {high}; found {value!r}.", "Correct it, ask again."
            )


def with_system(history: History, system: str) -> tuple[Message, ...]:
    """Return the conversation that the model reads: the system prompt, where there is one, and the turns so far."""
    return (Message("system", system.strip()), *history) if system.strip() else history


def with_answer(history: History, text: str, waiting: str = "") -> History:
    """Add an answer as far as it has come, or what is waited for."""
    return (*history, Message("assistant", text or (f"{waiting} …" if waiting else "")))


def settled(history: History) -> History:
    """Drop a last question that got no answer, so that the next one stands alone."""
    return history[:-2] if history and not history[-1].content else history


def as_bubbles(history: History) -> list[dict[str, Any]]:
    """Turn a conversation into what a chat pane shows. The pane takes its text for HTML, so it is escaped."""
    return [{"role": turn.role, "content": html.escape(turn.content, quote=False)} for turn in history]


def caption(run: RunFolder, pane: Pane, wish: Wish, *, tuned: bool) -> str:
    """Say what produced an answer, so that the comparison proves itself."""
    name = run.name
    on, off = ("fully trained", "not trained") if run.config.method == FULL else ("adapter on", "adapter off")
    state = f"{on} ({name})" if tuned else off
    model = "starter model" if run.config.model == "starter" else run.config.model
    made = f"{model}, {state} · seed {wish.seed}, temperature {wish.temperature:g}"
    if not pane.ended:
        return made
    pace = f", {pane.tokens / pane.seconds:.0f} a second" if pane.seconds > 0 else ""
    ending = {"length": " · cut at the longest answer", "stopped": " · stopped by you"}.get(pane.ended, "")
    return f"{made} · {pane.tokens:,} tokens{pace}{ending}"

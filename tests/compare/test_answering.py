from collections.abc import Generator
from typing import Any

import pytest

from studio.compare.answering import READING, GenerationSettings, answers, check_generation
from studio.compare.chat_protocol import Answered, FromWorker, Open, Opened, Opening, PaneRequest, Token, Trouble
from studio.data.examples import Message
from studio.errors import RunError

GENERATION = GenerationSettings("", 0.0, 20, 1)
PANES = [PaneRequest(adapter, (Message("user", "Hello"),)) for adapter in ("", "/tuned")]
STARTER = Open("starter", 0, "fp32")


class ScriptedChat:
    """Says what it was given, and remembers whether its turn was given back."""

    def __init__(self, *said: FromWorker) -> None:
        self.said = said
        self.turn_held = False
        self.generation: dict[str, Any] = {}

    def ask(self, base: Open, panes: object, **generation: Any) -> Generator[FromWorker, None, None]:
        self.turn_held, self.generation = True, generation
        try:
            yield from self.said
        finally:
            self.turn_held = False


def test_the_panes_grow_each_for_itself() -> None:
    chat: Any = ScriptedChat(
        Opening("Loading."),
        Opened("cpu", "fp32"),
        Token(1, 1, "It "),
        Token(1, 0, "No"),
        Token(1, 1, "is"),
        Answered(1, 1, 2, 0.5, "end", template="own", precision="fp32"),
        Answered(1, 0, 1, 0.7, "length"),
    )
    seen = list(answers(chat, STARTER, PANES, generation=GenerationSettings("", 0.7, 64, 9), ticket="mine"))
    assert [now.waiting for now in seen[:3]] == ["Loading.", READING, ""]
    first, second = seen[-1].panes
    assert (second.text, second.tokens, second.ended, second.template) == ("It is", 2, "end", "own")
    assert (first.text, first.ended) == ("No", "length")
    assert chat.generation == {"temperature": 0.7, "top_p": 0.95, "max_new_tokens": 64, "seed": 9, "ticket": "mine"}


def test_trouble_gives_the_turn_back() -> None:
    """The question in trouble kept its turn for as long as its error was kept, and everybody else waited for ever."""
    chat: Any = ScriptedChat(Trouble(1, "The conversation is too long.", "Shorten it."), Trouble(1, "never said"))
    with pytest.raises(RunError, match="too long") as kept:
        list(answers(chat, STARTER, PANES, generation=GENERATION))
    assert kept.value.hint == "Shorten it."
    assert not chat.turn_held


@pytest.mark.parametrize(
    "generation",
    [
        GenerationSettings("", -1.0, 20, 1),
        GenerationSettings("", 0.0, -5, 1),
        GenerationSettings("", 0.0, 8.5, 1),  # type: ignore[arg-type]
        GenerationSettings("", 0.0, "x", 1),  # type: ignore[arg-type]
        GenerationSettings("", 0.0, None, 1),  # type: ignore[arg-type]
        GenerationSettings("", float("nan"), 20, 1),
        GenerationSettings("", 0.0, 20, 2**40),
    ],
)
def test_a_wish_that_cannot_be_granted_is_a_sentence(generation: GenerationSettings) -> None:
    with pytest.raises(RunError, match="must be"):
        check_generation(generation)
    check_generation(GenerationSettings("", 0.7, 20, 1))

from collections.abc import Generator
from typing import Any

import pytest

from studio.data.examples import Message
from studio.errors import RunError
from studio.runs.chat_protocol import FromWorker, Trouble
from studio.runs.studio import Studio
from studio.ui.conversation import Wish, answers, check_wish
from tests.ui.fake_studio import finished_run

QUESTION = (Message("user", "Hello"),)


class TroubledChat:
    """Says that it cannot answer, and remembers whether its turn was given back."""

    def __init__(self) -> None:
        self.turn_held = False

    def ask(self, *said: object, **wish: object) -> Generator[FromWorker, None, None]:
        self.turn_held = True
        try:
            yield Trouble(1, "The conversation is too long.", "Shorten it.")
            yield Trouble(1, "never said")
        finally:
            self.turn_held = False


def test_trouble_gives_the_turn_back(studio: Studio) -> None:
    """The question in trouble kept its turn for as long as its error was kept, and everybody else waited for ever."""
    chat: Any = TroubledChat()
    run = finished_run(studio, dataset_id=studio.datasets.add_sample("order_slips").id)
    with pytest.raises(RunError, match="too long") as kept:
        list(answers(chat, run, base=QUESTION, tuned=QUESTION, wish=Wish("", 0.0, 20, 1)))
    assert kept.value.hint == "Shorten it."
    assert not chat.turn_held


@pytest.mark.parametrize(
    "wish",
    [
        Wish("", -1.0, 20, 1),
        Wish("", 0.0, -5, 1),
        Wish("", 0.0, 8.5, 1),  # type: ignore[arg-type]
        Wish("", 0.0, "x", 1),  # type: ignore[arg-type]
        Wish("", 0.0, None, 1),  # type: ignore[arg-type]
        Wish("", float("nan"), 20, 1),
        Wish("", 0.0, 20, 2**40),
    ],
)
def test_a_wish_that_cannot_be_granted_is_a_sentence(wish: Wish) -> None:
    with pytest.raises(RunError, match="must be"):
        check_wish(wish)
    check_wish(Wish("", 0.7, 20, 1))

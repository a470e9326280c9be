from typing import Any

import gradio as gr
import pytest

from studio.ui.kit.updates import AGAIN_SECONDS, is_due, only_new


class Page:
    """What one browser shows, where an answer may come later than one that was made after it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.shown: list[Any] = [None]
        self.drawn: Any = None

    def draw(self, part: Any, *, drawn: Any = "remembered") -> list[Any]:
        updates = only_new({"part": part}, self.drawn if drawn == "remembered" else drawn, clock=lambda: self.now)
        self.drawn = updates.pop()
        return updates

    def take(self, updates: list[Any]) -> bool:
        """Show what came; tell whether anything did."""
        self.shown = [old if new == gr.skip() else new for old, new in zip(self.shown, updates, strict=True)]
        return updates != [gr.skip()]


@pytest.mark.parametrize("part", ["Training", gr.update(visible=True)])
def test_what_is_new_is_sent_at_once_and_once_more(part: Any) -> None:
    page, sent = Page(), []
    for second in range(20):
        page.now = 100.0 + second
        if page.take(page.draw(part)):
            sent.append(second)
    assert sent == [0, AGAIN_SECONDS]
    assert page.shown == [part]
    assert not is_due(page.drawn, clock=lambda: 1000.0)


def test_the_value_of_a_field_is_sent_once() -> None:
    page = Page()
    assert page.take(page.draw(gr.update(value="a", choices=["a", "b"])))
    page.now += 2 * AGAIN_SECONDS
    assert not page.take(page.draw(gr.update(value="a", choices=["a", "b"])))


def test_a_part_that_changes_all_the_time_is_never_said_twice() -> None:
    page = Page()
    for second in range(10):
        page.now = 100.0 + second
        assert page.take(page.draw(f"step {second}"))
    assert not is_due(page.drawn, clock=lambda: page.now + AGAIN_SECONDS - 0.1)
    assert is_due(page.drawn, clock=lambda: page.now + AGAIN_SECONDS)


def test_an_older_answer_that_comes_last_is_fixed() -> None:
    """A run was shown as stopping for good: the press had answered last, and what the look drew was remembered."""
    page = Page()
    page.take(page.draw("training"))
    before = page.drawn
    pressed = page.draw("stopping", drawn=before)
    looked = page.draw("stopped", drawn=before)
    page.take(looked)
    page.take(pressed)
    assert page.shown == ["stopping"]
    for _ in range(4):
        page.now += 1
        page.take(page.draw("stopped"))
    assert page.shown == ["stopped"]

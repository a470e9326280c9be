from typing import Any

import gradio as gr
import pytest

from studio.ui.kit.drawn import AGAIN_SECONDS, Drawn, Section, only_new


class Page:
    """What one browser shows, where an answer may come later than one that was made after it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.shown: dict[str, Any] = {}
        self.drawn = Drawn()

    def draw(self, part: Any, *, drawn: Drawn | None = None) -> dict[str, Any]:
        new, self.drawn = only_new({"part": part}, drawn or self.drawn, clock=lambda: self.now)
        return new


@pytest.mark.parametrize(
    "part", ["Training", gr.update(visible=True), gr.update(active=True), gr.update(interactive=False, label="Columns")]
)
def test_what_is_new_is_sent_at_once_and_once_more(part: Any) -> None:
    page, sent = Page(), []
    for second in range(20):
        page.now = 100.0 + second
        if new := page.draw(part):
            assert new == {"part": part}
            sent.append(second)
    assert sent == [0, AGAIN_SECONDS]


@pytest.mark.parametrize("part", [gr.update(value="a", choices=["a", "b"]), gr.update(open=True, label="Columns")])
def test_what_a_person_sets_is_sent_once(part: Any) -> None:
    page = Page()
    assert page.draw(part)
    page.now += 2 * AGAIN_SECONDS
    assert not page.draw(part)


def test_a_part_that_changes_all_the_time_is_never_sent_twice() -> None:
    page = Page()
    for second in range(10):
        page.now = 100.0 + second
        assert page.draw(f"step {second}")
    page.now += AGAIN_SECONDS - 0.1
    assert not page.draw("step 9")
    page.now += 0.2
    assert page.draw("step 9")


def test_a_clock_that_an_older_answer_stopped_runs_again() -> None:
    """A version that was being made never arrived: the clock that looks for it stood still, and was said to run."""
    page = Page()
    stopped = page.draw(gr.update(active=False))
    page.shown |= page.draw(gr.update(active=True))
    page.shown |= stopped
    for _ in range(4):
        page.now += 1
        page.shown |= page.draw(gr.update(active=True))
    assert page.shown == {"part": gr.update(active=True)}


def test_an_older_answer_that_comes_last_is_fixed() -> None:
    """A run was shown as stopping for good: the action had answered last, and what the timer drew was remembered."""
    page = Page()
    page.shown |= page.draw("training")
    before = page.drawn
    acted = page.draw("stopping", drawn=before)
    looked = page.draw("stopped", drawn=before)
    page.shown |= looked
    page.shown |= acted
    assert page.shown == {"part": "stopping"}
    for _ in range(4):
        page.now += 1
        page.shown |= page.draw("stopped")
    assert page.shown == {"part": "stopped"}


def test_a_section_is_drawn_only_where_its_key_is_new() -> None:
    made: list[str] = []

    def section(name: str, key: int) -> Section:
        def make() -> dict[str, str]:
            made.append(name)
            return {name: f"{name} {key}"}

        return Section(key, make)

    first, page = only_new([section("rows", 1), section("chart", 1)], Drawn())
    assert first == {"rows": "rows 1", "chart": "chart 1"}
    second, page = only_new([section("rows", 2), section("chart", 1)], page)
    assert (second, made) == ({"rows": "rows 2"}, ["rows", "chart", "rows"])
    third, same = only_new([section("rows", 2), section("chart", 1)], page)
    assert third == {}
    assert same is page


def test_the_value_of_a_field_that_a_person_sets_is_not_in_what_is_new() -> None:
    def draw(value: str, *choices: str) -> dict[str, Any]:
        return {"run": gr.update(value=value, choices=choices), "said": "Ready", "text": "typed"}

    first, page = only_new(draw("a", "a", "b"), Drawn(), fields={"run", "text", "other"})
    assert first == {"run": gr.update(choices=("a", "b")), "said": "Ready", "text": gr.skip()}
    assert [page.value_of(name, "none") for name in ("run", "text", "other")] == ["a", "typed", "none"]
    second, page = only_new(draw("b", "a", "b"), page, fields={"run", "text", "other"})
    assert second == {}
    assert page.value_of("run", "none") == "b"

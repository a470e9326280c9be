"""A panel as the page drives it: what its inputs hold goes in, and only what the page does not have comes out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr
import pytest

from studio.errors import RunError
from studio.ui.kit.actions import Action
from studio.ui.kit.components import QUIET
from studio.ui.kit.drawn import AGAIN_SECONDS, Drawing, Drawn, Section
from studio.ui.kit.panel import Panel, Result


@dataclass(frozen=True)
class Selection:
    text: str = ""
    chosen: str = ""
    marks: tuple[str, ...] = ()
    opened: str = ""
    page: int = 0


def settle(before: Selection, now: Selection) -> Selection:
    return replace(now, page=0) if now.text != before.text else now


def draw(selection: Selection) -> Drawing:
    return {
        "list": f"Page {selection.page} of what holds {selection.text!r}",
        "one": gr.update(visible=bool(selection.opened)),
        "chosen": gr.update(choices=["a", "b"], value=selection.chosen or "a"),
    }


def press(selection: Selection, action: Action) -> Selection:
    match action.verb:
        case "open":
            return replace(selection, opened=action.key)
        case "page":
            return replace(selection, page=action.number)
        case "clear":
            return Selection()
        case "fail":
            raise RunError("It is gone.", "Choose another.")
    return selection


class Page:
    """A page with one panel: what its fields hold, and the state that it keeps."""

    def __init__(self, wire: Callable[[Panel[Selection]], Any] | None = None, **made_with: Any) -> None:
        self.now = 100.0
        with gr.Blocks() as self.blocks:
            panel = Panel("files", Selection(), **{"draw": draw, "settle": settle, **made_with}, clock=lambda: self.now)
            panel.input("text", gr.Textbox())
            panel.input("chosen", gr.Dropdown([]), redraws_on="input")
            panel.input("marks", gr.CheckboxGroup([]), redraws_on="")
            self.list = panel.action_html("list")
            with panel.part("one", gr.Column(visible=False)):
                self.name = gr.Textbox()
                self.save = gr.Button()
            self.timer = gr.Timer()
            if wire is not None:
                wire(panel)
        self.panel = panel
        self.values: dict[str, Any] = {"text": "", "chosen": None, "marks": []}
        self.values |= {"selection": Selection(), "drawn": Drawn()}

    def take(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Show what came, and return it but for what the browser does not see."""
        for name, each in sent.items():
            if name in self.values:
                is_update = isinstance(each, dict) and "__type__" in each
                self.values[name] = each.get("value", self.values[name]) if is_update else each
        return {name: each for name, each in sent.items() if name not in ("selection", "drawn")}

    def tick(self, **fields: Any) -> dict[str, Any]:
        self.values |= fields
        return self.take(self.panel.answer(lambda state: state, self.values))

    def press(self, verb: str, key: str = "", **fields: Any) -> dict[str, Any]:
        self.values |= fields
        return self.take(self.panel.answer(press, self.values, Action(verb, key)))


def test_what_is_as_it_was_is_not_sent() -> None:
    page = Page()
    first = page.tick()
    assert first == {
        "list": "Page 0 of what holds ''",
        "one": gr.update(visible=False),
        "chosen": gr.update(choices=["a", "b"], value="a"),
    }
    assert page.tick() == {}
    assert page.panel.answer(lambda state: state, page.values).keys() == set(), "the state is not kept again either"
    page.now += AGAIN_SECONDS
    assert page.tick().keys() == {"list", "one"}
    assert page.tick() == {}


def test_an_action_changes_the_state_with_what_the_fields_hold() -> None:
    page = Page()
    page.tick()
    assert page.press("open", "notes", text="x") == {
        "list": "Page 0 of what holds 'x'",
        "one": gr.update(visible=True),
    }
    assert page.values["selection"] == Selection(text="x", chosen="a", opened="notes")
    page.press("nonsense", marks=["m"])
    assert page.values["selection"].marks == ("m",), "a list becomes a tuple"


def test_what_follows_from_a_change_is_settled() -> None:
    page = Page()
    page.press("page", "3")
    assert page.values["selection"].page == 3
    page.tick()
    assert page.values["selection"].page == 3
    page.tick(text="other")
    assert page.values["selection"].page == 0


def test_a_field_follows_the_state_and_what_is_drawn() -> None:
    page = Page()
    page.tick(text="x", marks=["m"], chosen="b")
    sent = page.press("clear")
    assert (sent["text"], sent["marks"], sent["chosen"]) == ("", [], "a")
    assert page.tick() == {}


def test_a_field_that_a_person_sets_is_left_alone() -> None:
    """A look that began before another choice was made, and came back after it, chose the old one again."""
    page = Page()
    page.tick()
    before = dict(page.values)
    assert "chosen" not in page.tick(chosen="b")
    late = page.panel.answer(lambda state: state, before)
    assert "chosen" not in late


def test_an_action_can_send_more_than_the_state() -> None:
    def start(selection: Selection, *, name: str) -> Result[Selection]:
        return Result(replace(selection, opened=name), {"name": None})

    wired = Page()
    page = Page(
        lambda panel: panel.on([wired.save.click], start, given={"name": wired.name}, also={"name": wired.name})
    )
    sent = page.panel.answer(start, {**page.values, "name": "notes"})
    assert (sent["name"], sent["one"]) == (None, gr.update(visible=True))


def test_each_step_of_an_action_is_sent() -> None:
    def count(selection: Selection, *, name: str) -> Iterator[Selection | Result[Selection]]:
        for number in (1, 1, 2):
            yield replace(selection, opened=name, text=f"{number}")
        yield Result(selection, {"name": "done"})

    page = Page()
    steps = [page.take(each) for each in page.panel._answers(count, {**page.values, "name": "notes"})]
    assert [each.get("text") for each in steps] == ["1", None, "2", ""]
    assert [each.get("one") for each in steps] == [gr.update(visible=True), None, None, gr.update(visible=False)]
    assert steps[-1]["name"] == "done"


def test_a_section_is_not_drawn_again_for_the_same_key() -> None:
    made: list[str] = []

    def rows(selection: Selection) -> dict[str, Any]:
        made.append(selection.text)
        return {"list": selection.text}

    page = Page(draw=lambda selection: [Section(selection.text, partial(rows, selection))])
    for text in ("", "", "x", "x"):
        page.tick(text=text)
    assert made == ["", "x"]


def wired_page() -> tuple[Page, list[Any]]:
    """A page with every kind of listener, and what Gradio knows of them."""
    page = Page()

    def rename(selection: Selection, *, name: str) -> Selection:
        return replace(selection, opened=name)

    with page.blocks:
        page.panel.redraws([page.timer.tick])
        page.panel.on_action(press)
        page.panel.on([page.save.click, page.name.submit], rename, given={"name": page.name}, options=QUIET)
        page.panel.download(page.save.click, lambda selection: selection.opened)
        page.panel.redraws_after(page.save.click(None, js="() => {}"))
    return page, list(page.blocks.fns.values())


def test_the_listeners_are_private_and_have_one_order_of_outputs() -> None:
    _, (redraw, pressed, rename, prepare, save, _, again) = wired_page()
    assert {each.api_visibility for each in (redraw, pressed, rename, prepare)} == {"private"}
    assert [each.queue for each in (redraw, pressed, rename, prepare)] == [False, True, False, True]
    assert redraw.outputs == pressed.outputs == rename.outputs == again.outputs
    assert redraw.trigger_mode == "always_last"
    assert sorted(event for _, event in redraw.targets) == ["change", "input", "tick"]
    assert save.inputs == prepare.outputs


def test_a_listener_answers_in_the_order_of_its_outputs() -> None:
    page, (redraw, pressed, _, prepare, *_) = wired_page()
    assert redraw.fn is not None and pressed.fn is not None and prepare.fn is not None  # noqa: PT018
    sent = redraw.fn(**page.values)
    by_name = dict(zip([each._id for each in redraw.outputs], sent, strict=True))
    assert by_name[page.list._id] == "Page 0 of what holds ''"
    for _ in range(2):  # the first sends what is chosen, the second takes it in
        page.tick()
    assert redraw.fn(**page.values) == [gr.skip()] * len(redraw.outputs)
    assert prepare.fn(**page.values) == gr.skip()
    page.press("open", "notes")
    assert prepare.fn(**page.values) == "notes"
    with pytest.raises(gr.Error, match="It is gone"):
        pressed.fn(gr.EventData(None, {"verb": "fail"}), **page.values)


def test_a_part_has_one_name_and_comes_before_the_listeners() -> None:
    page, _ = wired_page()
    with page.blocks:
        for name in ("list", "more"):
            with pytest.raises(ValueError, match=name):
                page.panel.html(name)
        with pytest.raises(ValueError, match="no field 'walrus'"):
            page.panel.input("walrus", gr.Textbox())
    assert page.list.elem_id == "files-list"

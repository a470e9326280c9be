"""What a page sends and is sent: what its fields hold goes in, and only what it does not have comes out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from studio.ui.kit.actions import Action
from studio.ui.kit.drawn import AGAIN_SECONDS, Drawing, Drawn, Section
from studio.ui.kit.exchange import Exchange, Fields, Form, Result


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
    return selection


class Page:
    """An open page: what its fields hold, the state that it keeps, and what it shows."""

    def __init__(self, **made_with: Any) -> None:
        self.now = 100.0
        given = {"draw": draw, "settle": settle, **made_with}
        self.exchange = Exchange(Selection(), **given, clock=lambda: self.now)
        self.values: dict[str, Any] = {"text": "", "chosen": None, "marks": []}
        self.values |= {"selection": Selection(), "drawn": Drawn()}

    def ask(self, values: Mapping[str, Any]) -> Any:
        return self.exchange.take_in(values, ("text", "chosen", "marks"))

    def take(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Show what came, and return it but for what the browser does not see."""
        for name in sent.keys() & self.values.keys():
            is_update = isinstance(sent[name], dict) and "__type__" in sent[name]
            self.values[name] = sent[name].get("value", self.values[name]) if is_update else sent[name]
        return {name: each for name, each in sent.items() if name not in ("selection", "drawn")}

    def tick(self, **fields: Any) -> dict[str, Any]:
        self.values |= fields
        asked = self.ask(self.values)
        return self.take(self.exchange.answer(asked, asked.now))

    def press(self, verb: str, key: str = "", **fields: Any) -> dict[str, Any]:
        self.values |= fields
        asked = self.ask(self.values)
        return self.take(self.exchange.answer(asked, press(asked.now, Action(verb, key))))


def test_what_is_as_it_was_is_not_sent() -> None:
    page = Page()
    first = page.tick()
    assert first == {
        "list": "Page 0 of what holds ''",
        "one": gr.update(visible=False),
        "chosen": gr.update(choices=["a", "b"], value="a"),
    }
    assert page.tick() == {}
    asked = page.ask(page.values)
    assert page.exchange.answer(asked, asked.now) == {}, "the state is not kept again either"
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
    asked = page.ask(before)
    assert "chosen" not in page.exchange.answer(asked, asked.now)


def test_each_step_of_an_action_is_sent() -> None:
    def count(selection: Selection) -> Iterator[Selection | Result[Selection]]:
        for number in (1, 1, 2):
            yield replace(selection, opened="notes", text=f"{number}")
        yield Result(selection, {"name": "done"})

    page = Page()
    asked = page.ask(page.values)
    steps = [page.take(each) for each in page.exchange.answers(asked, count(asked.now))]
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


@dataclass(frozen=True)
class Point:
    """Two numbers, each in a field of its own; an empty one is a fault."""

    x: float | None = 0
    y: float | None = 0


@dataclass(frozen=True)
class Drawer:
    point: Point = Point()


def test_several_fields_hold_one_value_and_nothing_in_one_is_for_the_form_to_judge() -> None:
    form = Form(("x", "y"), lambda values: Point(values["x"], values["y"]), lambda name, point: getattr(point, name))
    drawing = {"said": "A number is missing."}
    exchange = Exchange(Drawer(), lambda drawer: drawing if drawer.point.x is None else {}, forms={"point": form})
    page = {"selection": Drawer(), "drawn": Drawn(), "x": None, "y": 3.0}
    asked = exchange.take_in(page, ())
    assert asked.now.point == Point(None, 3.0)
    sent = exchange.answer(asked, asked.now)
    assert (sent["said"], sent["selection"]) == ("A number is missing.", Drawer(Point(None, 3.0)))
    assert not sent.keys() & {"x", "y"}, "what a person typed is left alone"
    moved = exchange.answer(asked, replace(asked.now, point=Point(1.0, 3.0)))
    assert moved["x"] == 1.0
    assert "y" not in moved
    assert exchange.answer(asked, Fields({"point": Point(None, 4.0)}, {"tabs": 2})) == {"y": 4.0, "tabs": 2}

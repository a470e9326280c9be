"""A panel on a page of Gradio's: which listeners there are, what they are given, and in which order they answer."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
import pytest

from studio.errors import RunError
from studio.ui.kit.actions import Action
from studio.ui.kit.components import QUIET
from studio.ui.kit.drawn import Drawing, Drawn
from studio.ui.kit.exchange import Result
from studio.ui.kit.panel import Panel, Stops


@dataclass(frozen=True)
class Selection:
    text: str = ""
    marks: tuple[str, ...] = ()
    opened: str = ""


def draw(selection: Selection) -> Drawing:
    return {"list": f"What holds {selection.text!r}", "one": gr.update(visible=bool(selection.opened))}


def press(selection: Selection, action: Action) -> Selection:
    if action.verb == "fail":
        raise RunError("It is gone.", "Choose another.")
    return replace(selection, opened=action.key)


def rename(selection: Selection, *, name: str) -> Result[Selection]:
    return Result(replace(selection, opened=name), {"name": None})


def count(selection: Selection, *, name: str) -> Iterator[Selection]:
    for number in (1, 2):
        yield replace(selection, text=f"{name} {number}")


class Page:
    """A page with one panel and every kind of listener."""

    def __init__(self) -> None:
        with gr.Blocks() as self.blocks:
            panel = Panel("files", Selection(), draw=draw)
            panel.input("text", gr.Textbox())
            panel.input("marks", gr.CheckboxGroup([]), redraws_on="")
            self.list = panel.action_html("list")
            with panel.part("one", gr.Column(visible=False)):
                self.name, self.save = gr.Textbox(), gr.Button()
            given = {"name": self.name}
            panel.redraws([gr.Timer().tick])
            panel.on_action(press)
            panel.on([self.save.click, self.name.submit], rename, given=given, also=given, options=QUIET)
            panel.on([self.save.click], count, given=given)
            panel.download(self.save.click, lambda selection: selection.opened)
            panel.redraws_after(self.save.click(None, js="() => {}"))
        self.panel = panel
        self.wired: list[Any] = list(self.blocks.fns.values())

    def answer(self, listener: Any, *event: gr.EventData, **values: Any) -> Any:
        """What a listener returns."""
        given = {"text": "", "marks": [], "selection": Selection(), "drawn": Drawn(), "stops": Stops(), **values}
        return listener.fn(*event, **given)


def test_the_listeners_are_private_and_have_one_order_of_outputs() -> None:
    tick, redraw, pressed, renamed, counted, prepare, save, _, again = Page().wired
    assert {each.api_visibility for each in (redraw, pressed, renamed, counted, prepare, again)} == {"private"}
    assert [each.queue for each in (redraw, pressed, renamed, counted, prepare, again)] == [
        False,
        True,
        False,
        True,
        True,
        False,
    ]
    assert redraw.outputs == pressed.outputs == counted.outputs == again.outputs == renamed.outputs[:-1]
    assert redraw.trigger_mode == tick.trigger_mode == "always_last"
    assert [[event for _, event in each.targets] for each in (tick, redraw)] == [["tick"], ["change"]]
    assert save.inputs == prepare.outputs


def test_a_listener_answers_in_the_order_of_its_outputs() -> None:
    page = Page()
    _, redraw, pressed, renamed, counted, *_ = page.wired
    state, drawn, text, marks, drawn_list, one = page.answer(redraw, marks=["m"])
    assert (state, text, marks) == (Selection(marks=("m",)), gr.skip(), gr.skip())
    assert (drawn_list, one) == ("What holds ''", gr.update(visible=False))
    assert page.answer(redraw, marks=["m"], selection=state, drawn=drawn) == [gr.skip()] * 6
    opened = page.answer(pressed, gr.EventData(None, {"verb": "open", "key": "notes"}), drawn=drawn)
    assert (opened[0], *opened[2:]) == (Selection(opened="notes"), *[gr.skip()] * 3, gr.update(visible=True))
    named = page.answer(renamed, name="notes", drawn=drawn)
    assert (named[0].opened, named[-1]) == ("notes", None)
    assert [step[2] for step in page.answer(counted, name="n", drawn=drawn)] == ["n 1", "n 2"]


def test_a_clock_brings_back_nothing_that_an_action_took_away() -> None:
    """It ticked while the field still held what the action emptied, and its answer comes after the action's."""
    page = Page()
    tick, redraw, *_ = page.wired
    kept = Selection(opened="notes")
    answer = page.answer(tick, text="what stood there", selection=kept)
    assert answer[4] == "What holds ''"
    assert answer[0] == answer[2] == gr.skip()
    assert page.answer(redraw, text="what is typed", selection=kept)[4] == "What holds 'what is typed'"
    assert page.answer(tick, text="what the page came with")[0].text == "what the page came with"


def test_what_goes_wrong_is_shown_as_everywhere() -> None:
    page = Page()
    with pytest.raises(gr.Error, match="It is gone"):
        page.answer(page.wired[2], gr.EventData(None, {"verb": "fail"}))


def test_what_follows_a_failure_has_the_same_outputs_and_one_listener_knows_what_was_pressed() -> None:
    def ask(selection: Selection, pressed: str) -> Iterator[Selection]:
        yield replace(selection, opened=pressed)

    with gr.Blocks() as blocks:
        panel = Panel("files", Selection(), draw=draw)
        panel.html("list")
        panel.part("one", gr.Column(visible=False))
        first, second = gr.Button(elem_id="first"), gr.Button(elem_id="second")
        panel.on_failure(panel.on_pressed([first.click, second.click], ask), lambda selection: Selection("taken back"))
    asked, failed = blocks.fns.values()
    kept = {"selection": Selection(), "drawn": Drawn(), "stops": Stops()}
    assert len(asked.targets) == 2
    assert failed.outputs == asked.outputs
    assert (failed.trigger_after, failed.trigger_only_on_failure) == (asked._id, True)
    steps = list(asked.fn(gr.EventData(second, {}), **kept))
    assert [step[0].opened for step in steps] == ["second"]
    assert failed.fn(**kept)[0] == Selection("taken back")


def test_an_address_is_prepared_where_there_is_one() -> None:
    page = Page()
    prepare = page.wired[5]
    assert page.answer(prepare) == gr.skip()
    assert page.answer(prepare, selection=Selection(opened="notes")) == "notes"


def test_a_part_has_one_name_and_comes_before_the_listeners() -> None:
    page = Page()
    with page.blocks:
        for name in ("list", "more"):
            with pytest.raises(ValueError, match=name):
                page.panel.html(name)
        with pytest.raises(ValueError, match="no field 'walrus'"):
            page.panel.input("walrus", gr.Textbox())
    assert page.list.elem_id == "files-list"


def test_an_update_for_nothing_that_is_there_is_a_fault() -> None:
    page = Page()
    with page.blocks:
        page.panel.on([page.save.click], lambda selection: Result(selection, {"walrus": 1}))
    *_, lost = page.blocks.fns.values()
    with pytest.raises(gr.Error, match="Something went wrong"):
        page.answer(lost)


def test_what_a_listener_ends_is_ended_before_it_runs() -> None:
    """Gradio calls the listeners of one event one after the other: what began meanwhile would be ended, too."""
    with gr.Blocks() as blocks:
        panel = Panel("files", Selection(), draw=draw)
        asked = panel.on([gr.Button().click], press)
        stop = gr.Button()
        panel.on([stop.click], press, options={**QUIET, "cancels": [asked]})
    *before, listener = (fn for fn in blocks.fns.values() if (stop._id, "click") in fn.targets)
    assert [fn.cancels for fn in before if fn.cancels] == [[0]]
    assert (listener.fn is not None, listener.cancels) == (True, [])


def test_a_stopped_stream_says_nothing_more() -> None:
    """Its next piece knows nothing of the action that stopped it, and would write the state from before over it."""
    with gr.Blocks() as blocks:
        panel = Panel("files", Selection(), draw=draw)
        panel.html("list")
        panel.part("one", gr.Column(visible=False))
        counted = panel.on([gr.Button().click], count, given={"name": gr.Textbox()})
        panel.on([gr.Button().click], lambda selection: Selection("beside"))
        panel.on([gr.Button().click], lambda selection: Selection("instead"), options={"cancels": [counted]})
    stream, beside, *_, stop = blocks.fns.values()
    kept = {"selection": Selection(), "drawn": Drawn(), "stops": Stops()}
    goes_on, ends = stream.fn(name="n", **kept), stream.fn(name="n", **kept)
    assert next(goes_on)[0] == next(ends)[0] == Selection("n 1")
    assert beside.fn(**kept)[0] == Selection("beside")
    assert next(goes_on)[0] == Selection("n 2")
    assert stop.fn(**kept)[0] == Selection("instead")
    assert list(ends) == []
    assert [step[0].text for step in stream.fn(name="n", **kept)] == ["n 1", "n 2"]

"""Values of another kind than a field holds, and ids that no file could have: each gets a sentence, none a listener."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.compare.pane_models import pane_model
from studio.errors import DataError, RunError, StudioError
from studio.jobs.tasks import Evaluate
from studio.models.elsewhere import without_place
from studio.studio import Studio
from studio.ui.app import build_app
from studio.ui.compare import suggested_prompts
from studio.ui.compare.chat_state import Chat
from studio.ui.kit.actions import Action, read_action
from studio.ui.kit.components import picker, unchecked
from studio.ui.kit.errors import for_page
from studio.ui.kit.sent_values import MOST_CHOSEN, MOST_LETTERS_CHOSEN, fitting
from tests.ui.fake_studio import fake_studio

pytestmark = pytest.mark.security

NOT_TEXT: tuple[Any, ...] = ({"a": 1}, ["a"], 7, 1.5, True, "\ud800")
NOT_A_NUMBER: tuple[Any, ...] = ({}, [], [1], "7", True, float("nan"), float("inf"), 10**400, -1e300)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with fake_studio(tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(studio: Studio) -> gr.Blocks:
    return build_app(studio)


def a_picker() -> gr.Dropdown:
    return picker(label="Run", info="", elem_id="")


@pytest.mark.parametrize("value", [*NOT_TEXT, "x" * (MOST_LETTERS_CHOSEN + 1)])
def test_a_choice_is_text(value: Any) -> None:
    """Our dropdowns let every value through, so that a list came to the stores as the id of a run."""
    with pytest.raises(StudioError, match="'Run'"):
        fitting(a_picker(), value)


def test_nothing_chosen_is_none() -> None:
    """Gradio's dropdown sends an empty list where nothing is chosen; a listener took it for an id."""
    assert fitting(a_picker(), None) is None
    assert fitting(a_picker(), []) is None
    assert fitting(a_picker(), "from-before") == "from-before"


@pytest.mark.parametrize("value", ["a", {"a": 1}, 7, [None], [["a"]], [{}], ["\ud800"], ["a"] * (MOST_CHOSEN + 1)])
def test_several_choices_are_a_list_of_text(value: Any) -> None:
    """A list in a list came to the check of the modules of a run."""
    with pytest.raises(StudioError, match="'Modules'"):
        fitting(picker(label="Modules", info="", elem_id="", multiselect=True), value)


def test_the_kinds_that_fit_pass() -> None:
    assert fitting(picker(label="", info="", elem_id="", multiselect=True), None) == []
    assert fitting(gr.CheckboxGroup([("1", 1.0)]), [1.0]) == [1.0]
    assert fitting(gr.Number(), None) is None
    assert fitting(gr.Number(), 5e-4) == 5e-4
    assert fitting(gr.Checkbox(), True) is True
    assert fitting(gr.HTML(), [["a", None]]) == [["a", None]]


@pytest.mark.parametrize("value", NOT_TEXT)
def test_a_field_of_text_holds_text(value: Any) -> None:
    """Gradio makes the text "{'a': 1}" of an object."""
    with pytest.raises(StudioError, match="'Note'"):
        fitting(gr.Textbox(label="Note"), value)


def test_no_text_is_empty_text() -> None:
    """Pasting nothing, and a sheet without a name, ended in an AttributeError: 'NoneType' has no attribute 'strip'."""
    assert fitting(gr.Textbox(label="Note"), None) == ""


@pytest.mark.parametrize("value", NOT_A_NUMBER)
@pytest.mark.parametrize("kind", [gr.Number, gr.Slider, unchecked(gr.Number)])
def test_a_number_is_a_number(kind: type[Any], value: Any) -> None:
    """Text and lists came to `float()` in the listener, and NaN to `int()` in Gradio."""
    with pytest.raises(StudioError, match="'Seed' takes a number"):
        fitting(kind(label="Seed"), value)


def test_an_emptied_slider_has_a_sentence() -> None:
    """Gradio compares what a slider sends with its bounds, also nothing: a TypeError without a sentence."""
    with pytest.raises(StudioError, match="nothing was sent"):
        fitting(gr.Slider(label="Seed"), None)
    assert fitting(unchecked(gr.Slider)(label="Dropout"), None) is None


def test_half_a_character_is_found_anywhere() -> None:
    """It could be typed into rows and kept by the browser, and no file takes it."""
    with pytest.raises(StudioError):
        fitting(gr.HTML(label="Rows"), [["fine", "\udfff"]])
    with pytest.raises(StudioError):
        fitting(gr.BrowserState([]), [{"\ud800": 1}])
    assert read_action({"verb": "open", "key": "\ud800", "value": ""}) == Action()


@pytest.mark.parametrize("value", [{"a": 1}, [], None, 7])
@pytest.mark.parametrize("endpoint", ["run_status", "run_notice", "export_run"])
def test_a_program_gets_a_sentence(page: gr.Blocks, endpoint: str, value: Any) -> None:
    """Gradio describes the arguments of an endpoint, but does not check them: a list was looked up as a run's id."""
    listener = next(each for each in page.fns.values() if each.api_name == endpoint)
    values = [value, *["adapter"] * (len(listener.inputs) - 1)]
    with pytest.raises(gr.Error, match="takes text, but") as caught:
        asyncio.run(page.preprocess_data(listener, values, None))
    assert not caught.value.print_exception


def test_arguments_that_are_numbers(page: gr.Blocks) -> None:
    """A temperature of text came to the check of the bounds, which compares numbers."""
    listener = next(each for each in page.fns.values() if each.api_name == "ask")
    good = ["a-run", "Hello", "", 0.0, 160, 42]
    assert asyncio.run(page.preprocess_data(listener, good, None)) == good
    for place, wrong in ((3, "hot"), (3, None), (4, 1.5), (5, [])):
        with pytest.raises(gr.Error, match="takes a"):
            asyncio.run(page.preprocess_data(listener, [*good[:place], wrong, *good[place + 1 :]], None))


def test_too_few_values_have_a_sentence(page: gr.Blocks) -> None:
    """Gradio's own refusal writes every value that came into its message."""
    listener = next(each for each in page.fns.values() if each.api_name == "export_run")
    with pytest.raises(gr.Error, match="1 values were sent where 2 are needed"):
        asyncio.run(page.preprocess_data(listener, ["<b>"], None))


def test_every_listener_of_the_page_refuses_an_object(page: gr.Blocks) -> None:
    """One check stands before all of them; the file and what the browser keeps for itself have their own."""
    apart = {"state", "file", "uploadbutton", "html", "browserstate", "timer"}
    fields = {each._id: each for listener in page.fns.values() for each in listener.inputs}
    names = {each.get_block_name() for each in fields.values()}
    assert {"textbox", "dropdown", "number", "slider", "checkbox", "radio", "checkboxgroup", "api"} <= names
    for each in fields.values():
        if each.get_block_name() not in apart:
            with pytest.raises(StudioError):
                fitting(each, {"a": 1})


@pytest.mark.parametrize("letters", [256, 5000])
def test_an_id_longer_than_a_file_name_is_unknown(studio: Studio, letters: int) -> None:
    """The system refuses to look for such a file: "Something went wrong inside the studio"."""
    long = "a" * letters
    with pytest.raises(RunError, match="There is no run"):
        studio.runs.get(long)
    with pytest.raises(RunError, match="There is no run"):
        studio.runs.restore(long)
    with pytest.raises(DataError, match="There is no data set") as caught:
        studio.data.get(long)
    assert len(str(caught.value)) < 200
    with pytest.raises(RunError, match="is gone"):
        pane_model(studio, f"run:{long}")
    with pytest.raises(RunError, match="names no model"):
        pane_model(studio, f"run:a@{'9' * letters}")
    assert without_place(long).startswith("folder:")


def test_the_name_of_an_evaluation_is_no_longer_than_a_file_name(tmp_path: Path) -> None:
    """An evaluation is looked for as a file of its name."""
    with pytest.raises(RunError, match="is not an evaluation"):
        Evaluate(tmp_path, "a" * 250)


def test_an_idea_that_is_not_there() -> None:
    """The page's own state of the questions is empty until there are some: an IndexError."""
    with pytest.raises(RunError, match="no longer offered"):
        suggested_prompts.take(0, Chat())
    offered = Chat(system="Be brief.", suggested=(("Why?", ""),))
    assert suggested_prompts.take(0, offered) == replace(offered, prompt="Why?")


@pytest.mark.parametrize("error", [RunError("There is no run '\ud800'."), gr.Error("'\ud800' is no choice")])
def test_an_error_can_always_be_sent(error: Exception) -> None:
    """The server could not encode its own answer, and the page heard nothing."""
    assert "?" in for_page(error).message.encode("utf-8").decode()

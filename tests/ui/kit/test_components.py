from pathlib import Path

import gradio as gr
import pytest

from studio.config import setting_named
from studio.ui.kit import components, form
from studio.ui.kit.components import picker


@pytest.mark.parametrize(("multiselect", "value"), [(False, "from-before"), (True, ["down_proj"])])
def test_a_picker_takes_any_id_also_after_an_update(multiselect: bool, value: object) -> None:
    """Gradio makes a component again from its class when its choices are updated, as here; see gradio/blocks.py."""
    fresh = picker(label="Run", info="", elem_id="run", multiselect=multiselect)
    again = fresh.__class__(**{**fresh.constructor_args, "choices": [("One", "one")], "render": False})
    assert fresh.preprocess(value) == again.preprocess(value) == value
    assert again.preprocess(None) is None


def test_the_page_draws_it_as_what_it_is_made_from() -> None:
    made = picker(label="Run", info="", elem_id="run")
    assert isinstance(made, gr.Dropdown)
    assert made.get_block_name() == "dropdown"
    assert made.get_block_class() == "dropdown"
    assert not list(Path(components.__file__).parent.glob("*.pyi"))


def test_an_emptied_slider_reaches_the_check() -> None:
    slider = form.control("dropout")
    assert slider.preprocess(None) is None
    verdict = form.check_form(dropout=None)[0]
    assert verdict["message"] == "Dropout is empty. Enter a number."


def test_a_whole_number_is_not_rounded() -> None:
    assert form.control("epochs").preprocess(1.5) == 1.5
    assert form.read_config({"epochs": 3.0}).epochs == setting_named("epochs").default

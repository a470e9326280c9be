import gradio as gr

from studio.config import settings
from studio.studio import Studio
from studio.ui.app import build_app
from studio.ui.data import tab as data_tab
from studio.ui.data.view import PARTS
from studio.ui.kit import form


def test_every_part_has_its_place(studio: Studio) -> None:
    with gr.Blocks():
        tab = data_tab.build(studio)
    assert set(tab.shown) == set(PARTS)
    assert set(tab.held_out.controls) == set(form.HELD_OUT)
    assert set(data_tab.FOLLOWED) <= {setting.name for setting in settings()}


def test_nothing_is_wired_to_what_is_not_there(studio: Studio) -> None:
    page = build_app(studio)
    ids = [block.elem_id for block in page.blocks.values() if block.elem_id]
    assert len(ids) == len(set(ids)), "an id names one place"
    assert {"data-upload", "data-verdict", "data-preview", "data-problems", "setting-seed"} <= set(ids)

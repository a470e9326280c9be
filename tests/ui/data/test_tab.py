import json

from studio.config import settings
from studio.studio import Studio
from studio.ui.app import build_app
from studio.ui.data.state import ON_CONFIGURE, Selection
from studio.ui.kit import form


def test_every_field_that_a_component_holds_is_one_of_the_state() -> None:
    names = {setting.name for setting in settings()}
    assert {*ON_CONFIGURE, *form.HELD_OUT} <= names & vars(Selection()).keys()


def test_nothing_is_wired_to_what_is_not_there(studio: Studio) -> None:
    page = build_app(studio)
    ids = [block.elem_id for block in page.blocks.values() if block.elem_id]
    assert len(ids) == len(set(ids)), "an id names one place"
    assert {"data-upload", "data-verdict", "data-preview", "data-problems", "setting-seed"} <= set(ids)


def test_the_fields_of_typed_rows_are_the_last_that_a_listener_gets(studio: Studio) -> None:
    """The browser puts what is typed into the last place."""
    page = build_app(studio)
    (listener,) = [each for each in page.fns.values() if "readTypedRows" in json.dumps(each.js)]
    assert listener.inputs[-1].elem_id == "data-rows"


def test_a_page_that_was_not_drawn_yet_does_not_say_that_there_is_nothing(studio: Studio) -> None:
    """Whoever had data or runs read for a second that there are none."""
    page = build_app(studio)
    names = ("data-verdict", "train-status", "evaluate-status", "export-adapter_status", "export-merged_status")
    shown = {block.elem_id: getattr(block, "value", None) for block in page.blocks.values() if block.elem_id in names}
    assert set(shown.values()) == {""}
    assert {"data-verdict", "train-status", "evaluate-status"} <= shown.keys()

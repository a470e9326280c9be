"""The Compare tab as it is built and wired: what is on it, and which listener is called by what."""

import time
from collections.abc import Iterator

import gradio as gr
import pytest

from studio.studio import Studio
from studio.ui.app import build_app
from tests.ui.fake_studio import open_fake_studio


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gr.Blocks]:
    studio: Studio = open_fake_studio(tmp_path_factory.mktemp("home"), clock=time.time)
    built = build_app(studio)
    yield built
    built.close()


def ids(page: gr.Blocks) -> dict[str, gr.blocks.Block]:
    return {str(block.elem_id): block for block in page.blocks.values() if getattr(block, "elem_id", None)}


def test_there_are_four_panes_of_which_two_are_shown(page: gr.Blocks) -> None:
    shown = [getattr(ids(page)[f"compare-pane-{place}"], "visible", None) for place in range(1, 5)]
    assert shown == [True, True, False, False]


def test_every_field_has_a_name(page: gr.Blocks) -> None:
    fields = [
        block
        for name, block in ids(page).items()
        if name.startswith(("compare-", "sheet-", "vote-", "blend-"))
        and isinstance(block, gr.Textbox | gr.Dropdown | gr.Slider | gr.Number | gr.Checkbox | gr.Radio | gr.File)
    ]
    assert len(fields) > 30
    labels = [str(field.label) for field in fields]
    assert all(labels)


def test_asking_is_one_listener_so_that_one_page_asks_one_thing_at_a_time(page: gr.Blocks) -> None:
    """Two listeners that write the same conversation would lose what one of them wrote."""
    named = ids(page)
    asks = {named[name]._id for name in ("compare-send", "compare-again", "compare-replay", "compare-prompt")}
    found = [listener for listener in page.fns.values() if {target for target, _ in listener.targets} >= asks]
    assert len(found) == 1
    assert found[0].trigger_mode == "once"

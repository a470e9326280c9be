"""What a listener leaves alone costs nothing, and the rest reaches the page as Gradio itself sends it."""

import asyncio
import copy
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from studio.errors import StudioError
from studio.ui.kit.sent_values import CheckedPage, fitting


def answers(page: gr.Blocks, returned: Any) -> tuple[list[Any], SessionState]:
    """What the page sends for what its one listener returned, and what it keeps for the session."""
    state = SessionState(page)
    return asyncio.run(page.postprocess_data(next(iter(page.fns.values())), copy.deepcopy(returned), state)), state


def build(kind: type[gr.Blocks], count: int = 4) -> gr.Blocks:
    with kind() as page:
        outputs = [gr.Textbox(), gr.State(1), gr.Dropdown(["a", "b"], multiselect=True), gr.Number()][4 - count :]
        gr.Button().click(lambda: None, outputs=outputs)
    return page


@pytest.mark.parametrize(
    "returned",
    [
        ("text", 2, ["a"], 3),
        (gr.skip(), gr.skip(), gr.skip(), gr.skip()),
        (gr.skip(), 2, gr.skip(), 3),
        ("text", gr.skip(), gr.skip(), gr.skip()),
        (gr.skip(), gr.skip(), ["b"], gr.skip()),
        (gr.update(value="text", visible=False), gr.update(value=5), gr.update(choices=["c"]), gr.update(value=None)),
        gr.skip(),
    ],
)
def test_what_is_sent_and_kept_is_what_gradio_sends_and_keeps(returned: Any) -> None:
    plain, checked = build(gr.Blocks), build(CheckedPage)
    (expected, kept), (found, ours) = answers(plain, returned), answers(checked, returned)
    assert found == expected
    assert [ours[each] for each in checked.blocks if checked.blocks[each].stateful] == [
        kept[each] for each in plain.blocks if plain.blocks[each].stateful
    ]


@pytest.mark.parametrize("returned", [3, gr.skip(), gr.update(visible=False)])
def test_a_listener_with_one_output_returns_it_alone(returned: Any) -> None:
    assert answers(build(CheckedPage, 1), returned)[0] == answers(build(gr.Blocks, 1), returned)[0]


def test_a_list_is_the_value_of_one_output_and_not_a_list_of_outputs() -> None:
    with CheckedPage() as page:
        gr.Button().click(lambda: None, outputs=[gr.Dropdown(["a", "b"], multiselect=True)])
    assert answers(page, ["a"])[0] == [["a"]]


def test_too_few_outputs_are_still_a_fault() -> None:
    with pytest.raises(ValueError, match="enough output values"):
        answers(build(CheckedPage), ("text", 2))


def test_a_component_that_is_skipped_is_not_made_again() -> None:
    page = build(CheckedPage)
    _, state = answers(page, (gr.skip(), gr.skip(), gr.skip(), gr.update(visible=False)))
    changed = [id for id, block in state.blocks_config.blocks.items() if block is not page.blocks[id]]
    assert [page.blocks[id].get_block_name() for id in changed] == ["number"]


def file_at(path: object) -> dict[str, object]:
    return {"path": path, "orig_name": "x.csv", "meta": {"_type": "gradio.FileData"}}


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "uploads"
    (folder / "ab12").mkdir(parents=True)
    (folder / "ab12" / "x.csv").write_text("a,b\n")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


def test_a_file_of_the_server_is_not_taken_for_an_upload(uploads: Path, tmp_path: Path) -> None:
    """Gradio checks the place of a file only where it serves the page itself: a visitor could bring in any file."""
    secret = tmp_path / "secret.txt"
    secret.write_text("key")
    (uploads / "link").symlink_to(secret)
    beside = tmp_path / "uploads-beside"
    places = [str(secret), f"{uploads}/../secret.txt", str(uploads / "link"), str(beside), "x", "", None, 3, "a\0b"]
    for component in (gr.File(), gr.File(file_count="multiple"), gr.UploadButton(), gr.HTML(), gr.JSON()):
        for place in places:
            for value in (file_at(place), [file_at(place)], {"deep": [file_at(place)]}):
                with pytest.raises(StudioError, match="was not uploaded to this page"):
                    fitting(component, value)


def test_an_upload_is_taken(uploads: Path) -> None:
    given = [file_at(str(uploads / "ab12" / "x.csv"))]
    assert fitting(gr.File(file_count="multiple"), given) == given
    assert fitting(gr.File(), None) is None

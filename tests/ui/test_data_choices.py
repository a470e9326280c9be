from pathlib import Path

import pytest

from studio.errors import DataError
from studio.runs.studio import Studio
from studio.ui import data_actions, data_choices
from studio.ui.data_imports import follow
from studio.ui.presses import Press
from tests.ui.fake_studio import brought


@pytest.mark.case("28-encodings")
def test_an_encoding_that_is_not_sure_is_chosen_on_the_page(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_bytes("question,answer\n<b>id\u00f5,na\u00efve\n".encode("cp1252"))
    asked = brought(studio, path)
    made = data_choices.questions(asked.inspection.questions)
    assert '<option value="" selected>Choose one</option>' in made
    assert "&lt;b&gt;id\u0151" in made
    assert "<b>" not in made
    outcome = data_actions.read_with(studio, asked, Press("read-as", "encoding", "cp1250"), [])
    read = studio.datasets.get(follow(studio, outcome.started, []).dataset_id)
    assert (read.inspection.choices.encoding, read.inspection.usable) == ("cp1250", 1)
    assert "Choose one" not in data_choices.questions(read.inspection.questions)
    again = data_actions.read_with(studio, asked, Press("read-as", "encoding", "cp1250"), [])
    assert again.dataset_id == read.id
    with pytest.raises(DataError, match="not on offer"):
        data_actions.read_with(studio, asked, Press("read-as", "encoding", "rot13"), [])
    with pytest.raises(DataError, match="not on offer"):
        data_actions.read_with(studio, asked, Press("read-as", "sheet", "cp1250"), [])


@pytest.mark.case("34-wrappers")
def test_a_list_of_a_document_is_chosen_on_the_page(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "lists.json"
    path.write_text('{"people": [{"name": "Ann"}], "faq": [{"question": "<b>Why?", "answer": "So."}]}')
    asked = brought(studio, path)
    assert "&lt;b&gt;Why?" in data_choices.questions(asked.inspection.questions)
    outcome = data_actions.read_with(studio, asked, Press("read-as", "list", "faq"), [])
    read = studio.datasets.get(follow(studio, outcome.started, []).dataset_id)
    assert (read.inspection.choices.list, read.inspection.usable) == ("faq", 1)

from pathlib import Path

import pytest

from studio.errors import DataError
from studio.studio import Studio
from studio.ui.data import reading_options, requests
from studio.ui.data.imports import follow
from studio.ui.kit.actions import Action
from tests.ui.fake_studio import brought


@pytest.mark.case("28-encodings")
def test_an_encoding_that_is_not_sure_is_chosen_on_the_page(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_bytes("question,answer\n<b>id\u00f5,na\u00efve\n".encode("cp1252"))
    asked = brought(studio, path)
    made = reading_options.questions(asked.inspection.questions)
    assert '<option value="" selected>Choose one</option>' in made
    assert "&lt;b&gt;id\u0151" in made
    assert "<b>" not in made
    outcome = requests.read_with(studio, asked, Action("read-as", "encoding", "cp1250"), [])
    read = studio.data.get(follow(studio, outcome.started, []).dataset_id)
    assert (read.inspection.choices.encoding, read.inspection.usable) == ("cp1250", 1)
    assert "Choose one" not in reading_options.questions(read.inspection.questions)
    again = requests.read_with(studio, asked, Action("read-as", "encoding", "cp1250"), [])
    assert again.dataset_id == read.id
    with pytest.raises(DataError, match="not on offer"):
        requests.read_with(studio, asked, Action("read-as", "encoding", "rot13"), [])
    with pytest.raises(DataError, match="not on offer"):
        requests.read_with(studio, asked, Action("read-as", "sheet", "cp1250"), [])


@pytest.mark.case("34-wrappers")
def test_a_list_of_a_document_is_chosen_on_the_page(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "lists.json"
    path.write_text('{"people": [{"name": "Ann"}], "faq": [{"question": "<b>Why?", "answer": "So."}]}')
    asked = brought(studio, path)
    assert "&lt;b&gt;Why?" in reading_options.questions(asked.inspection.questions)
    outcome = requests.read_with(studio, asked, Action("read-as", "list", "faq"), [])
    read = studio.data.get(follow(studio, outcome.started, []).dataset_id)
    assert (read.inspection.choices.list, read.inspection.usable) == ("faq", 1)

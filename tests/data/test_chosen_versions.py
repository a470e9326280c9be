from pathlib import Path

import pytest

from studio.data.chosen_versions import NAME, ChosenVersions, read_chosen, write_chosen


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    assert read_chosen(tmp_path) == ChosenVersions()
    chosen = ChosenVersions().with_choice("a", "a-2", families={"a"}).with_choice("b", "b-1", families={"a", "b"})
    write_chosen(tmp_path, chosen)
    found = read_chosen(tmp_path)
    assert (found.last, found.of("a"), found.of("b"), found.of("c")) == ("b", "a-2", "b-1", "")


def test_a_choice_takes_the_place_of_the_one_before_and_those_of_gone_sets_go() -> None:
    chosen = ChosenVersions().with_choice("a", "a-2", families={"a"}).with_choice("a", "a-1", families={"a"})
    assert (len(chosen.versions), chosen.of("a")) == (1, "a-1")
    assert chosen.with_choice("b", "b-1", families={"b"}).of("a") == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '{"versions": [1]}', '{"last": 5}'])
def test_a_damaged_file_counts_as_no_choice(text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / NAME).write_text(text, encoding="utf-8")
    assert read_chosen(tmp_path) == ChosenVersions()
    assert "cannot be read" in caplog.text

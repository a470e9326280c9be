"""Several lists of rows in one JSON document: splits, told by their names, and others, which are asked about."""

import json
from pathlib import Path

import pytest

from studio.data.inspection import inspect_files
from studio.data.reading_choices import Choices
from studio.data.sources.readers import Source, open_source
from studio.errors import DataError

pytestmark = pytest.mark.case("34-wrappers")
TRAIN = [{"question": f"Why {n}?", "answer": f"So {n}."} for n in range(3)]
TEST = [{"question": "Who?", "answer": "Me."}]


def columns(rows: list[dict[str, str]]) -> dict[str, list[str]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def read(path: Path, value: object, *, indent: int | None = None, **choices: str) -> tuple[Source, list[object]]:
    file = path / "data.json"
    file.write_text(json.dumps(value, indent=indent))
    with open_source([file], choices=Choices(**choices)) as source:
        return source, [dict(row.cells) for row in source.rows()]  # type: ignore[union-attr]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "value",
    [
        {"train": TRAIN, "validation": TEST},
        {"version": "1", "data": {"train": TRAIN, "dev": TEST}},
        {"train": columns(TRAIN), "test": columns(TEST)},
        {"train": {str(n): row for n, row in enumerate(TRAIN)}, "val": {"0": TEST[0], "1": TEST[0]}},
        {"Training": [list(row.values()) for row in TRAIN], "Valid": [list(row.values()) for row in TEST]},
        {"examples": TRAIN, "test_set": TEST},
    ],
)
def test_the_list_for_training_is_read_and_that_for_tests_on_demand(
    value: object, indent: int | None, tmp_path: Path
) -> None:
    source, rows = read(tmp_path, value, indent=indent)
    assert rows == TRAIN
    assert "was not read" in source.notes[0]
    assert [(each.about, each.is_open) for each in source.questions] == [("splits", False), ("list", False)]
    _, every = read(tmp_path, value, indent=indent, splits="all")
    assert every[:4] == TRAIN + TEST
    name = source.questions[1].options[1].value
    _, held_out = read(tmp_path, value, indent=indent, list=name)
    assert held_out[0] == TEST[0]


def test_other_lists_beside_splits_are_named_and_never_joined(tmp_path: Path) -> None:
    source, rows = read(tmp_path, {"train": TRAIN, "test": TEST, "labels": [{"id": 1}]}, splits="all")
    assert rows == TRAIN + TEST
    assert source.notes == ("The rows are those of the lists 'train', 'test'; 'labels' was not read.",)


def test_of_lists_with_other_names_a_person_chooses_one(tmp_path: Path) -> None:
    """Nothing could be done but to write another file."""
    value = {"users": [{"id": 1, "name": "Ann"}], "faq": TRAIN}
    path = tmp_path / "data.json"
    path.write_text(json.dumps(value))
    found, _ = inspect_files([path], into=tmp_path / "examples.jsonl")
    assert (found.usable, found.verdict) == (
        0,
        "The JSON holds several lists: 'users', 'faq'. Choose the one to learn from.",
    )
    (question,) = found.questions
    assert question.is_open
    assert question.options[0].lines == ('{"id": 1, "name": "Ann"}',)
    chosen, _ = inspect_files([path], into=tmp_path / "again.jsonl", choices=Choices(list="faq"))
    assert (chosen.usable, chosen.questions[0].chosen) == (3, "faq")
    with pytest.raises(DataError, match="no list 'other'"):
        read(tmp_path, value, list="other")


def test_splits_for_tests_alone_are_read(tmp_path: Path) -> None:
    source, rows = read(tmp_path, {"validation": TRAIN, "test": TEST})
    assert rows == TRAIN + TEST
    assert source.notes == ("The rows are those of the lists 'validation', 'test'.",)


def test_lists_in_rows_are_no_tables(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({"train": TRAIN, "test": TEST}) for _ in range(2))
    (tmp_path / "rows.jsonl").write_text(lines)
    with open_source([tmp_path / "rows.jsonl"]) as source:
        assert (source.columns, source.questions) == (("train", "test"), ())


def test_a_name_with_half_a_character_can_be_chosen(tmp_path: Path) -> None:
    source, _ = read(tmp_path, {"a\ud800": TEST, "b": TRAIN})
    name = source.questions[0].options[1].value
    assert read(tmp_path, {"a\ud800": TEST, "b": TRAIN}, list=name)[1] == TEST


def test_lists_with_the_same_fields_can_all_be_read(tmp_path: Path) -> None:
    source, _ = read(tmp_path, {"care": TRAIN, "kitchen": TEST})
    assert [option.value for option in source.questions[0].options] == ["*", "care", "kitchen"]
    source, rows = read(tmp_path, {"care": TRAIN, "kitchen": TEST}, list="*")
    assert (rows, source.questions[0].chosen) == (TRAIN + TEST, "*")
    with pytest.raises(DataError, match=r"no list '\*'"):
        read(tmp_path, {"users": [{"id": 1}], "faq": TRAIN}, list="*")


def test_a_list_of_conversations_is_one_of_the_lists(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    source, _ = read(tmp_path, {"users": [{"id": 1}], "chats": [turns, turns]})
    assert [option.value for option in source.questions[0].options] == ["users", "chats"]
    _, rows = read(tmp_path, {"users": [{"id": 1}], "chats": [turns, turns]}, list="chats")
    assert rows == [{"messages": turns}] * 2

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.data.scoring.json_answers import field_match, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
ANSWERS = st.lists(VALUES, max_size=3) | st.dictionaries(st.text(max_size=3), VALUES, max_size=3)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (" [1, 2]\n", [1, 2]),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("```\n[]\n```\n", []),
        ('```json\r\n{"a": "```"}\r\n```', {"a": "```"}),
        ("{}", {}),
    ],
)
def test_reads_objects_and_arrays_also_out_of_a_fence(text: str, value: object) -> None:
    assert read_json(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        '"text"',
        "null",
        '{"a": 1',
        '{"a": NaN}',
        "[Infinity]",
        "{'a': 1}",
        '{"a": 1} or so',
        'Here it is: {"a": 1}',
        '```json\n{"a": 1}',
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
    ],
)
def test_anything_else_is_no_json_answer(text: str) -> None:
    assert read_json(text) is None


@pytest.mark.parametrize(
    ("answer", "expected", "match"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, 1.0),
        ({"a": 1}, {"a": 1, "b": 2}, 2 / 3),
        ({"a": 1, "b": 2, "c": 3, "d": 4}, {"a": 1, "b": 3}, 2 / 6),
        ({"a": 1.0}, {"a": 1}, 1.0),
        ({"a": True}, {"a": 1}, 0.0),
        ({"a": "1"}, {"a": 1}, 0.0),
        ({"a": " x\n"}, {"a": "x"}, 1.0),
        ({"a": "X"}, {"a": "x"}, 0.0),
        ({"a": None}, {"a": None}, 1.0),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, 0.5),
        ([0, 1, 2], [1, 2], 0.0),
        ([1, 2, 9], [1, 2], 4 / 5),
        ({"0": 1}, [1], 0.0),
        ({}, {}, 1.0),
        ({}, [], 0.0),
        ({"a": []}, {"a": {}}, 0.0),
        ({"a": []}, {"a": [1]}, 0.0),
    ],
)
def test_fields_that_match(answer: object, expected: object, match: float) -> None:
    assert field_match(answer, expected) == pytest.approx(match)
    assert field_match(expected, answer) == pytest.approx(match)


@given(ANSWERS, ANSWERS)
def test_all_fields_of_what_was_written_and_read_match(one: object, other: object) -> None:
    read = read_json(json.dumps(one))
    assert read is not None
    assert field_match(read, one) == 1
    assert 0 <= field_match(one, other) <= 1
    assert field_match(one, other) == field_match(other, one)

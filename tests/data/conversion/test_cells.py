import json
from decimal import Decimal

import pytest

from studio.data.conversion.cells import UnusableError, is_empty, is_writable, listed, opened, quoted, text_in


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (" as it stands\n", " as it stands\n"),
        (None, ""),
        (float("nan"), ""),
        (Decimal("NaN"), ""),
        (0, "0"),
        (2.5, "2.5"),
        (Decimal("1.10"), "1.10"),
        (False, "false"),
        (["one"], "one"),
        (["one", "", "one"], "one"),
        ([None], ""),
        ([], ""),
        ({"text": ["Paris", "Paris"], "answer_start": [1, 1]}, "Paris"),
        ({"text": "one"}, "one"),
        ([{"text": "one"}], "one"),
    ],
)
def test_what_a_cell_says(cell: object, text: str) -> None:
    assert text_in(cell, "The cell") == text


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (["one", "two"], "The cell holds several values, and only one text can be learned."),
        ({"a": 1}, "The cell holds an object and not a text."),
        ([[[[["deep"]]]]], "The cell holds a list and not a text."),
        (b"x", "The cell holds binary data and not a text."),
        pytest.param(10**5000, "The cell holds a number that is too long.", id="long number"),
    ],
)
def test_what_is_no_text(cell: object, reason: str) -> None:
    with pytest.raises(UnusableError) as caught:
        text_in(cell, "The cell")
    assert (caught.value.kind, caught.value.text) == ("not-text", reason)


def test_what_is_empty() -> None:
    assert all(map(is_empty, (None, "", " \n", [], {}, float("nan"))))
    assert not any(map(is_empty, (0, False, "x", [None], {"a": None})))


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ('[{"a": null}]', [{"a": None}]),
        (' {"a": 1}', {"a": 1}),
        ("[{'a': None, 'b': 'it\\'s \\n'}]", [{"a": None, "b": "it's \n"}]),
        ("[{'a': 'x'}\n {'a': 'y'}]", [{"a": "x"}, {"a": "y"}]),
    ],
)
def test_lists_and_objects_written_as_text(cell: str, found: object) -> None:
    assert opened(cell) == found


@pytest.mark.parametrize(
    "cell",
    [
        "[broken",
        "[x for x in 'abc']",
        "{'a': open('/etc/passwd')}",
        "[" * 100_000,
        "['" + "[" * 100_000,
        "['a', " + "-" * 100_000 + "1]",
        "['a', " + "(" * 100_000,
        "['\\d is no escape']",
        "['a'" + ", 1" * 200_000 + "]",
        "{'a', 'b'}",
        "[link](https://x)",
        "",
        5,
        None,
    ],
)
def test_everything_else_stays_as_it_stands(cell: object) -> None:
    assert opened(cell) == cell


def test_deep_json_is_no_trouble() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert opened(deep) == deep
    assert opened(json.dumps([[1]])) == [[1]]


def test_words_for_sentences() -> None:
    assert quoted("half \ud83d") == "'half ?'"
    assert quoted("x" * 50) == "'" + "x" * 40 + "...'"
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(number) for number in range(20)], 3) == "0, 1, 2 and 17 more"
    assert is_writable("é😀")
    assert not is_writable("\udc00")

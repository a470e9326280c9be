import pytest

from studio.data.python_values import python_value


@pytest.mark.case("14-python-repr-in-csv")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[{'a': None}, {'a': 'it\\'s'}]", [{"a": None}, {"a": "it's"}]),
        ("[{'a': 1}\n {'a': 2}]", [{"a": 1}, {"a": 2}]),
        ("[{'a': array([{'b': 'x'}], dtype=object)}\n {'a': 2}]", [{"a": [{"b": "x"}]}, {"a": 2}]),
        ("{'when': Timestamp('2026-05-04', tz='UTC'), 'x': nan}", {"when": "2026-05-04", "x": None}),
        ("{'a': np.float64(0.5), 'b': -1.5}", {"a": 0.5, "b": -1.5}),
        ("{'a': ('x', 1)}", {"a": ("x", 1)}),
    ],
)
def test_how_python_and_numpy_print(text: str, value: object) -> None:
    assert python_value(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "'a'",
        "['a', b]",
        "[open]",
        "[open('x')]",
        "['a'",
        "['a'] + ['b']",
        "['\\q']",
        "[" * 60 + "'a'",
        "[" + "'a'," * 90_000 + "]",
    ],
)
def test_what_is_not_plain_is_none(text: str) -> None:
    assert python_value(text) is None

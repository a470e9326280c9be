from dataclasses import dataclass, field

import pytest

from studio import codec
from studio.codec import OLDER_NAME, dumps, loads
from studio.config import RunConfig


@dataclass(frozen=True)
class Inner:
    name: str
    size: int = 3


@dataclass(frozen=True)
class Outer:
    inner: Inner
    parts: tuple[Inner, ...] = ()
    pair: tuple[int, str] = (1, "a")
    share: float = 0.5
    maybe: Inner | None = None


def test_what_is_written_is_read_back() -> None:
    value = Outer(inner=Inner("é\n"), parts=(Inner("a", 1), Inner("b")), maybe=Inner("c"))
    assert codec.loads(Outer, codec.dumps(value)) == value
    assert "\n" not in codec.dumps(value)
    config = RunConfig(chosen_modules=("q_proj",), learning_rate=1)
    assert codec.loads(RunConfig, codec.dumps(config)) == config


def test_unknown_keys_are_passed_over_and_missing_ones_take_their_default() -> None:
    assert codec.from_plain(Outer, {"inner": {"name": "x", "colour": "red"}, "new": 1}) == Outer(inner=Inner("x"))


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"inner": "x"},
        {"inner": {"name": 1}},
        {"inner": {"name": "x"}, "parts": {}},
        {"inner": {"name": "x", "size": True}},
        {},
    ],
)
def test_the_wrong_shape_is_refused(wrong: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        codec.from_plain(Outer, wrong)


def test_a_number_that_is_not_finite_is_no_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        codec.dumps(Outer(inner=Inner("x"), share=float("nan")))


@dataclass(frozen=True)
class Renamed:
    """A class with a field that older studios wrote under another name."""

    new: int = field(default=0, metadata={OLDER_NAME: "old"})


@pytest.mark.parametrize(("text", "value"), [('{"old": 3}', 3), ('{"new": 4, "old": 3}', 4), ("{}", 0)])
def test_a_field_is_read_under_its_older_name(text: str, value: int) -> None:
    assert loads(Renamed, text) == Renamed(value)
    assert dumps(Renamed(value)) == f'{{"new":{value}}}'

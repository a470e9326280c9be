import pytest

from studio.wording import counted, duration, listed, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (44, "less than a minute"),
        (50, "about 1 minute"),
        (170, "about 3 minutes"),
        (3_500, "about 58 minutes"),
        (3_599, "about 1 hour"),
        (7_900, "about 2 hours 10 minutes"),
        (11 * 3600, "about 11 hours"),
        (47.9 * 3600, "about 2 days"),
        (100 * 3600, "about 4 days"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 bytes"), (999, "999 bytes"), (92_900_000, "92.9 MB"), (20e9, "20.0 GB")]
)
def test_size(count: float, words: str) -> None:
    assert size(count) == words


def test_counted() -> None:
    assert [counted(number, "step") for number in (1, 2, 1200)] == ["1 step", "2 steps", "1,200 steps"]


def test_names_are_listed_as_in_a_sentence() -> None:
    assert [listed(names) for names in (("a",), ("a", "b"), ("a", "b", "c"))] == ["a", "a and b", "a, b and c"]

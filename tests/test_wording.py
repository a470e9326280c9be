import pytest

from studio.wording import between, brief_duration, counted, duration, listed, size


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


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [
        (10, 40, "under 1 min"),
        (20, 100, "up to 2 min"),
        (130, 290, "2 to 5 min"),
        (185, 235, "3 to 4 min"),
        (200, 3_000, "up to 50 min"),
        (180, 180, "about 3 min"),
        (1_300, 2_600, "20 to 45 min"),
        (6_000, 10_000, "1.5 to 3 h"),
        (30_000, 80_000, "8 to 23 h"),
        (200_000, 400_000, "2 to 5 days"),
        (1e9, 1e10, "more than a hundred years"),
    ],
)
def test_a_time_that_is_known_only_so_well_is_a_range(least: float, most: float, words: str) -> None:
    assert between(least, most) == words


@pytest.mark.parametrize(
    ("seconds", "text"), [(41.6, "42 s"), (200, "3 min 20 s"), (60, "1 min"), (1500, "25 min"), (7500, "2 h 5 min")]
)
def test_brief_duration(seconds: float, text: str) -> None:
    assert brief_duration(seconds) == text

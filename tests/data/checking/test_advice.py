import re

import pytest

from studio.data.checking.advice import coaching

SIZES = (0, 1, 2, 19, 20, 99, 100, 999, 1000, 19_999, 20_000, 199_999, 200_000, 5_000_000)


@pytest.mark.parametrize("usable", SIZES)
def test_says_something_about_every_size(usable: int) -> None:
    said = coaching(usable)
    assert said.endswith(".")
    assert not usable or said.startswith(f"{usable:,} example")
    assert "1 examples" not in said


@pytest.mark.parametrize("usable", SIZES)
def test_invents_no_times(usable: int) -> None:
    assert not re.search(r"second|minute|hour|day", coaching(usable, tokens=usable * 500))


def test_every_range_has_its_own_words() -> None:
    sizes = (0, 5, 50, 500, 5000, 50_000, 500_000)
    assert len({re.sub(r"[\d,]+ examples?", "", coaching(usable)) for usable in sizes}) == len(sizes)


def test_very_short_examples_need_more() -> None:
    assert "very short" in coaching(50, tokens=50 * 10)
    assert "very short" not in coaching(50, tokens=50 * 100)
    assert "very short" not in coaching(50)

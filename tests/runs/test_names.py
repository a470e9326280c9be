import random
import re

import pytest

from studio.runs.names import memorable_name, slug


def test_a_name_is_memorable_and_decided_by_chance() -> None:
    assert re.fullmatch(r"[a-z]+-[a-z]+", memorable_name(random.Random(1)))
    assert memorable_name(random.Random(1)) == memorable_name(random.Random(1))


def test_a_taken_name_is_avoided() -> None:
    first = memorable_name(random.Random(1))
    assert memorable_name(random.Random(1), {first}) != first


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("My first run!", "my-first-run"),
        ("../../etc", "etc"),
        ("Überraschung 2", "uberraschung-2"),
        ("голос", "run"),
        ("", "run"),
        ("x" * 39 + " y", "x" * 39),
    ],
)
def test_slug(name: str, expected: str) -> None:
    assert slug(name) == expected

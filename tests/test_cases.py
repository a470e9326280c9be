"""The table of the cases says wrong as soon as one test of a case fails, and not run where none was."""

from collections import Counter

from tests.cases import table


def test_a_case_is_right_only_when_every_test_of_it_passed() -> None:
    found = table(
        {
            "28-encodings": Counter(passed=3),
            "04-nulls": Counter(passed=2, failed=1),
            "61-four": Counter(skipped=1),
        }
    )
    assert [line.split() for line in found.splitlines()] == [
        ["wrong", "04-nulls", "2", "of", "3", "tests"],
        ["right", "28-encodings", "3", "of", "3", "tests"],
        ["not", "run", "61-four", "0", "of", "1", "tests"],
    ]

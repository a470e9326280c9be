"""Print right or wrong for each kind of fault that people's own files, models and exports showed.

`python -m tests.cases` runs the tests that carry the mark `case(name)`; more arguments go on to pytest.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest


class Verdicts:
    """A plugin of pytest that keeps how the tests of each case ended."""

    def __init__(self) -> None:
        self.of: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._cases: dict[str, list[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave the tests that belong to a case."""
        self._cases = {item.nodeid: [str(mark.args[0]) for mark in item.iter_markers("case")] for item in items}
        items[:] = [item for item in items if self._cases[item.nodeid]]

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count a test once: as it was called, or as what went wrong around it."""
        if report.when == "call" or report.outcome != "passed":
            for case in self._cases[report.nodeid]:
                self.of[case][report.outcome] += 1


def table(verdicts: dict[str, Counter[str]]) -> str:
    """One line for each case: its name, right or wrong or not run, and how many tests that rests on."""
    lines = []
    for name, counts in sorted(verdicts.items()):
        said = "wrong" if counts["failed"] else "right" if counts["passed"] else "not run"
        lines.append(f"{said:8} {name:28} {counts['passed']:3} of {counts.total():3} tests")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run the cases, print the table, and give pytest's exit status."""
    verdicts = Verdicts()
    status = pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", *arguments], plugins=[verdicts])
    sys.stdout.write(f"\n{table(verdicts.of)}\n")
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

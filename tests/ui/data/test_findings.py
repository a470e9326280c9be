from dataclasses import replace
from pathlib import Path

import numpy as np

from studio.config import RunConfig
from studio.data.checking.findings import Finding, Fix
from studio.data.length_findings import length_findings
from studio.data.reading_choices import Change
from studio.data.rows import RowProblem
from studio.data.tokenizing.tokens import TokenCounts
from studio.studio import Studio
from studio.ui.data import findings as data_findings
from studio.ui.data.findings import changes, finding, findings, next_place, problems
from tests.ui.fake_studio import brought

COPIES = Finding(
    "copies",
    "warning",
    "2 <b>copies</b>",
    "The same & the same.",
    2,
    (3, 7),
    (),
    (Fix("drop-duplicates", "Keep one"),),
)


def test_a_finding_has_its_buttons() -> None:
    made = finding(COPIES)
    assert 'data-verb="show" data-key="copies"' in made
    assert 'data-verb="fix" data-key="drop-duplicates"' in made
    assert "2 &lt;b&gt;copies&lt;/b&gt;" in made
    assert 'class="ls-warning"' in made


def test_rows_that_are_not_examples_are_named() -> None:
    made = finding(Finding("empty", "info", "Empty", "x", 12, (), tuple(range(1, 13))))
    assert "Rows 1, 2, 3, 4, 5, 6, 7, 8 and 4 more" in made
    assert "Show" not in made


def test_the_gravest_comes_first(studio: Studio, table: Path) -> None:
    inspection = replace(brought(studio, table).inspection, findings=(COPIES,))
    made = findings(inspection, extra=[Finding("keys", "bad", "A key", "", 1), Finding("few", "info", "Few", "", 1)])
    assert made.index("A key") < made.index("copies") < made.index("Few")


def test_what_the_result_can_be_used_for_is_not_folded_away(studio: Studio, table: Path) -> None:
    """Copies, e-mail addresses and telephone numbers stood in sight, and that it will invent prices did not."""
    others = [replace(COPIES, kind=f"other-{n}", title=f"Other {n}") for n in range(3)]
    facts = Finding("facts", "warning", "The answers hold facts", "", 28)
    made = findings(replace(brought(studio, table).inspection, findings=(*others, facts)))
    assert made.index("The answers hold facts") < made.index("Other 0")
    worse = findings(replace(brought(studio, table).inspection, findings=(replace(COPIES, level="bad"), facts)))
    assert worse.index("copies") < worse.index("The answers hold facts")


def test_nothing_found_is_said(studio: Studio, table: Path) -> None:
    assert "Nobody checked whether the answers are true" in findings(
        replace(brought(studio, table).inspection, findings=())
    )


def test_show_goes_from_one_to_the_next_and_round() -> None:
    assert [next_place([COPIES], "copies", after=after) for after in (-1, 3, 5, 7)] == [3, 7, 7, 3]
    assert next_place([COPIES], "nothing", after=0) is None


def test_changes_can_be_undone() -> None:
    made = changes((Change("drop-duplicates", (), 12),))
    assert "12 exact copies" in made
    assert 'data-verb="undo" data-key="drop-duplicates"' in made
    assert changes(()) == ""


def test_rows_left_out_are_grouped_and_listed(studio: Studio, table: Path) -> None:
    inspection = brought(studio, table).inspection
    assert "Row 13" in problems(inspection)
    assert data_findings.left_out_label(inspection) == "Rows left out (2)"
    many = tuple(RowProblem(row, f"<i>Reason {row % 2}</i>", "a<b.csv") for row in range(50))
    made = problems(replace(inspection, problems=many, left_out=5000))
    assert "<b>25 rows</b>" in made
    assert "and 4,980 more" in made
    assert "<i>Reason" not in made
    assert "a&lt;b.csv" in made


def test_what_the_verdict_says_is_not_said_twice(studio: Studio, table: Path) -> None:
    few = Finding("few-examples", "warning", "Very few", "", 10)
    assert "Very few" not in findings(replace(brought(studio, table).inspection, findings=(COPIES, few)))


def test_beyond_the_first_findings_open(studio: Studio, table: Path) -> None:
    inspection = replace(brought(studio, table).inspection, findings=())
    many = [replace(COPIES, kind=f"copies-{n}") for n in range(5)]
    shown, _, more = findings(inspection, extra=many).partition("<details")
    assert (shown.count("<li"), more.count("<li")) == (3, 2)
    assert "<summary>2 more</summary>" in more
    assert "<details" not in findings(inspection, extra=many[:3])


def test_what_is_too_long_is_a_finding_and_the_file_does_not_simply_read_well() -> None:
    """One of 13 examples was lost for its length, and the checks were green and silent."""
    numbers = np.array([10, 2000, 20, 3000])
    counts = TokenCounts(numbers, numbers, numbers)
    (found,) = length_findings(counts, RunConfig(max_length=512))
    assert (found.title, found.places) == ("2 examples too long, skipped in the training", (1, 3))
    (cut,) = length_findings(counts, RunConfig(max_length=2000, overlong="cut"))
    assert cut.title == "1 example too long, shortened for the training"
    assert length_findings(counts, RunConfig(max_length=3000)) == length_findings(None, RunConfig()) == ()

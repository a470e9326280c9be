from dataclasses import replace
from pathlib import Path

from studio.data.tokenizing.tokens import TokenStatistics
from studio.studio import Studio
from studio.ui.data.cards import how_read, verdict
from tests.ui.fake_studio import brought

TOKENS = TokenStatistics(longest=90, median=20, total=200, learned=100, too_long=0)


def test_the_verdict_in_one_line(studio: Studio, table: Path) -> None:
    whole = brought(studio, table).inspection
    clean = replace(whole, left_out=0, findings=())
    assert "ls-good" in verdict(replace(clean, usable=20), "")
    assert "ls-quiet" in verdict(clean, ""), "few examples are no trouble, and no success either"
    assert "Not ready yet. Choose &lt;b&gt;" in verdict(whole, "Choose <b>")
    assert "Ready: 7 of 10 examples" in verdict(whole, "", TOKENS, fitting=7)
    assert "ls-bad" in verdict(whole, "", TOKENS, fitting=0)


def test_amber_is_for_what_is_not_ready(studio: Studio, table: Path) -> None:
    """Ready and not ready had the same colour where rows were left out."""
    whole = replace(brought(studio, table).inspection, usable=40)
    assert "ls-notice ls-good" in verdict(whole, "")
    assert "ls-notice ls-good" in verdict(whole, "", TOKENS, fitting=7)
    assert "ls-notice ls-warning" not in verdict(whole, "", TOKENS, fitting=7)
    assert "<span>2 rows left out.</span>" in verdict(whole, "")
    assert "33 examples too long or not readable for the model, see Length and tokens." in verdict(
        whole, "", TOKENS, fitting=7
    )
    assert "1 example too long" in verdict(whole, "", TOKENS, fitting=39), "the others were too long, all one of them"
    assert "ls-notice ls-warning" in verdict(whole, "Choose a column.")


def test_the_coaching_stands_below(studio: Studio, table: Path) -> None:
    assert "very few" in verdict(brought(studio, table).inspection, "")


def test_what_was_not_read_stands_beside_the_verdict(studio: Studio, table: Path) -> None:
    """A sheet was left unread, and the page was plain green."""
    note = "Read the sheet 'A', which has the most rows; 'B' was not read."
    whole = replace(brought(studio, table).inspection, usable=40, left_out=0, findings=(), notes=(note,))
    assert "ls-line ls-warning" in verdict(whole, "")
    assert "was not read" not in how_read(whole)
    assert "was not read" in how_read(replace(whole, verdict="Choose a column."))


def test_how_it_was_read_is_text(studio: Studio, table: Path) -> None:
    inspection = replace(brought(studio, table).inspection, notes=("<b>Read</b>",), files=tuple("abcdef"))
    made = how_read(inspection)
    assert "12 rows of CSV in a and 5 more files." in made
    assert "<b>Read" not in made

"""Scores as the page and the report show them: numbers in their units, intervals, and how sure a change is."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from studio.jobs.evaluation_report import (
    CLEARLY_BETTER,
    CLEARLY_WORSE,
    NO_CLEAR_DIFFERENCE,
    TOO_FEW_ROWS,
    Estimate,
    Figure,
    Part,
    beside,
)
from studio.jobs.verdicts import plain_name, rows_needed
from studio.ui.kit import fragments
from studio.ui.kit.fragments import Row

_KINDS = {CLEARLY_BETTER: "good", CLEARLY_WORSE: "bad", NO_CLEAR_DIFFERENCE: "quiet", TOO_FEW_ROWS: "warning"}
"""The kind of badge for each verdict on a change."""

COLUMNS = ("Score", "Base", "Tuned", "Change", "Confidence", "Rows")
_DIGITS = {"share": 1, "score": 1, "loss": 3, "perplexity": 2}


@dataclass(frozen=True)
class Certainty:
    """How sure a change is, in a few words. `kind` is that of a badge; `title` gives the p value."""

    kind: str = "quiet"
    words: str = ""
    title: str = ""


def number(value: float, unit: str) -> str:
    """Write a value in its unit: "41.2 %" for a share, "41.2" for a score, "1.234" for a loss."""
    return f"{_rounded(value, unit):.{_DIGITS.get(unit, 3)}f}{' %' if unit == 'share' else ''}"


def difference(value: float, unit: str) -> str:
    """Write a change with its sign: "+3.1 points" for shares, "-0.120" for losses, "0.0" for none."""
    rounded = _rounded(value, unit)
    sign = "+" if rounded > 0 else ""
    return f"{sign}{rounded:.{_DIGITS.get(unit, 3)}f}{' points' if unit == 'share' else ''}"


def _rounded(value: float, unit: str) -> float:
    # Adding zero turns -0.0 into 0.0.
    return round(100 * value if unit == "share" else value, _DIGITS.get(unit, 3)) + 0.0


def interval(estimate: Estimate, unit: str, *, signed: bool = False) -> str:
    """Write the ends of an interval: "38.0 to 44.3"."""
    ends = (
        (difference if signed else number)(estimate.low, unit),
        (difference if signed else number)(estimate.high, unit),
    )
    low, high = (end.removesuffix(" %").removesuffix(" points") for end in ends)
    return f"{low} to {high}"


def certainty(figure: Figure) -> Certainty:
    """Put the p value of a figure's change in words; nothing where there is none."""
    if figure.p_value is None or figure.change is None:
        return Certainty()
    needed = rows_needed(figure)
    enough = f" About {needed:,} rows would show a change of this size." if needed else ""
    title = (
        f"{p_in_words(figure.p_value)}: how often a change at least this large would come from luck alone, by a "
        f"paired test on the same rows.{enough}"
    )
    return Certainty(_KINDS[figure.verdict], figure.verdict, title)


def in_a_sentence(title: str) -> str:
    """Write a title inside a sentence: "accuracy", but "ROUGE-L" and "chrF" as they are."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def p_in_words(p_value: float) -> str:
    """Write a p value: "p = 0.031", "p below 0.001"."""
    return "p below 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def table(figures: Sequence[Figure], *, main: str = "", name: str = "Scores") -> Markup:
    """Draw the figures in a table, the main one first. On a narrow screen each row becomes a card."""
    ordered = sorted(figures, key=lambda figure: figure.name != main)
    rows = [
        _row(figure, is_main=figure.name == main, likelier=beside(figure, figures) if figure.name == main else None)
        for figure in ordered
    ]
    return fragments.table("ls-figures", COLUMNS, rows, name=name)


def _row(figure: Figure, *, is_main: bool, likelier: Figure | None) -> Row:
    sure = certainty(figure)
    word = (
        Markup('<span class="ls-badge ls-{}" title="{}">{}</span>').format(sure.kind, sure.title, sure.words)
        if sure.words
        else "-"
    )
    cells = (
        _with(estimate(figure.base, figure), likelier, None if likelier is None else likelier.base),
        _with(estimate(figure.tuned, figure), likelier, None if likelier is None else likelier.tuned),
        estimate(figure.change, figure, signed=True),
        word,
        f"{figure.rows:,}",
    )
    better = "higher is better" if figure.higher_is_better else "lower is better"
    if is_main and plain_name(figure) != figure.title:
        better = f"{in_a_sentence(plain_name(figure))}; {better}"
    head = Markup('{}<span class="ls-note">{}</span>').format(figure.title, better)
    return Row(head, cells, "ls-main" if is_main else "")


def _with(shown: Markup, likelier: Figure | None, other: Estimate | None) -> Markup:
    """Put what a model finds likeliest below what it writes, where the second alone would mislead."""
    if likelier is None or other is None:
        return shown
    note = f"by likelihood {number(other.value, likelier.unit)}"
    return Markup('{}<span class="ls-note">{}</span>').format(shown, note)


def estimate(found: Estimate | None, figure: Figure, *, signed: bool = False) -> Markup:
    """Draw a value of a figure with its interval in small text below it; a dash where there is none."""
    if found is None:
        return Markup("-")
    unit = figure.unit
    value = difference(found.value, unit) if signed else number(found.value, unit)
    if not figure.has_interval:
        return Markup.escape(value)
    ends = interval(found, unit, signed=signed)
    return Markup('{}<span class="ls-note">{}</span>').format(value, ends)


def parts_table(parts: Sequence[Part], figure: Figure, *, first: str) -> Markup:
    """Draw what a probe's figure is made of, the largest loss first. `first` heads the column of the names."""
    sense = 1 if figure.higher_is_better else -1
    ordered = sorted(parts, key=lambda part: sense * (part.tuned - part.base))
    rows = [
        Row(
            part.name[:1].upper() + part.name[1:],
            (
                number(part.base, figure.unit),
                number(part.tuned, figure.unit),
                difference(part.tuned - part.base, figure.unit).removesuffix(" points"),
                f"{part.rows:,}",
            ),
        )
        for part in ordered
    ]
    columns = (first, "Base", "Tuned", "Change in points" if figure.unit == "share" else "Change", "Rows")
    name = f"{figure.title} by {first.lower()}"
    return fragments.table("ls-table ls-plain", columns, rows, name=name, scrolls=True)

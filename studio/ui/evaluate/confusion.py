"""Confusion tables: how often each expected label was answered as which, base and tuned side by side.

Functions from plain values to markup, for the page and for the report. Knows nothing of how labels are found.
"""

from collections.abc import Sequence

from markupsafe import Markup

from studio.jobs.evaluation_report import Confusion
from studio.ui.kit import fragments

SOURCES = {
    "written": ("As written", "What each model writes, read as a label. Anything else counts as another answer."),
    "likelihood": ("By likelihood", "The label that each model finds likeliest, whatever it would write."),
}
OTHER = "another answer"
Counts = Sequence[Sequence[int]]


def tables(confusion: Confusion) -> Markup:
    """Draw both tables of one source side by side, under its name."""
    title, text = SOURCES.get(confusion.source, (confusion.source, ""))
    # A column in which nobody ever is says nothing.
    others = any(row[-1] for counts in (confusion.base, confusion.tuned) for row in counts)
    columns = (*confusion.labels, OTHER) if others else confusion.labels
    both = fragments.join(
        _table(name, confusion.labels, columns, counts)
        for name, counts in (("Base", confusion.base), ("Tuned", confusion.tuned))
    )
    return Markup('<section class="ls-confusion">{}<p class="ls-note">{}</p><div>{}</div></section>').format(
        fragments.subheading(title), text, both
    )


def _table(name: str, labels: Sequence[str], columns: Sequence[str], counts: Counts) -> Markup:
    heads = fragments.join(
        Markup('<th scope="col" title="{}"><span>{}</span></th>').format(label, label) for label in columns
    )
    body = fragments.join(
        Markup('<tr><th scope="row" title="{}"><span>{}</span></th>{}</tr>').format(
            label, label, _cells(row[: len(columns)], right=place)
        )
        for place, (label, row) in enumerate(zip(labels, counts, strict=True))
    )
    right, whole = sum(row[place] for place, row in enumerate(counts)), sum(map(sum, counts))
    return Markup(
        '<figure><figcaption><b>{}</b> {}</figcaption><div class="ls-heat" tabindex="0" role="region"'
        ' aria-label="{}"><table><thead><tr><th scope="col">Expected</th>{}</tr></thead><tbody>{}</tbody></table></div>'
        "</figure>"
    ).format(name, f"{right:,} of {whole:,} right", f"{name}: expected in rows, answered in columns", heads, body)


def _cells(row: Sequence[int], *, right: int) -> Markup:
    """Shade each count by its share of its row; the right answers in another colour than the wrong ones."""
    whole = sum(row) or 1
    return fragments.join(
        Markup('<td class="{}" style="--heat:{}">{}</td>').format(
            "ls-right" if place == right else "ls-wrong", round(count / whole, 3), f"{count:,}"
        )
        for place, count in enumerate(row)
    )

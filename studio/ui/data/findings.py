"""What is doubtful about a data set, what was changed in it, and which rows are left out.

Every text from a file is escaped.
"""

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from studio.data import versions
from studio.data.checking.findings import Finding
from studio.data.inspection import Inspection
from studio.data.reading_choices import Change
from studio.ui.kit import actions, fragments

MOST_PROBLEMS = 20
MOST_ROWS_NAMED = 8
MOST_SHOWN = 3
"""So many findings are in sight; the others open."""
CHECKED = "Checked for copies, empty answers, odd characters, passwords, keys and personal data."
UNCHECKED = "Nobody checked whether the answers are true. The model learns them as they are."
_KINDS = {"bad": "bad", "warning": "warning", "info": "busy"}
_SAID_ABOVE = "few-examples"
"""What the verdict on the data set says already."""

_ORDER = ("bad", "warning", "info")
_FIRST = "facts"
"""Of one level this comes first: all else can be mended here, and this decides what the result can be used for."""


def findings(inspection: Inspection, *, extra: Sequence[Finding] = ()) -> Markup:
    """List the findings, the gravest first, each with what can be done about it. Whether answers are true is not among
    them, and that is said.
    """
    listed = [*extra, *(each for each in inspection.findings if each.kind != _SAID_ABOVE)]
    found = sorted(listed, key=lambda each: (_level(each), each.kind != _FIRST))
    unchecked = fragments.line("quiet", UNCHECKED) if inspection.usable else Markup("")
    if not found:
        return fragments.stack([fragments.notice("good", "The file reads well", CHECKED), unchecked])
    shown, others = found[:MOST_SHOWN], found[MOST_SHOWN:]
    return fragments.stack([_list(shown), _more(others) if others else "", unchecked])


def _level(each: Finding) -> int:
    return _ORDER.index(each.level) if each.level in _ORDER else len(_ORDER)


def _list(found: Sequence[Finding]) -> Markup:
    return Markup('<ul class="ls-findings">{}</ul>').format(fragments.join(finding(each) for each in found))


def _more(found: Sequence[Finding]) -> Markup:
    return Markup('<details class="ls-details"><summary>{} more</summary>{}</details>').format(len(found), _list(found))


def finding(each: Finding) -> Markup:
    """Show one finding with its buttons: show the examples, fix it."""
    buttons = []
    if each.places:
        name = f"Show an example: {each.title}"
        buttons.append(actions.button("Show", "show", key=each.kind, name=name, scroll="data-preview"))
    buttons += [
        actions.button(fix.label, "fix", key=fix.kind, name=f"{fix.label}: {each.title}", fixes=True)
        for fix in each.fixes
    ]
    inner = Markup('<p><strong>{}</strong><span class="ls-note">{}</span>{}</p>{}').format(
        each.title,
        each.text,
        _rows(each.rows) if each.rows and not each.places else "",
        fragments.buttons(*buttons) if buttons else "",
    )
    kind = _KINDS.get(each.level, "quiet")
    return Markup('<li class="ls-{}"><i aria-hidden="true"></i><div>{}</div></li>').format(kind, inner)


def _rows(rows: Sequence[int]) -> Markup:
    named = ", ".join(f"{row:,}" for row in rows[:MOST_ROWS_NAMED])
    more = f" and {len(rows) - MOST_ROWS_NAMED:,} more" if len(rows) > MOST_ROWS_NAMED else ""
    return Markup('<span class="ls-note">{} {}{}</span>').format("Row" if len(rows) == 1 else "Rows", named, more)


def changes(made: Sequence[Change]) -> Markup:
    """List the changes of this version, each with a way back."""
    if not made:
        return Markup("")
    items = fragments.join(
        Markup("<li><span>{}</span>{}</li>").format(
            versions.done(change),
            actions.button("Undo", "undo", key=change.kind, name=f"Undo: {versions.done(change)}", fixes=True),
        )
        for change in made
    )
    return Markup('<section class="ls-changes"><h3>Changes you made</h3><ul class="ls-list">{}</ul></section>').format(
        items
    )


def next_place(found: Sequence[Finding], kind: str, *, after: int) -> int | None:
    """Return the next example that a finding is about, from the first again after the last; None when there is none."""
    places = next((each.places for each in found if each.kind == kind), ())
    return next((place for place in places if place > after), places[0] if places else None)


def which(found: Sequence[Finding], kind: str, place: int, *, original: int | None = None) -> str:
    """Say which of its examples is shown of a finding, and what one is a copy of; nothing where it has one alone."""
    each = next((each for each in found if each.kind == kind), None)
    if each is None or place not in each.places or (len(each.places) == 1 and original is None):
        return ""
    count = f"example {place + 1:,} is {each.places.index(place) + 1:,} of {max(each.count, len(each.places)):,}"
    more = "" if original is None else f" It says the same as example {original + 1:,}."
    return f"{each.title}: {count}.{more}"


def problems(inspection: Inspection) -> Markup:
    """List the rows that are left out: how many for which reason, and the first of them one by one."""
    reasons = Counter(each.text for each in inspection.problems)
    summary = ""
    if len(reasons) > 1 and len(reasons) < len(inspection.problems):
        items = fragments.join(
            Markup("<li><b>{}</b><span>{}</span></li>").format(f"{count:,} rows", text)
            for text, count in reasons.most_common(6)
        )
        summary = Markup('<ul class="ls-list ls-reasons">{}</ul>').format(items)
    shown = inspection.problems[:MOST_PROBLEMS]
    rows = fragments.join(
        Markup("<li><b>Row {}</b><span>{}{}</span></li>").format(
            f"{each.row:,}",
            each.text,
            Markup(' <small class="ls-note" translate="no">{}</small>').format(each.file) if each.file else "",
        )
        for each in shown
    )
    more = inspection.left_out - len(shown)
    rest = Markup("<li><span>and {} more</span></li>").format(f"{more:,}") if more > 0 else ""
    return fragments.stack([summary, Markup('<ul class="ls-list">{}{}</ul>').format(rows, rest)])


def left_out_label(inspection: Inspection) -> str:
    """Head the list of rows left out."""
    return f"Rows left out ({inspection.left_out:,})"

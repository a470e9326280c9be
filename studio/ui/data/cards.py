"""What the Data tab says about a data set as a whole: what fits here, whether it can be used, how it was read."""

from collections.abc import Sequence

from markupsafe import Markup

from studio.data.checking.checks import coaching
from studio.data.conversion.roles import columns_read
from studio.data.inspection import Inspection
from studio.data.tokenizing.tokens import TokenStatistics
from studio.enough import VERY_FEW
from studio.ui.kit import fragments
from studio.wording import counted

FORMATS = ("CSV", "Excel", "JSON", "JSON Lines", "Parquet", "text", "Markdown", "zip")
MOST_FILES = 4


def formats() -> Markup:
    """Say which files are understood."""
    items = fragments.join(Markup("<li><code>{}</code></li>").format(kind) for kind in FORMATS)
    lead = Markup('<span class="ls-note">The columns are recognised by what they hold. Supported files:</span>')
    return Markup('{}<ul class="ls-formats">{}</ul>').format(lead, items)


def nothing_yet() -> Markup:
    """Say what fills this card."""
    return fragments.empty(
        "No data set yet",
        "Drop a file above or take a sample. Here you will see what it holds, which problems it has, and exactly "
        "what the model will learn from it.",
    )


def verdict(inspection: Inspection, missing: str, tokens: TokenStatistics | None = None, *, fitting: int = 0) -> Markup:
    """Say in one line whether the data set can be used. `missing` is what to do first; `fitting` is how many examples
    a run takes, where `tokens` are known."""
    if missing:
        return fragments.notice("warning", f"Not ready yet. {missing}")
    rows = f"{counted(inspection.left_out, 'row')} left out." if inspection.left_out else ""
    found = f"{counted(inspection.usable, 'example')}, {columns_read(inspection.roles)}"
    lost = inspection.usable - fitting if tokens is not None else 0
    if tokens is not None and not fitting:
        hint = "Set 'Longest example' higher on the Configure tab, or shorten them."
        return fragments.notice("bad", f"Nothing can be learned yet: of {found}, none fits. {rows}".rstrip(), hint)
    hint = coaching(inspection.usable - lost, tokens=tokens.total if tokens is not None else 0)
    ready = f"{fitting:,} of {found}" if lost else found
    unfit = f"{counted(lost, 'example')} too long or not readable for the model, see Length and tokens."
    doubts = [*([unfit] if lost else []), *([rows] if rows else [])]
    notice = fragments.notice("quiet" if inspection.usable < VERY_FEW else "good", f"Ready: {ready}.", hint)
    return fragments.stack([notice, *(fragments.line("warning", each) for each in (*doubts, *unread(inspection)))])


def unread(inspection: Inspection) -> list[str]:
    """Return the remarks of the readers on what they passed over: a sheet, a file."""
    return [note for note in inspection.notes if "not read" in note.lower()]


def how_read(inspection: Inspection) -> Markup:
    """Say what was read and how: the files, the format, and what the readers remarked."""
    files = _files(inspection.files)
    rows = counted(inspection.rows_read, "row")
    first = f"Read {rows} of {inspection.format} in {files}." if files else f"Read {rows} of {inspection.format}."
    others = [note for note in inspection.notes if inspection.verdict or note not in unread(inspection)]
    notes = fragments.join(Markup("<li>{}</li>").format(note) for note in (first, *others))
    return Markup('<ul class="ls-notes">{}</ul>').format(notes)


def _files(files: Sequence[str]) -> str:
    if len(files) > MOST_FILES:
        return f"{files[0]} and {len(files) - 1:,} more files"
    return ", ".join(files)

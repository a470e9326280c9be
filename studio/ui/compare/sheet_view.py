"""A prompt sheet as markup: how far it is, and a page of its rows.

Every text is escaped.
"""

from collections.abc import Sequence

from markupsafe import Markup

from studio.compare.sheet_answers import SheetState
from studio.compare.sheets import Cell, Sheet, SheetRow
from studio.ui.compare import chat_html
from studio.ui.kit import actions, fragments
from studio.ui.kit.fragments import Row
from studio.wording import counted, listed

PAGE_ROWS = 20


def progress(state: SheetState | None) -> Markup:
    """Say how far a sheet is, or what stands in the way."""
    if state is None:
        return Markup("")
    total, done = len(state.sheet.rows), state.sheet.answered
    said = f"{done:,} of {counted(total, 'prompt')} answered"
    if state.working:
        waiting = f" {state.waiting}" if state.waiting else ""
        bar = fragments.bar(done / total if total else None, name="Prompts answered")
        return fragments.stack([fragments.line("busy", f"{said}.{waiting}"), bar])
    if state.trouble:
        return fragments.notice("bad", f"{said}. {state.trouble}")
    if done < total:
        return fragments.notice("warning", f"{said}.", "Press Resume to have the others answered.")
    if state.sheet.mute:
        return fragments.notice("warning", f"{said}, but not by all. {_differ(state.sheet)}", _mute(state.sheet))
    said = f"{counted(total, 'prompt')}, all answered. {_differ(state.sheet)}".strip()
    if state.sheet.cut:
        return fragments.notice("warning", said, state.sheet.cut)
    return fragments.line("good", said)


def _mute(sheet: Sheet) -> str:
    """Say which models answered nothing, and why."""
    by_reason: dict[str, list[str]] = {}
    for column, why in sheet.mute:
        by_reason.setdefault(why, []).append(column.label)
    return " ".join(f"No answer from {listed(labels)}: {why}" for why, labels in by_reason.items())


def _differ(sheet: Sheet) -> str:
    if len(sheet.columns) < 2:
        return ""
    different = sum(row.differs for row in sheet.rows)
    return f"The answers differ in {different:,}."


def table(sheet: Sheet | None, places: Sequence[int], *, page: int, marks: bool) -> Markup:
    """Show a page of the rows at these places."""
    if sheet is None:
        return fragments.empty(
            "No prompt sheet yet",
            "Write a few prompts above and press Answer all. The answers then appear here, side by side.",
        )
    if not places:
        return fragments.empty("No matching rows", "Change the search or the choice beside it.")
    page = min(max(page, 0), (len(places) - 1) // PAGE_ROWS)
    shown = places[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]
    with_expected = any(row.prompt.expected for row in sheet.rows)
    labels = [*(["Expected"] if with_expected else []), *(column.label for column in sheet.columns)]
    rows = [_row(place, sheet.rows[place], len(labels), with_expected=with_expected, marks=marks) for place in shown]
    drawn = fragments.table("ls-sheet", ["Prompt", *labels], rows, name="Answers to the prompts", scrolls=True)
    first, pages = page * PAGE_ROWS, (len(places) - 1) // PAGE_ROWS + 1
    count = counted(len(places), "row")
    said = count if pages == 1 else f"{first + 1:,} to {first + len(shown):,} of {count}"
    return fragments.stack([drawn, actions.pager(said, "page", page=page, pages=pages)])


def _row(place: int, row: SheetRow, columns: int, *, with_expected: bool, marks: bool) -> Row:
    first = row.cells[0].text if row.cells and not row.cells[0].trouble else None
    second = row.cells[1].text if len(row.cells) == 2 and not row.cells[1].trouble else None
    answers = [
        _cell(cell, (first if number else second) if marks else None) for number, cell in enumerate(row.cells)
    ] or [Markup('<span class="ls-note">not answered yet</span>')] * (columns - with_expected)
    head = Markup('<div translate="no"><b>{}</b> {}</div>').format(f"{place + 1:,}", row.prompt.text)
    return Row(head, [fragments.own(row.prompt.expected), *answers] if with_expected else answers)


def _cell(cell: Cell, other: str | None) -> Markup:
    if cell.trouble:
        return Markup('<span class="ls-note">{}</span>').format(cell.trouble)
    cut = Markup(' <em class="ls-note">cut at the longest answer</em>') if cell.ended == "length" else Markup("")
    return chat_html.cell(cell.text, other) + cut

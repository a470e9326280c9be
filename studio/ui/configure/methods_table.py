"""Full fine-tuning, LoRA and QLoRA side by side for the chosen model: what each needs, and its drawbacks.

A table that becomes a stack of cards on a narrow screen. Functions from plain values to markup.
"""

from collections.abc import Sequence

from markupsafe import Markup

from studio.models.forecast.forecast import Forecast, MethodRow
from studio.ui.configure.forecast_card import BADGES, all_parameters, written_time
from studio.ui.kit import fragments
from studio.ui.kit.actions import button
from studio.ui.kit.form import CHOICE_LABELS
from studio.ui.kit.fragments import Row
from studio.ui.kit.numbers import share
from studio.wording import listed, size

COLUMNS = ("Method", "Trainable parameters", "Memory", "Training", "Size of the weights", "Drawbacks")


def table(rows: Sequence[MethodRow], *, chosen: str) -> Markup:
    """Draw a row for each method; the chosen one is marked, the others can be chosen."""
    if not rows:
        return fragments.empty(
            "Not known yet", "The methods are compared here once the model is known and this machine is measured."
        )
    drawn = [_row(row, is_chosen=row.method == chosen) for row in rows]
    return fragments.stack([_least(rows), fragments.table("ls-methods", COLUMNS, drawn, name="Compare methods")])


def _least(rows: Sequence[MethodRow]) -> Markup:
    """Say which methods need the least memory, as the estimates have it: QLoRA does not for every model."""
    needs = {row.method: size(row.forecast.memory_bytes) for row in rows}
    smallest = needs[min(rows, key=lambda row: row.forecast.memory_bytes).method]
    names = [CHOICE_LABELS.get(method, method) for method, need in needs.items() if need == smallest]
    verb = "needs" if len(names) == 1 else "need"
    return Markup('<p class="ls-note">{} {} the least memory here, about {}.</p>').format(listed(names), verb, smallest)


def _row(row: MethodRow, *, is_chosen: bool) -> Row:
    name, found = CHOICE_LABELS.get(row.method, row.method), row.forecast
    choose = (
        Markup('<span class="ls-note">selected</span>')
        if is_chosen
        else button("Choose", "method", key=row.method, name=f"Choose {name}")
    )
    cells: list[Markup | str] = [
        _trainable(found),
        Markup("{} {}").format(size(found.memory_bytes), _badge(found)),
        written_time(found.time) if found.time is not None else "not known yet",
        size(found.file_bytes),
        row.given_up,
    ]
    head = Markup("<div><strong>{}</strong>{}</div>").format(name, choose)
    return Row(head, cells, "ls-chosen" if is_chosen else "")


def _trainable(found: Forecast) -> Markup:
    part = share(found.trainable, all_parameters(found))
    return Markup('{} <span class="ls-note">{} of all</span>').format(f"{found.trainable:,}", part)


def _badge(found: Forecast) -> Markup:
    kind, name = BADGES.get(found.verdict, ("", ""))
    return fragments.badge(kind, name) if name else Markup("")

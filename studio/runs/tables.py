"""Tables and other files for a person's own programs, written beside the exports of a run."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from studio.data.table_files import in_a_cell
from studio.events import Evaluated
from studio.files import disk_trouble, write_whole
from studio.runs.steps import ALL_TOKENS, TIME, WORKED
from studio.runs.store import RunFolder
from studio.runs.view import RunView


def write_csv_rows(rows: Iterable[Iterable[object]]) -> str:
    """Write rows, the head among them, as CSV in which no cell begins a formula."""
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerows(map(in_a_cell, row) for row in rows)
    return written.getvalue()


def write_beside(run: RunFolder, name: str, text: str) -> Path:
    """Write a whole file beside the exports of a run, and return it. Raises RunError when the disk does not take it."""
    target = run.exports / name
    with disk_trouble(f"The file {name}", target.parent):
        target.parent.mkdir(exist_ok=True)
        write_whole(target, text)
    return target


HEAD = (
    "step",
    "epoch",
    "loss",
    "held_out_loss",
    "held_out_examples",
    "loss_of_all_held_out",
    "learning_rate",
    "gradient_norm",
    "tokens_per_second",
    "memory_gib",
    "tokens_until_then",
    "seconds_of_training",
    "seconds_since_1970",
)

_COLUMNS = (
    "step",
    "epoch",
    "loss",
    "learning_rate",
    "grad_norm",
    "tokens_per_second",
    "memory_gib",
    ALL_TOKENS,
    WORKED,
    TIME,
)
_WHOLE = (0, 7)


def write_csv(run: RunFolder, view: RunView) -> Path:
    """Write the steps beside the exports of a run, and return the file.

    A held-out loss stands at the step after which it was found, with the number of examples that it is over, empty
    where the events do not tell; step 0 has no other figures. Raises RunError when the disk does not take it.
    """
    return write_beside(run, f"{run.id}-steps.csv", write_csv_rows([HEAD, *_rows(view)]).removesuffix("\n"))


def _rows(view: RunView) -> list[list[object]]:
    total = view.prepared.validation_examples if view.prepared is not None else ""
    held_out = {each.step: _check_cells(each, total) for each in view.evaluations}
    columns: list[list[object]] = [view.steps.column(name).tolist() for name in _COLUMNS]
    for place in _WHOLE:
        columns[place] = view.steps.column(_COLUMNS[place]).astype(int).tolist()
    if not view.steps.column("tokens").any():  # an older worker did not count them
        columns[7] = [""] * len(view.steps)
    checks = [held_out.get(step, _NO_CHECK) for step in view.steps.column("step").astype(int).tolist()]
    rows = [list(row) for row in zip(*columns[:3], *zip(*checks, strict=True), *columns[3:], strict=True)]
    before = [[0, 0.0, "", *held_out[0], *[""] * (len(HEAD) - 6)]] if 0 in held_out else []
    return [*before, *rows]


_NO_CHECK: tuple[object, ...] = ("", "", "")


def _check_cells(check: Evaluated, total: int | str) -> tuple[object, ...]:
    whole = check.loss_of_all
    return check.loss, check.part or total, "" if whole is None else whole

"""All steps of a run as a table for other programs: one row a step, every step, in CSV. Knows nothing of charts."""

from pathlib import Path

from studio.runs.steps import ALL_TOKENS, TIME, WORKED
from studio.runs.store import RunFolder
from studio.runs.tables import write_beside, write_csv_rows
from studio.runs.view import RunView

HEAD = (
    "step",
    "epoch",
    "loss",
    "held_out_loss",
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

    A held-out loss stands at the step after which it was found; step 0 has no other figures. Raises RunError when the
    disk does not take it.
    """
    return write_beside(run, f"{run.id}-steps.csv", write_csv_rows([HEAD, *_rows(view)]).removesuffix("\n"))


def _rows(view: RunView) -> list[list[object]]:
    held_out = {each.step: each.loss for each in view.evaluations}
    columns: list[list[object]] = [view.steps.column(name).tolist() for name in _COLUMNS]
    for place in _WHOLE:
        columns[place] = view.steps.column(_COLUMNS[place]).astype(int).tolist()
    if not view.steps.column("tokens").any():  # an older worker did not count them
        columns[7] = [""] * len(view.steps)
    losses: list[object] = [held_out.get(step, "") for step in view.steps.column("step").astype(int).tolist()]
    rows = [list(row) for row in zip(*columns[:3], losses, *columns[3:], strict=True)]
    before = [[0, 0.0, "", held_out[0], *[""] * (len(HEAD) - 4)]] if 0 in held_out else []
    return [*before, *rows]

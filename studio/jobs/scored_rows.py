"""The rows behind a report: in which order they are looked at, searching them, and writing them as tables."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from studio import codec
from studio.jobs.evaluation_report import EvaluationReport, ScoredRow, file_stem
from studio.runs.store import RunFolder
from studio.runs.tables import write_beside, write_csv_rows

WORST, BEST, CHANGED, ALL = "worst", "best", "changed", "all"
ORDERS = (WORST, BEST, CHANGED, ALL)
CSV, JSONL = "csv", "jsonl"
KINDS = (CSV, JSONL)

_FIELDS = tuple(field.name for field in dataclasses.fields(ScoredRow))


def arrange(rows: Sequence[ScoredRow], order: str, *, text: str = "", higher_is_better: bool = True) -> list[ScoredRow]:
    """Return the rows that hold every word of `text` somewhere, in an order; another order than `ORDERS` is "all".

    The worst rows are those where the tuned model scores lowest, and among equals those with the highest loss. The most
    changed are those whose score moved furthest either way, then those whose loss did.
    """
    words = text.casefold().split()
    found = [row for row in rows if _holds(row, words)]
    sense = 1.0 if higher_is_better else -1.0
    if order == WORST:
        return sorted(found, key=lambda row: (sense * _number(row.tuned_score), -_number(row.tuned_loss), row.number))
    if order == BEST:
        return sorted(found, key=lambda row: (-sense * _number(row.tuned_score), _number(row.tuned_loss), row.number))
    if order == CHANGED:
        return sorted(
            found,
            key=lambda row: (
                -_moved(row.base_score, row.tuned_score),
                -_moved(row.base_loss, row.tuned_loss),
                row.number,
            ),
        )
    return sorted(found, key=lambda row: row.number)


def _holds(row: ScoredRow, words: Sequence[str]) -> bool:
    if not words:
        return True
    whole = "\n".join((row.prompt, row.expected, row.base, row.tuned)).casefold()
    return all(word in whole for word in words)


def _number(value: float | None) -> float:
    return 0.0 if value is None else value


def _moved(base: float | None, tuned: float | None) -> float:
    return 0.0 if base is None or tuned is None else abs(tuned - base)


def write_rows(run: RunFolder, report: EvaluationReport, rows: Sequence[ScoredRow], kind: str) -> Path:
    """Write rows as CSV or as JSON Lines beside the exports of a run, and return the file.

    Raises RunError when the disk does not take it, ValueError for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}")
    text = as_csv(rows) if kind == CSV else "\n".join(codec.dumps(row) for row in rows)
    return write_beside(run, f"{file_stem(run.id, report.name)}-rows.{kind}", text)


def as_csv(rows: Sequence[ScoredRow]) -> str:
    """Return rows as CSV with a head, without the last line end; empty cells where there is no figure."""
    cells = ([getattr(row, name) for name in _FIELDS] for row in rows)
    return write_csv_rows([_FIELDS, *cells]).removesuffix("\n")

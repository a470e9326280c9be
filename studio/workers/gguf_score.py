"""How well a GGUF does the task of its run: llama.cpp answers held-out rows that the run was scored on."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studio.data.example_files import ExampleFile
from studio.data.scoring.scores import row_scores
from studio.data.scoring.tasks import Task
from studio.data.tokenizing.rendering import ChatRenderer
from studio.jobs.evaluation_report import AT_THE_END, FEWEST_ROWS, HELD_OUT, Figure, read_report, read_rows
from studio.runs.store import RunFolder
from studio.workers.eval_rows import EvalRow, asked_row, task_of_run
from studio.workers.figures import mean_figure

log = logging.getLogger(__name__)

MOST_ROWS = 24
MOST_TOKENS = 600
"""So long may the expected answers be together: llama.cpp writes some 20 tokens a second on one core."""


@dataclass(frozen=True)
class ScoredRows:
    """Rows of a run with the score that the run's answers have, of the kind `name`."""

    task: Task
    name: str
    rows: tuple[EvalRow, ...]
    scores: tuple[float, ...]
    seed: int


def scored_rows(run: RunFolder, renderer: ChatRenderer) -> ScoredRows | None:
    """Return held-out rows that what the run knows now was scored on; None where there are too few of them.

    The first ones whose expected answers are `MOST_TOKENS` together.
    """
    report = read_report(run, AT_THE_END)
    if report is None or report.data != HELD_OUT or run.result is None:
        return None
    if report.created < run.result.stat().st_mtime:  # it went on since
        return None
    examples = ExampleFile(run.validation_path)
    rows: list[EvalRow] = []
    scores: list[float] = []
    tokens = 0
    for each in read_rows(run, AT_THE_END):
        if each.tuned_score is None or each.number >= len(examples) or len(rows) == MOST_ROWS:
            break
        row = asked_row(each.number, examples[each.number], renderer, run.config, 0)
        if row is None or row.expected != each.expected:
            continue
        tokens += len(row.row.ids) - row.prompt_tokens
        if tokens > MOST_TOKENS:
            break
        rows.append(row)
        scores.append(each.tuned_score)
    if len(rows) < FEWEST_ROWS:
        log.info("Too few held-out rows have a score for the task's score of a GGUF: %d", len(rows))
        return None
    return ScoredRows(task_of_run(run, examples), report.main, tuple(rows), tuple(scores), run.config.seed)


def score_beside(
    found: ScoredRows,
    answer: Callable[[Sequence[tuple[Sequence[int], int]]], list[list[int]]],
    renderer: ChatRenderer,
) -> Figure:
    """Ask the rows and score the answers: a figure with the run as base, and as tuned what `answer` asks.

    `answer` gets the ids of each question with the most tokens of its answer, and returns the ids of the answers.
    """
    questions = [(row.row.ids[: row.prompt_tokens], row.limit) for row in found.rows]
    said = [renderer.decode(ids).strip() for ids in answer(questions)]
    scores = [
        row_scores(found.task, text, row.expected)[found.name] for text, row in zip(said, found.rows, strict=True)
    ]
    return mean_figure(found.name, found.scores, scores, seed=found.seed)

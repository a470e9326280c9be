"""Makes figures of what two models said: each with its interval, and a test of whether they differ."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.data.scoring import classification
from studio.data.scoring.scores import label_of, main_score, row_scores
from studio.data.scoring.statistics import bootstrap_pair, perplexity_of, swap_p_value
from studio.jobs.evaluation_report import LIKELIHOOD, Confusion, Figure, Forgetting, ScoredRow
from studio.runs.length_limit import AtLimit
from studio.workers.eval_rows import EvalRows
from studio.workers.figures import figure_of, loss_figure, mean_figure
from studio.workers.forgetting import forgetting_of
from studio.workers.model_outputs import Observed, Probes

LABEL_STATISTICS = {"balanced_accuracy": classification.balanced_accuracy, "macro_f1": classification.macro_f1}

_Places = NDArray[np.int64]


@dataclass(frozen=True)
class Judged:
    """All figures of an evaluation, and the rows behind them."""

    main: str
    figures: tuple[Figure, ...]
    confusions: tuple[Confusion, ...]
    forgetting: Forgetting | None
    rows: tuple[ScoredRow, ...]
    at_limit: AtLimit | None = None


def judge(asked: EvalRows, base: Observed, tuned: Observed, *, probes: Probes | None, seed: int) -> Judged:
    """Score both models on the rows that they were asked, and on the probes where there are any."""
    scores = [_row_scores(asked, each) for each in (base, tuned)]
    figures = [*_task_figures(scores, seed), *_loss_figures(base, tuned, seed)]
    confusions: list[Confusion] = []
    if asked.task.kind == "labels":
        more, confusions = _label_figures(asked, base, tuned, seed)
        figures += more
    main = main_score(asked.task)
    ordered = sorted(figures, key=lambda figure: (figure.name != main, figure.name != LIKELIHOOD))
    forgotten = None if probes is None else forgetting_of(base, tuned, probes, seed=seed)
    at_limit = _at_limit(asked, base, tuned)
    return Judged(
        main=main,
        figures=tuple(ordered),
        confusions=tuple(confusions),
        forgetting=forgotten,
        rows=_scored_rows(asked, base, tuned, main, scores),
        at_limit=at_limit,
    )


def _at_limit(asked: EvalRows, base: Observed, tuned: Observed) -> AtLimit | None:
    if not tuned.cut:
        return None
    too_long = sum(row.is_too_long for row in asked.rows)
    return AtLimit(len(tuned.cut), base=sum(base.cut), tuned=sum(tuned.cut), too_long=too_long)


def _row_scores(asked: EvalRows, seen: Observed) -> list[dict[str, float]]:
    """Score every answer; nothing where nothing was written, as with plain text."""
    return [row_scores(asked.task, answer, row.expected) for answer, row in zip(seen.answers, asked.rows, strict=False)]


def _task_figures(scores: list[list[dict[str, float]]], seed: int) -> list[Figure]:
    base, tuned = scores
    names = base[0] if base else {}
    return [mean_figure(name, [row[name] for row in base], [row[name] for row in tuned], seed=seed) for name in names]


def _loss_figures(base: Observed, tuned: Observed, seed: int) -> list[Figure]:
    loss = loss_figure("loss", base.losses, tuned.losses, base.tokens, seed=seed)
    means = [np.asarray(each.losses) / np.asarray(base.tokens) for each in (base, tuned)]
    statistics = [perplexity_of(mean, base.tokens) for mean in means]
    paired = bootstrap_pair(len(base.tokens), *statistics, seed=seed)
    return [loss, figure_of("perplexity", paired, rows=loss.rows, p_value=loss.p_value or 0.0)]


def _label_figures(asked: EvalRows, base: Observed, tuned: Observed, seed: int) -> tuple[list[Figure], list[Confusion]]:
    """Score labels as they are written, and as the likeliest one; rows that expect no label are left out."""
    labels = asked.task.labels
    wanted = np.array([label_of(asked.task, row.expected) for row in asked.rows])
    known = wanted < len(labels)
    if not known.any():
        return [], []
    expected = wanted[known]
    written = [np.array([label_of(asked.task, answer) for answer in each.answers])[known] for each in (base, tuned)]
    figures = [
        _label_figure(name, statistic, expected, written, len(labels), seed)
        for name, statistic in LABEL_STATISTICS.items()
    ]
    confusions = [_confusion("written", labels, expected, written)]
    if base.labels:
        likeliest = [np.argmax(np.array(each.labels), axis=1)[known] for each in (base, tuned)]
        right = [(each == expected).astype(float).tolist() for each in likeliest]
        figures.append(mean_figure(LIKELIHOOD, *right, seed=seed))
        confusions.append(_confusion("likelihood", labels, expected, likeliest))
    return figures, confusions


def _label_figure(
    name: str,
    statistic: Callable[[_Places, _Places, int], NDArray[np.float64]],
    expected: _Places,
    answered: list[_Places],
    labels: int,
    seed: int,
) -> Figure:
    base, tuned = answered
    paired = bootstrap_pair(
        len(expected),
        lambda picks: statistic(expected[picks], base[picks], labels),
        lambda picks: statistic(expected[picks], tuned[picks], labels),
        seed=seed,
    )
    p_value = swap_p_value(base, tuned, lambda said: statistic(expected, said, labels), seed=seed)
    return figure_of(name, paired, rows=len(expected), p_value=p_value)


def _confusion(source: str, labels: tuple[str, ...], expected: _Places, answered: list[_Places]) -> Confusion:
    base, tuned = (
        tuple(tuple(row) for row in classification.confusion(expected, each, len(labels)).tolist()) for each in answered
    )
    return Confusion(source, labels, base, tuned)


def _scored_rows(
    asked: EvalRows, base: Observed, tuned: Observed, main: str, scores: list[list[dict[str, float]]]
) -> tuple[ScoredRow, ...]:
    rows = []
    for place, row in enumerate(asked.rows):
        losses = [each.losses[place] / each.tokens[place] for each in (base, tuned)]
        wrote = bool(base.answers)
        base_score, tuned_score = (each[place].get(main) for each in scores) if wrote else losses
        rows.append(
            ScoredRow(
                number=row.number,
                prompt=row.prompt,
                expected=row.expected,
                base=base.answers[place] if wrote else "",
                tuned=tuned.answers[place] if wrote else "",
                base_score=base_score,
                tuned_score=tuned_score,
                base_loss=losses[0],
                tuned_loss=losses[1],
            )
        )
    return tuple(rows)

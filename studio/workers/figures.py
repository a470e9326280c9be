"""Figures of two models on the same rows, with confidence intervals and a paired test."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from studio.data.scoring.scores import TITLES, Title
from studio.data.scoring.statistics import Interval, Paired, bootstrap_pair, mean_of, paired_p_value, wilson
from studio.jobs.evaluation_report import Estimate, Figure


def figure_of(name: str, paired: Paired, *, rows: int, p_value: float, title: Title | None = None) -> Figure:
    """Make a figure of both models; `title` is for a score that is not among the studio's own."""
    title = title or TITLES[name]
    base, tuned, change = (Estimate(*each) for each in (paired.base, paired.tuned, paired.change))
    return Figure(name, title.title, title.unit, title.higher_is_better, rows, tuned, base, change, p_value)


def loss_figure(
    name: str, base: Sequence[float], tuned: Sequence[float], tokens: Sequence[int], *, seed: int
) -> Figure:
    """Make the figure of a loss a token, from the rows' losses in nats, each a sum over its tokens."""
    before, after = (np.asarray(each) / np.asarray(tokens) for each in (base, tuned))
    paired = bootstrap_pair(len(tokens), mean_of(before, tokens), mean_of(after, tokens), seed=seed)
    p_value = paired_p_value(before, after, seed=seed, weights=tokens)
    return figure_of(name, paired, rows=len(tokens), p_value=p_value)


def mean_figure(
    name: str, base: Sequence[float], tuned: Sequence[float], *, seed: int, title: Title | None = None
) -> Figure:
    """Make the figure of a score that is the mean of the rows' scores.

    A share of which every row is right, or none, has Wilson's interval: resampling rows that are all alike would claim
    to be certain.
    """
    paired = bootstrap_pair(len(base), mean_of(base), mean_of(tuned), seed=seed)
    if (title or TITLES[name]).unit == "share":
        paired = replace(paired, base=_widened(paired.base, base), tuned=_widened(paired.tuned, tuned))
    return figure_of(name, paired, rows=len(base), p_value=paired_p_value(base, tuned, seed=seed), title=title)


def _widened(interval: Interval, scores: Sequence[float]) -> Interval:
    total = sum(scores)
    return (interval[0], *wilson(int(total), len(scores))) if total in (0, len(scores)) else interval

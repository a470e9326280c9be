"""Which held-out rows the checks of a training score: all before the first step and at the end, a part in between.

All at each check where that takes a tenth of the run's computing at most, with the checks at both ends. Else the same
rows each time in between: of an order drawn by the run's seed the first, as many as fit into what both ends leave of
the tenth, but never fewer than `FEWEST_ROWS`.
"""

import random
from array import array
from collections.abc import Sequence
from itertools import accumulate

from studio.config import FULL, RunConfig
from studio.models.forecast.plan import FORWARD_SHARE, Workload, block_passes, evaluation_steps

SCORING_SHARE = 0.1
"""What scoring may take of a run's computing. A run that ends early has less of it, so its share may be larger."""

FEWEST_ROWS = 12
"""So many rows are scored at each check whatever that takes: the loss of fewer says little of the others."""


def scoring_cost(*, full: bool) -> float:
    """Return what a held-out token costs beside one that is learned from: 0.42, or 0.33 where every weight learns.

    Of what `duration` counts for a token: the products of the forward pass are a half or a third of a training's, and
    its passes over memory and calls a third. Both kinds take about as long. With blocks that are computed twice it is
    less, which is left out: whether they are depends on what memory is free, and a run that is resumed goes on alike.
    """
    return (1 / block_passes(full=full) + FORWARD_SHARE) / 2


def tokens_between(held_out: int, *, trained: int, total_steps: int, full: bool) -> float:
    """Return how many of the held-out tokens a check in between may read.

    `trained` are the tokens that the run reads in all its epochs.
    """
    between = len(evaluation_steps(total_steps)) - 1
    if not between:
        return float(held_out)
    affordable = SCORING_SHARE / (1 - SCORING_SHARE) * trained / scoring_cost(full=full)
    return max(0.0, (affordable - 2 * held_out) / between)


def rows_between(lengths: Sequence[int], *, trained: int, total_steps: int, config: RunConfig) -> int:
    """Return how many held-out rows of these lengths a check in between scores: the first of `drawn`."""
    room = tokens_between(sum(lengths), trained=trained, total_steps=total_steps, full=config.method == FULL)
    taken = accumulate(lengths[place] for place in drawn(len(lengths), seed=config.seed))
    fitting = sum(read <= room for read in taken)
    return min(len(lengths), max(FEWEST_ROWS, fitting))


def drawn(count: int, *, seed: int) -> "array[int]":
    """Return the places of so many rows in the order in which they are taken: neither length nor place counts."""
    order = array("i", range(count))
    random.Random(f"{seed}/held-out").shuffle(order)
    return order


def expected_tokens_between(workload: Workload, config: RunConfig) -> float:
    """Estimate the held-out tokens of a check in between from what a forecast knows of the data."""
    if workload.held_out_examples <= FEWEST_ROWS:
        return workload.held_out_tokens
    room = tokens_between(
        workload.held_out_tokens,
        trained=config.epochs * workload.tokens,
        total_steps=config.total_steps(workload.examples),
        full=config.method == FULL,
    )
    fewest = FEWEST_ROWS * workload.held_out_tokens / workload.held_out_examples
    return min(workload.held_out_tokens, max(fewest, room))

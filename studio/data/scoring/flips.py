"""How many of the ways to flip rows between two models change a figure as much as was observed.

Knows nothing of the figure. No more than some megabytes are held at once.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

FLIPS = 10_000
MOST_ENUMERATED = 12
_AT_ONCE = 1_000_000


def share_as_far(
    observed: float,
    change: Callable[[NDArray[np.bool_]], NDArray[np.float64]],
    count: int,
    *,
    seed: int,
    width: int,
) -> float:
    """Return the share of flips of `count` rows whose change is as far from zero as the observed one: above 0, to 1.

    `change` takes flips (flips, count) and returns (flips,); `width` is how many numbers one of them takes. All flips
    are counted for at most 12 rows, else 10,000 random ones and the observed one (Phipson & Smyth 2010). What differs
    by a rounding is as far.
    """
    least = abs(observed) * (1 - 1e-9)
    every = count <= MOST_ENUMERATED
    as_far = 0
    for flips in _every_flip(count, width) if every else _random_flips(count, width, seed):
        as_far += int((np.abs(change(flips)) >= least).sum())
    return as_far / 2**count if every else (as_far + 1) / (FLIPS + 1)


def blocks(draws: int, width: int) -> Iterator[int]:
    """Yield how many draws of `width` numbers to make at once, until all are made."""
    most = max(1, _AT_ONCE // width)
    for made in range(0, draws, most):
        yield min(most, draws - made)


def _every_flip(count: int, width: int) -> Iterator[NDArray[np.bool_]]:
    made = 0
    for size in blocks(2**count, width):
        numbers = np.arange(made, made + size)
        yield (numbers[:, None] >> np.arange(count)) & 1 == 1
        made += size


def _random_flips(count: int, width: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    for size in blocks(FLIPS, width):
        coins = rng.integers(0, 256, size=(size, count // 8 + 1), dtype=np.uint8)
        yield np.unpackbits(coins, axis=1, count=count).astype(np.bool_)

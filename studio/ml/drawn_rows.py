"""Answers that are written together, each drawn by its own temperature, share of the likeliest and seed.

A row draws what it would draw alone: its random numbers are its own, and its logits are those of its own prompt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from studio.ml.answering import penalised
from studio.ml.generation import BASE, Sampling, noisy
from studio.ml.soundness import rows_not_finite

LEAST_LOGPROB = -9999.0
"""Stands for the logarithm of a probability of 0, which JSON has no number for."""


@dataclass(frozen=True)
class Odds:
    """How likely a token was, as a natural logarithm, and the likeliest tokens by their ids."""

    logprob: float
    likeliest: tuple[tuple[int, float], ...] = ()


@dataclass(eq=False)
class DrawnRow:
    """A prompt and behind it what was answered so far; `left` more tokens may come.

    `told` is how many likeliest tokens are told with each token, -1 where nothing is. `broken` says that its logits
    were no numbers.
    """

    asked: int
    ids: list[int]
    left: int
    sampling: Sampling
    adapter: str = BASE
    told: int = -1
    broken: bool = False
    generator: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.sampling.seed)


class Drawing:
    """Chooses the next token of each row; what `RowBatch` asks."""

    def __init__(
        self,
        *,
        end_ids: frozenset[int],
        penalty: float,
        on_token: Callable[[DrawnRow, int, Odds | None], None],
    ) -> None:
        """`penalty` is that of the model's own settings. `on_token` is told of each token, the end token included."""
        self._end_ids = end_ids
        self._penalty = penalty
        self._on_token = on_token

    def __call__(self, rows: Sequence[DrawnRow], logits: torch.Tensor) -> None:
        """Add a token to each row that goes on, by its line of `logits`, (rows, words)."""
        for place in rows_not_finite(logits):
            rows[place].broken, rows[place].left = rows[place].left > 0, 0
        logits = penalised(rows, logits, self._penalty)
        likeliest = logits.argmax(dim=-1).tolist()
        for place, row in enumerate(rows):
            if row.left <= 0:
                continue
            token = likeliest[place]
            if row.sampling.temperature > 0:
                token = int(noisy(logits[place : place + 1], row.sampling, [row.generator]).argmax())
            row.ids.append(token)
            row.left = 0 if token in self._end_ids else row.left - 1
            self._on_token(row, token, odds_of(logits[place], token, row.told))


def odds_of(logits: torch.Tensor, token: int, told: int) -> Odds | None:
    """Say how likely a token was by the logits, (words,), of its place; None where `told` is below 0."""
    if told < 0:
        return None
    shares = logits.float().log_softmax(dim=-1).clamp_min(LEAST_LOGPROB)
    values, ids = shares.topk(min(told, len(shares)))
    return Odds(float(shares[token]), tuple(zip(ids.tolist(), values.tolist(), strict=True)))

"""From token rows to tensors: which rows make up a step, and how a step is cut into micro-batches of similar length.

A step is `batch_size` rows. It is cut so that no micro-batch holds more than a token budget, which bounds the memory
whatever the batch size is. Knows nothing of models.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

IGNORED = -100


@dataclass(frozen=True)
class TokenRow:
    """One example as the loss sees it: equally long ids and labels, IGNORED where nothing is learned."""

    ids: Sequence[int]
    labels: Sequence[int]

    @property
    def learned(self) -> int:
        """How many predictions count. The first token is never predicted."""
        return sum(label != IGNORED for label in self.labels[1:])


@dataclass(frozen=True)
class Batch:
    """Rows side by side, padded on the right: `ids`, `mask`, `labels`, each (rows, length)."""

    ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor
    tokens: int
    learned: int


def epoch_steps(rows: Sequence[TokenRow], *, batch_size: int, seed: int, epoch: int) -> Iterator[list[TokenRow]]:
    """Yield the rows of each step of one epoch, in an order that depends on seed and epoch alone."""
    order = list(range(len(rows)))
    random.Random(f"{seed}/{epoch}").shuffle(order)
    for start in range(0, len(order), batch_size):
        yield [rows[index] for index in order[start : start + batch_size]]


def micro_batches(rows: Sequence[TokenRow], *, token_budget: int, pad_id: int, device: str) -> Iterator[Batch]:
    """Cut rows into batches of similar length, each of at most `token_budget` tokens with its padding.

    A single row that is longer than the budget makes a batch of its own.
    """
    group: list[TokenRow] = []
    for row in sorted(rows, key=lambda row: len(row.ids)):
        if group and len(row.ids) * (len(group) + 1) > token_budget:
            yield collate(group, pad_id=pad_id, device=device)
            group = []
        group.append(row)
    if group:
        yield collate(group, pad_id=pad_id, device=device)


def collate(rows: Sequence[TokenRow], *, pad_id: int, device: str) -> Batch:
    """Lay rows side by side, padded on the right to the longest."""
    length = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), length), pad_id, dtype=torch.long)
    labels = torch.full((len(rows), length), IGNORED, dtype=torch.long)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for index, row in enumerate(rows):
        end = len(row.ids)
        ids[index, :end] = torch.tensor(row.ids)
        labels[index, :end] = torch.tensor(row.labels)
        mask[index, :end] = 1
    return Batch(
        ids=ids.to(device),
        mask=mask.to(device),
        labels=labels.to(device),
        tokens=sum(len(row.ids) for row in rows),
        learned=sum(row.learned for row in rows),
    )

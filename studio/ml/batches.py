"""From token rows to tensors: which rows make up a step, and how a step is cut into micro-batches of similar cost.

A step is `batch_size` rows. It is cut so that no micro-batch holds more than a token budget, which bounds the memory
whatever the batch size is. Rows lie end to end without padding, or side by side with it.
"""

import itertools
import math
import random
from abc import abstractmethod
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

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


class MeasuredRows(Sequence[TokenRow]):
    """Rows whose lengths and learned tokens are known before they are read."""

    lengths: NDArray[np.int32]
    learned: NDArray[np.int32]

    @abstractmethod
    def take(self, numbers: NDArray[np.intp] | slice) -> "MeasuredRows":
        """Return some of the rows, by their numbers in this order."""


def lengths_of(rows: Sequence[TokenRow]) -> NDArray[np.int64]:
    """Return how many tokens each row has."""
    known = rows.lengths if isinstance(rows, MeasuredRows) else [len(row.ids) for row in rows]
    return np.array(known, dtype=np.int64)


def learned_in(rows: Sequence[TokenRow]) -> int:
    """Return how many predictions of the rows count."""
    if isinstance(rows, MeasuredRows):
        return int(rows.learned.sum(dtype=np.int64))
    return sum(row.learned for row in rows)


def chosen(rows: Sequence[TokenRow], numbers: NDArray[np.intp]) -> Sequence[TokenRow]:
    """Return some of the rows, by their numbers in this order."""
    return rows.take(numbers) if isinstance(rows, MeasuredRows) else [rows[number] for number in numbers]


@dataclass(frozen=True)
class Batch:
    """Rows as tensors: `ids` and `positions` are (rows, length), or (1, tokens) where rows lie end to end.

    `mask` is (rows, length), None where there is no padding. `lengths` are those of the rows, in order. `places` says
    which of the flattened positions are learned at, and `targets` which token comes next there; both (learned,).
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor | None
    lengths: tuple[int, ...]
    places: torch.Tensor
    targets: torch.Tensor

    @property
    def tokens(self) -> int:
        """How many tokens the rows have, padding not counted."""
        return sum(self.lengths)

    @property
    def learned(self) -> int:
        """How many predictions count."""
        return len(self.targets)


def epoch_steps(rows: Sequence[TokenRow], *, batch_size: int, seed: int, epoch: int) -> Iterator[list[TokenRow]]:
    """Yield the rows of each step of one epoch, in an order that depends on seed and epoch alone."""
    order = array("i", range(len(rows)))  # four bytes a row, where a list takes forty
    random.Random(f"{seed}/{epoch}").shuffle(order)
    for start in range(0, len(order), batch_size):
        yield [rows[index] for index in order[start : start + batch_size]]


def cut(rows: Sequence[TokenRow], *, token_budget: int, packed: bool, parts: int = 1) -> list[Sequence[TokenRow]]:
    """Cut rows into groups of similar length, each of at most `token_budget` tokens, padding included.

    A row that is longer than the budget makes a group of its own. Of packed rows the groups are about equally large,
    which keeps the largest small; there are at least `parts` groups where there are as many rows.
    """
    if not rows:
        return []
    lengths = lengths_of(rows)
    order = np.argsort(lengths, kind="stable")
    longest = int(lengths[order[-1]])
    if packed:
        total = int(lengths.sum())
        # Rows are not cut, so even groups of this size would overflow by up to half a row.
        wanted = max(parts, math.ceil(total / token_budget))
        token_budget = min(token_budget, math.ceil(total / wanted) + longest // 2)
    elif parts > 1:
        token_budget = min(token_budget, math.ceil(len(rows) / parts) * longest)
    edges = [0]
    held = 0
    for place, length in enumerate(map(int, lengths[order])):
        size = held + length if packed else length * (place - edges[-1] + 1)
        if place and size > token_budget:
            edges.append(place)
            held = 0
        held += length
    ordered = chosen(rows, order)
    return [ordered[start:end] for start, end in itertools.pairwise((*edges, len(rows)))]


def collate(rows: Sequence[TokenRow], *, packed: bool, pad_id: int = 0, device: str = "cpu") -> Batch:
    """Lay rows end to end, or side by side and padded on the right to the longest."""
    rows = tuple(rows)  # each is read once
    lengths = tuple(len(row.ids) for row in rows)
    width = sum(lengths) if packed else max(lengths)
    height = 1 if packed else len(rows)
    ids = torch.full((height, width), pad_id, dtype=torch.long)
    positions = torch.zeros((height, width), dtype=torch.long)
    mask = None if packed else torch.zeros((height, width), dtype=torch.long)
    places, targets = [], []
    begin = 0
    for index, row in enumerate(rows):
        line, start = (0, begin) if packed else (index, 0)
        end = start + lengths[index]
        ids[line, start:end] = torch.tensor(row.ids)
        positions[line, start:end] = torch.arange(lengths[index])
        if mask is not None:
            mask[line, start:end] = 1
        labels = torch.tensor(row.labels)[1:]
        learned = (labels != IGNORED).nonzero().squeeze(1)
        places.append(learned + line * width + start)
        targets.append(labels[learned])
        begin += lengths[index]
    return Batch(
        ids=_moved(ids, device),
        positions=_moved(positions, device),
        mask=None if mask is None else _moved(mask, device),
        lengths=lengths,
        places=_moved(torch.cat(places), device),
        targets=_moved(torch.cat(targets).long(), device),
    )


def _moved(tensor: torch.Tensor, device: str) -> torch.Tensor:
    """Move a tensor to a device; to a GPU from pinned memory, so that nobody waits for the copy."""
    return tensor.pin_memory().to(device, non_blocking=True) if device == "cuda" else tensor.to(device)

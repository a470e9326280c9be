"""Rows that one model answers together, a token each at a time: they join and leave between two tokens.

Every row lies in one cache, padded on the left. Which token comes next is for `choose` to say.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import torch

from studio.ml.reading import Reader, by_length
from studio.ml.row_cache import RowCache, gather


class Row(Protocol):
    """A prompt and behind it what was answered so far; `left` more tokens may come."""

    ids: list[int]
    left: int


R = TypeVar("R", bound=Row)

Switch = Callable[[Sequence[R]], contextlib.AbstractContextManager[Mapping[str, Any]]]
"""Has the adapters of some rows answer for the length of a `with` block; gives what the model is to be told."""


def _as_it_is(rows: Sequence[Row]) -> contextlib.AbstractContextManager[Mapping[str, Any]]:
    return contextlib.nullcontext({})


class RowBatch(Generic[R]):
    """The rows that are being answered. All of each but its last token lies in the cache."""

    def __init__(
        self,
        reader: Reader,
        *,
        choose: Callable[[Sequence[R], torch.Tensor], None],
        read_tokens: int,
        switched: Switch[R] = _as_it_is,
    ) -> None:
        """`choose` gets rows with the logits after each, (rows, words) in fp32, and adds a token to each that goes on.

        No more than `read_tokens` tokens of new prompts are read at once, as far as rows can be parted.
        """
        self.rows: list[R] = []
        self._reader = reader
        self._choose = choose
        self._read_tokens = read_tokens
        self._switched = switched
        self._cache = RowCache()

    @property
    def going(self) -> list[R]:
        """The rows that have not ended."""
        return [row for row in self.rows if row.left > 0]

    def step(self) -> None:
        """Answer one more token in every row."""
        held = [len(row.ids) - 1 for row in self.rows]
        with self._switched(self.rows) as told:
            logits = self._reader.go_on(self._cache, held, [row.ids[-1:] for row in self.rows], told)
        self._choose(self.rows, logits)

    def rearrange(self, new: Sequence[R]) -> None:
        """Drop the rows that have ended, and take new ones in, with the first token of each answer."""
        self._gather([(self._cache, self.rows)], new, use_up=True)

    def put_aside(self, row: R) -> None:
        """Let go of a row that goes on elsewhere; does nothing where it is not here."""
        rest = [each if each is not row else None for each in self.rows]
        if None in rest:
            self._gather([(self._cache, rest)], (), use_up=True)

    def take_over(self, others: "Sequence[RowBatch[R]]", rows: Sequence[R], new: Sequence[R]) -> None:
        """Take over from other batches those of `rows` that lie there and go on, and take new ones in as `rearrange`.

        The other batches stay as they are.
        """
        wanted = {id(row) for row in rows}
        parts = [(other._cache, [row if id(row) in wanted else None for row in other.rows]) for other in others]
        self._gather(parts, new, use_up=False)

    def _gather(self, held: Sequence[tuple[RowCache, Sequence[R | None]]], new: Sequence[R], *, use_up: bool) -> None:
        parts: list[tuple[RowCache, Sequence[R | None]]] = list(held)
        for numbers in by_length([len(row.ids) for row in new], token_budget=self._read_tokens):
            group = [new[number] for number in numbers]
            with self._switched(group) as told:
                cache, logits = self._reader.read([row.ids for row in group], told)
            self._choose(group, logits)
            parts.append((cache, group))
        places = [
            (cache, [place for place, row in enumerate(rows) if row is not None and row.left > 0])
            for cache, rows in parts
        ]
        self.rows = [row for _, rows in parts for row in rows if row is not None and row.left > 0]
        if self.rows:
            columns = max(len(row.ids) for row in self.rows) - 1
            self._cache = gather([part for part in places if part[1]], columns=columns, use_up=use_up)

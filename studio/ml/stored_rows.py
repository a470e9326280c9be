"""Rows of tokens that stay on disk until they are asked for, with only their figures in memory."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from studio.data.tokenizing.kept_tokens import KeptTokens
from studio.ml.batches import IGNORED, MeasuredRows, TokenRow


@dataclass(frozen=True, eq=False)
class StoredRows(MeasuredRows):
    """The rows of some examples, by their `places` among the kept tokens, each cut after `longest` tokens.

    `lengths` are the tokens of each row, `learned` how many of them are predicted: 12 bytes a row, all three together.
    """

    tokens: KeptTokens
    longest: int
    places: NDArray[np.int32]
    lengths: NDArray[np.int32]
    learned: NDArray[np.int32]

    @classmethod
    def of(cls, tokens: KeptTokens, *, longest: int, cuts: bool) -> "StoredRows":
        """Take the examples that can be trained on: those that have something to learn within `longest` tokens.

        Longer ones are among them only where `cuts` says that they are cut.
        """
        lengths, learned = tokens.index.lengths, tokens.index.learned.astype(np.int32)
        longer = np.flatnonzero(lengths > longest)
        learned[longer] = 0
        for place in longer if cuts else ():
            learned[place] = tokens.read(int(place))[1].count(1, 1, longest)
        places = np.flatnonzero(learned).astype(np.int32)
        return cls(tokens, longest, places, np.minimum(lengths[places], longest).astype(np.int32), learned[places])

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, number: int) -> TokenRow: ...

    @overload
    def __getitem__(self, number: slice) -> "StoredRows": ...

    def __getitem__(self, number: int | slice) -> "TokenRow | StoredRows":
        if isinstance(number, slice):
            return self.take(number)
        ids, is_learned = self.tokens.read(int(self.places[number]))
        ids = ids[: self.longest]
        flags = np.frombuffer(is_learned, dtype=np.bool_)[: self.longest]
        labels = array("i", np.where(flags, np.frombuffer(ids, dtype=np.int32), np.int32(IGNORED)).tobytes())
        return TokenRow(ids=ids, labels=labels)

    def __iter__(self) -> Iterator[TokenRow]:
        return map(self.__getitem__, range(len(self)))

    def take(self, numbers: "NDArray[np.intp] | slice") -> "StoredRows":
        """Return some of the rows, by their numbers in this order."""
        return StoredRows(self.tokens, self.longest, self.places[numbers], self.lengths[numbers], self.learned[numbers])

"""A model's key-value cache of many rows, in a form that rows can leave and join while answers are written.

Every row ends in the last column; shorter ones have padding in front.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

COLUMNS_AHEAD = 64
"""Room for so many more tokens is kept, so that a new one need not move what is there."""


class CacheLayer(DynamicLayer):
    """Keys and values, each (rows, heads, columns, size), at the front of tensors with room for more columns."""

    def __init__(self) -> None:
        super().__init__()
        self.rooms: tuple[torch.Tensor, ...] = ()
        self.columns = 0

    @property
    def pair(self) -> tuple[torch.Tensor, ...]:
        """The keys and the values; nothing as long as nothing was read."""
        return tuple(room[:, :, : self.columns] for room in self.rooms)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        held, columns = self.columns, self.columns + key_states.shape[2]
        news = (key_states, value_states)
        rooms = self.rooms
        if not rooms or rooms[0].shape[2] < columns:
            rooms = tuple(new.new_empty(*new.shape[:2], columns + COLUMNS_AHEAD, new.shape[3]) for new in news)
            for room, old in zip(rooms, self.pair, strict=False):
                room[:, :, :held] = old
        for room, new in zip(rooms, news, strict=True):
            room[:, :, held:columns] = new
        self.fill(rooms, columns)
        keys, values = self.pair
        return keys, values

    def fill(self, rooms: tuple[torch.Tensor, ...], columns: int) -> None:
        """Take over tensors whose first columns are keys and values."""
        if not self.is_initialized:
            self.lazy_initialization(*rooms)
        self.rooms, self.columns = rooms, columns
        self.keys, self.values = self.pair

    def empty(self) -> None:
        """Let everything go."""
        self.reset()
        self.rooms, self.columns = (), 0


class RowCache(DynamicCache):
    """What a model keeps of the rows that it has read. Every row ends in the last column."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_class_to_replicate = CacheLayer

    @property
    def own_layers(self) -> list[CacheLayer]:
        """The layers, which are all of the kind above."""
        return cast(list[CacheLayer], self.layers)

    @property
    def bytes_per_token(self) -> int:
        """How much memory one token of one row takes."""
        tensors = [each for layer in self.own_layers for each in layer.pair]
        return sum(each.element_size() * each.shape[1] * each.shape[3] for each in tensors)

    def laid_out(self, places: torch.Tensor) -> "RowCache":
        """Make the cache of many rows out of this one of a single row: `places` says what is where, (rows, columns)."""
        made = RowCache()
        rows, columns = places.shape
        for layer in self.own_layers:
            copy = CacheLayer()
            made.layers.append(copy)
            rooms = []
            for source in layer.pair:  # (1, heads, tokens, size)
                room = source.new_empty(rows, source.shape[1], columns + COLUMNS_AHEAD, source.shape[3])
                room[:, :, :columns] = source[0][:, places.to(source.device)].transpose(0, 1)
                rooms.append(room)
            if rooms:
                copy.fill(tuple(rooms), columns)
        return made


def gather(parts: Sequence[tuple[RowCache, Sequence[int]]], *, columns: int, use_up: bool) -> RowCache:
    """Make one cache of rows of several, each given by its numbers there; a row may be named more than once.

    The last `columns` columns are kept; a row that has fewer begins with zeros. With `use_up` each layer of `parts` is
    let go once it is copied, so that not everything is in memory twice.
    """
    gathered = RowCache()
    rows = sum(len(numbers) for _, numbers in parts)
    for layers in zip(*(cache.own_layers for cache, _ in parts), strict=True):
        made = CacheLayer()
        gathered.layers.append(made)
        rooms = tuple(
            one.new_zeros(rows, one.shape[1], columns + COLUMNS_AHEAD, one.shape[3]) for one in layers[0].pair
        )
        first = 0
        for layer, (_, numbers) in zip(layers, parts, strict=True):
            chosen = torch.tensor(numbers, dtype=torch.long)
            for room, whole in zip(rooms, layer.pair, strict=True):
                source = whole[:, :, -columns:]
                into = room[first : first + len(numbers), :, columns - source.shape[2] : columns]
                into.copy_(source[chosen.to(source.device)])
            first += len(numbers)
            if use_up:
                layer.empty()
        if rooms:
            made.fill(rooms, columns)
    return gathered

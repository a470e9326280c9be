"""Reads many prompts of different lengths into one cache, padded on the left; a shared beginning is read once.

In the cache every row ends in the same column, so rows can leave, be repeated, and be joined by others that were read
later. Whether a model supports that is tried out on the model, not read from its code.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch

from studio.ml.engine import takes_logits_to_keep
from studio.ml.row_cache import RowCache, gather


class Reader:
    """A model that reads prompts which all begin with `prefix`; that is read once, when this is made.

    The adapter that shall answer must be on while anything is read, and the model in evaluation mode.
    """

    def __init__(self, model: Any, *, prefix: Sequence[int], pad_id: int) -> None:
        self._model = model
        self._pad_id = pad_id
        self._device = model.device
        self._can_choose = takes_logits_to_keep(model)
        self._start: RowCache | None = None
        if prefix:
            self._start, _ = self.read([prefix])

    def read(
        self, prompts: Sequence[Sequence[int]], told: Mapping[str, Any] = MappingProxyType({})
    ) -> tuple[RowCache, torch.Tensor]:
        """Read prompts, each the prefix and at least one more token: the cache, and the logits after each prompt,
        (rows, words) in fp32. `told` is what else the model is told, such as the adapter of each row.

        They are laid out as plain padding on the left does, which attention within a window depends on: the columns
        that are not read again hold the beginning of the prefix, as far to the right as each row's padding puts it.
        """
        shared = self._start.get_seq_length() if self._start is not None else 0
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        width = int(lengths.max())
        padding = (width - lengths)[:, None]
        ids = torch.tensor([[*[self._pad_id] * (width - len(prompt)), *prompt] for prompt in prompts])
        columns = torch.arange(width)[None]
        positions = (columns - padding).clamp(min=0)
        cache = RowCache() if self._start is None else self._start.laid_out(positions[:, :shared])
        last = torch.zeros(len(prompts), width - shared, dtype=torch.bool)
        last[:, -1] = True
        return cache, self._logits(
            ids[:, shared:], positions[:, shared:], columns >= padding, cache, wanted=last, told=told
        )

    def go_on(
        self,
        cache: RowCache,
        lengths: Sequence[int],
        tokens: Sequence[Sequence[int]],
        told: Mapping[str, Any] = MappingProxyType({}),
    ) -> torch.Tensor:
        """Read more of every row of a cache, which holds the last `lengths` tokens of each; at least one token each.

        Returns the logits after each token, row after row, (tokens, words) in fp32. Rows of different lengths are
        padded behind what they read: such a cache must not be read on.
        """
        held = cache.get_seq_length()
        width = max(map(len, tokens))
        ids = torch.tensor([[*each, *[self._pad_id] * (width - len(each))] for each in tokens])
        counts = torch.tensor([len(each) for each in tokens])
        wanted = torch.arange(width) < counts[:, None]  # (rows, width)
        starts = torch.tensor(lengths)[:, None]
        # A padding's place is that of the row's last token: there may be none after it.
        positions = starts + torch.minimum(torch.arange(width)[None], counts[:, None] - 1)
        mask = torch.cat([torch.arange(held) >= held - starts, wanted], dim=1)
        return self._logits(ids, positions, mask, cache, wanted=wanted, told=told)

    def _logits(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor,
        cache: RowCache,
        *,
        wanted: torch.Tensor,
        told: Mapping[str, Any],
    ) -> torch.Tensor:
        """Read `ids` into the cache; returns the logits where `wanted`, one line each, in fp32."""
        keep = {"logits_to_keep": wanted.to(self._device)} if self._can_choose else {}
        logits: torch.Tensor = self._model(
            input_ids=ids.to(self._device),
            position_ids=positions.to(self._device),
            attention_mask=mask.long().to(self._device),
            past_key_values=cache,
            use_cache=True,
            **keep,
            **told,
        ).logits
        return (logits if self._can_choose else logits[wanted.to(self._device)]).float()


def shared_prefix(prompts: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Return what all prompts begin with, short of a whole prompt; nothing for a single one."""
    if len(prompts) < 2:
        return ()
    first, last = min(map(tuple, prompts)), max(map(tuple, prompts))  # what these two share, all share
    most = min(map(len, prompts)) - 1
    same = next((place for place in range(most) if first[place] != last[place]), most)
    return first[:same]


def by_length(lengths: Sequence[int], *, token_budget: int) -> list[list[int]]:
    """Group rows of similar length, by their numbers: each of at most `token_budget` tokens, padding included."""
    groups: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not groups or (len(groups[-1]) + 1) * lengths[number] > token_budget:
            groups.append([])
        groups[-1].append(number)
    return groups


def can_read(model: Any, *, pad_id: int) -> int:
    """Try out whether a model's logits are the same in a batch of this kind as they are alone.

    Rows with a shared beginning are read, leave, are joined by another and are read on. Returns how many bytes a token
    takes in the cache, and 0 when the model cannot be read so: one with a state in place of keys and values, say.
    """
    words = model.get_input_embeddings().weight.shape[0]
    rng = torch.Generator().manual_seed(0)
    prefix, *tails = (torch.randint(words, (length,), generator=rng).tolist() for length in (6, 3, 9, 1, 4))
    rows = [prefix + tail for tail in tails]
    more = torch.randint(words, (4,), generator=rng).tolist()
    order = [2, 0, 3]
    try:
        alone = torch.stack([_alone(model, [*row, token]) for row, token in zip(rows, more, strict=True)])
        reader = Reader(model, prefix=prefix, pad_id=pad_id)
        first, start = reader.read(rows[:3])
        second, late = reader.read(rows[3:])
        cache = gather([(first, order[:2]), (second, (0,))], columns=len(rows[3]), use_up=True)
        later = reader.go_on(cache, [len(rows[row]) for row in order], [[more[row]] for row in order])
    except (TypeError, ValueError, RuntimeError, AttributeError, LookupError):
        return 0
    found, expected = torch.cat([start, late, later]), torch.cat([alone[:, 0], alone[order, 1]]).float()
    tolerance = 1e-3 if alone.dtype == torch.float32 else 0.1  # bf16 keeps 8 bits, and every layer rounds
    is_same = bool((found - expected).norm() <= tolerance * expected.norm())
    return cache.bytes_per_token if is_same else 0


def _alone(model: Any, ids: Sequence[int]) -> torch.Tensor:
    """Return the logits after the last token but one and after the last, (2, words)."""
    logits: torch.Tensor = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits[0, -2:]
    return logits

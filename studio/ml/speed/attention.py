"""Causal attention over sequences that are laid end to end, each of which sees itself alone.

On a GPU a varlen kernel does it. On a processor PyTorch's own kernel is slow (at 512 tokens, 17.5 ms forward and
backward against 7.5 ms here, see `benchmarks/README.md`), so blocks of queries are multiplied with the keys that they
may see, and the backward pass is written out. Does not know of models: it takes queries, keys and values.
"""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from studio.models.forecast.plan import QUERY_BLOCK


@dataclass(frozen=True)
class Shape:
    """How attention is computed: `scale` for the scores, `window` how many keys back a query sees (None: all),
    `softcap` the bound that tanh puts on a score (None: no bound; Gemma 2, arXiv 2408.00118), `dropout` the share of
    weights that is hidden, which `separate_attention` alone knows.
    """

    scale: float
    window: int | None = None
    softcap: float | None = None
    dropout: float = 0.0


def blocked_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, lengths: Sequence[int], shape: Shape
) -> torch.Tensor:
    """Attend within each of the sequences of `lengths` that lie end to end.

    query is (heads, tokens, size), key and value (key heads, tokens, size) with heads a multiple of key heads. Returns
    (tokens, heads, size). Scores are computed in fp32 whatever the inputs are. The formulas are those of FlashAttention
    (Dao et al. 2022, arXiv 2205.14135, algorithm 4), without its tiling over keys.
    """
    attended: torch.Tensor = _Blocked.apply(query, key, value, tuple(lengths), shape)
    return attended


def separate_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, lengths: Sequence[int], shape: Shape
) -> torch.Tensor:
    """Do what `blocked_attention` does by PyTorch's own kernel, one sequence after the other."""
    parts = []
    for start, end in _spans(lengths):
        mask = _band(end - start, shape.window, query.device) if _is_windowed(end - start, shape) else None
        part = functional.scaled_dot_product_attention(
            query[None, :, start:end],
            key[None, :, start:end],
            value[None, :, start:end],
            attn_mask=mask,
            dropout_p=shape.dropout,
            is_causal=mask is None,
            scale=shape.scale,
            enable_gqa=key.shape[0] != query.shape[0],
        )
        parts.append(part[0].transpose(0, 1))
    return torch.cat(parts)


def varlen_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, lengths: Sequence[int], shape: Shape
) -> torch.Tensor:
    """Do what `blocked_attention` does by the varlen kernel of a GPU. Takes fp16 and bf16 only, and no softcap."""
    from torch.nn.attention.varlen import varlen_attn

    ends = torch.tensor([0, *lengths], device=query.device).cumsum(0, dtype=torch.int32)
    longest = max(lengths)
    attended = varlen_attn(
        query.transpose(0, 1),
        key.transpose(0, 1),
        value.transpose(0, 1),
        ends,
        ends,
        longest,
        longest,
        scale=shape.scale,
        window_size=(-1 if shape.window is None else shape.window - 1, 0),
        enable_gqa=key.shape[0] != query.shape[0],
    )
    assert isinstance(attended, torch.Tensor)  # it returns more only when it is asked for more
    return attended


class _Blocked(torch.autograd.Function):
    """`blocked_attention` with its gradient. Nothing of the size of the scores is kept from forward to backward."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: tuple[int, ...], shape: Shape
    ) -> torch.Tensor:
        heads, tokens, size = query.shape
        groups = key.shape[0]
        output = query.new_empty(tokens, heads, size)
        for start, end in _spans(lengths):
            q, k, v = _sequence(query, key, value, start, end)
            for block in _blocks(end - start, shape.window):
                weights, _ = _weights(q, k, block, shape)
                part = torch.bmm(weights, v[:, block.seen : block.last])
                output[start + block.first : start + block.last].view(-1, groups, heads // groups, size).copy_(
                    part.view(groups, heads // groups, -1, size).permute(2, 0, 1, 3)
                )
        ctx.save_for_backward(query, key, value)
        ctx.lengths, ctx.shape = lengths, shape
        return output

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        query, key, value = ctx.saved_tensors
        shape: Shape = ctx.shape
        query_gradient, key_gradient, value_gradient = (torch.empty_like(each) for each in (query, key, value))
        for start, end in _spans(ctx.lengths):
            q, k, v = _sequence(query, key, value, start, end)
            d = _grouped(gradient[start:end].transpose(0, 1), k.shape[0])
            dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
            for block in _blocks(end - start, shape.window):
                keys = slice(block.seen, block.last)
                weights, slope = _weights(q, k, block, shape)
                part = _rows(d, block)
                dv[:, keys].baddbmm_(weights.transpose(1, 2), part)
                change = torch.bmm(part, v[:, keys].transpose(1, 2))
                change = torch._softmax_backward_data(change, weights, -1, weights.dtype)
                if slope is not None:
                    change.mul_(slope)
                change.mul_(shape.scale)
                dk[:, keys].baddbmm_(change.transpose(1, 2), _rows(q, block))
                into = dq[:, :, block.first : block.last]
                into.copy_(torch.bmm(change, k[:, keys]).view_as(into))
            query_gradient[:, start:end] = dq.flatten(0, 1)
            key_gradient[:, start:end], value_gradient[:, start:end] = dk, dv
        return query_gradient, key_gradient, value_gradient, None, None


@dataclass(frozen=True)
class _Block:
    """The queries from `first` to before `last`, which see the keys from `seen` to before `last`."""

    first: int
    last: int
    seen: int


def _blocks(length: int, window: int | None) -> Sequence[_Block]:
    return [
        _Block(first, min(first + QUERY_BLOCK, length), 0 if window is None else max(0, first - window + 1))
        for first in range(0, length, QUERY_BLOCK)
    ]


def _spans(lengths: Sequence[int]) -> Sequence[tuple[int, int]]:
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    return list(itertools.pairwise(ends))


def _sequence(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, start: int, end: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cut out one sequence, contiguous and fp32: query (groups, heads of a group, length, size), the others (groups,
    length, size).
    """
    groups = key.shape[0]
    k, v = (each[:, start:end].float().contiguous() for each in (key, value))
    return _grouped(query[:, start:end], groups), k, v


def _grouped(heads_first: torch.Tensor, groups: int) -> torch.Tensor:
    return heads_first.float().contiguous().unflatten(0, (groups, -1))


def _rows(grouped: torch.Tensor, block: _Block) -> torch.Tensor:
    """Cut out a block as (groups, heads of a group x queries, size)."""
    return grouped[:, :, block.first : block.last].flatten(1, 2)


def _weights(q: torch.Tensor, k: torch.Tensor, block: _Block, shape: Shape) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return how much each query of a block attends to each key, (groups, heads of a group x queries, keys).

    With a softcap, also the slope of the bounded score by the unbounded one.
    """
    scores = torch.bmm(_rows(q, block), k[:, block.seen : block.last].transpose(1, 2)).mul_(shape.scale)
    slope = None
    if shape.softcap is not None:
        bounded = (scores / shape.softcap).tanh_()
        slope = 1 - bounded * bounded
        scores = bounded.mul_(shape.softcap)
    queries = block.last - block.first
    by_head = scores.view(k.shape[0], -1, queries, scores.shape[-1])
    if shape.window is None:
        by_head[..., -queries:].add_(_above_diagonal(queries, scores.device))
    else:
        by_head.masked_fill_(_hidden(block, shape.window, scores.device), -torch.inf)
    return torch.softmax(scores, dim=-1), slope


@functools.lru_cache(maxsize=256)
def _above_diagonal(size: int, device: torch.device) -> torch.Tensor:
    """Return what hides later keys when it is added to the scores of a square block: 0 below, -inf above."""
    return torch.full((size, size), -torch.inf, device=device).triu_(1)


def _hidden(block: _Block, window: int | None, device: torch.device) -> torch.Tensor:
    """Say which keys a query of the block may not see: (queries, keys)."""
    queries = torch.arange(block.first, block.last, device=device)[:, None]
    keys = torch.arange(block.seen, block.last, device=device)[None]
    hidden = keys > queries
    return hidden if window is None else hidden | (keys <= queries - window)


def _is_windowed(length: int, shape: Shape) -> bool:
    return shape.window is not None and length > shape.window


def _band(length: int, window: int | None, device: torch.device) -> torch.Tensor:
    return ~_hidden(_Block(0, length, 0), window, device)

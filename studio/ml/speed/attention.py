"""Causal attention over sequences that are laid end to end, each of which sees itself alone.

On a GPU a kernel for sequences of several lengths does it. On a processor PyTorch's own kernel is slow (at 508 tokens
in bf16, 28 ms forward and backward against 16 ms here, see `benchmarks/README.md`), so blocks of queries are multiplied
with the keys that they may see, and the backward pass is written out. Does not know of models: it takes queries, keys
and values.
"""

import functools
import itertools
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from studio.errors import is_out_of_memory
from studio.models.forecast.plan import KEPT_LENGTH, QUERY_BLOCK

log = logging.getLogger(__name__)

Attend = Callable[..., torch.Tensor]
"""One of the functions below: query, key, value, `lengths` and `shape` as `blocked_attention` takes them."""

GPU_QUERY_BLOCK = 512
"""The same as `QUERY_BLOCK` on a GPU, which waits for the processor when blocks are small."""

_CAUSAL = 1
"""How PyTorch's efficient kernel is told that no query sees a later key."""


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
    if query.is_cuda:  # of what is grouped, the kernels for fp32 and for older cards make a matrix of all scores
        key, value = _expanded(key, len(query)), _expanded(value, len(query))
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
    ends, longest = sequence_ends(tuple(lengths), query.device), max(lengths)
    # What `torch.nn.attention.varlen` calls, whose own operation costs 0.1 ms of Python each way in every layer.
    output: torch.Tensor = torch.ops.aten._flash_attention_forward(
        query.transpose(0, 1),
        key.transpose(0, 1),
        value.transpose(0, 1),
        ends,
        ends,
        longest,
        longest,
        0.0,
        shape.window is None,
        False,
        scale=shape.scale,
        window_size_left=-1 if shape.window is None else shape.window - 1,
        window_size_right=0,
    )[0]
    return output


def expanded_varlen_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, lengths: Sequence[int], shape: Shape
) -> torch.Tensor:
    """Do what `varlen_attention` does, with keys and values repeated for each head of a group."""
    heads = len(query)
    return varlen_attention(query, _expanded(key, heads), _expanded(value, heads), lengths=lengths, shape=shape)


def efficient_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, lengths: Sequence[int], shape: Shape
) -> torch.Tensor:
    """Do what `blocked_attention` does by PyTorch's memory-efficient kernel (Rabe & Staats 2021, arXiv 2112.05682).

    It takes fp32 too, and runs on cards from before the varlen kernel's; no softcap. Its gradients are wrong with a
    window (by 20 % on an H100 with PyTorch 2.11), so what has one is left to `separate_attention`.
    """
    if any(_is_windowed(length, shape) for length in lengths):
        return separate_attention(query, key, value, lengths=lengths, shape=shape)
    heads, longest = len(query), max(lengths)
    ends = sequence_ends(tuple(lengths), query.device)
    q, k, v = (each.transpose(0, 1)[None] for each in (query, _expanded(key, heads), _expanded(value, heads)))
    output: torch.Tensor = torch.ops.aten._efficient_attention_forward(
        q,
        k,
        v,
        None,
        ends,
        ends,
        longest,
        longest,
        0.0,
        _CAUSAL,
        torch.is_grad_enabled() and any(each.requires_grad for each in (q, k, v)),
        scale=shape.scale,
    )[0]
    return output[0]


@functools.lru_cache(maxsize=8)
def sequence_ends(lengths: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return where sequences end, 0 first: (sequences + 1,), int32. Made once for all layers of a batch."""
    with torch.inference_mode(False):  # a tensor from there could not be kept for a backward pass
        ends = torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32)
        return ends.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else ends.to(device)


@functools.cache
def is_right(attend: Attend, device: str, dtype: torch.dtype, size: int) -> bool:
    """Try out whether a kernel attends as the blocks do, with groups and windows, in values and gradients.

    `size` is that of a head. Raises what it raises when there is no memory left.
    """
    lengths, scale = (37, 5, 70), size**-0.5
    rng = torch.Generator().manual_seed(0)
    made = [torch.randn(heads, sum(lengths), size, generator=rng).to(dtype) for heads in (4, 2, 2)]
    down = torch.randn(sum(lengths), 4, size, generator=rng).to(dtype)
    try:
        with torch.enable_grad():
            for window in (None, 9):
                shape = Shape(scale, window)
                theirs, mine = (
                    _values_and_gradients(each, [one.to(place) for one in made], down.to(place), lengths, shape)
                    for each, place in ((blocked_attention, "cpu"), (attend, device))
                )
                tolerance = 5e-3 if dtype == torch.float32 else 3e-2
                for one, other in zip(mine, theirs, strict=True):
                    if not (one - other).norm() <= tolerance * other.norm():
                        log.info("%s is not used: it attends otherwise (window %s)", attend.__name__, window)
                        return False
    except (RuntimeError, TypeError, ValueError, ImportError, AttributeError) as error:
        if is_out_of_memory(error):
            raise
        log.info("%s is not used: %s", attend.__name__, error)
        return False
    return True


def _values_and_gradients(
    attend: Attend, made: list[torch.Tensor], down: torch.Tensor, lengths: tuple[int, ...], shape: Shape
) -> list[torch.Tensor]:
    inputs = [each.detach().requires_grad_() for each in made]
    attended = attend(*inputs, lengths=lengths, shape=shape)
    return [each.float().cpu() for each in (attended.detach(), *torch.autograd.grad(attended, inputs, down))]


def _expanded(grouped: torch.Tensor, heads: int) -> torch.Tensor:
    """Repeat keys or values, (groups, tokens, size), for each head of a group: (heads, tokens, size)."""
    if len(grouped) == heads:
        return grouped
    return grouped[:, None].expand(-1, heads // len(grouped), -1, -1).flatten(0, 1)


class _Blocked(torch.autograd.Function):
    """`blocked_attention` with its gradient.

    In bf16 the scores are products in fp32, and what is made of them is multiplied in bf16, as the kernels of PyTorch
    do it. Of sequences of at most `KEPT_LENGTH` tokens the weights are kept for the backward pass on a processor, which
    makes them again of all others.
    """

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: tuple[int, ...], shape: Shape
    ) -> torch.Tensor:
        heads, tokens, size = query.shape
        groups = key.shape[0]
        output = query.new_empty(tokens, heads, size)
        is_learning = any(ctx.needs_input_grad)
        kept = []
        for start, end in _spans(lengths):
            q, k, v = _sequence(query, key, value, start, end)
            exact_q, exact_k, keeps = q.float(), k.float(), is_learning and _keeps(end - start, q, shape)
            buffers = None if keeps else _buffers(q, end - start, shape.window)
            for block in _blocks(end - start, shape.window, query.device):
                weights = _narrowed(_weights(exact_q, exact_k, block, shape, buffers)[0], v.dtype, buffers)
                if keeps:
                    kept.append(weights)
                part = torch.bmm(weights, v[:, block.seen : block.last])
                output[start + block.first : start + block.last].view(-1, groups, heads // groups, size).copy_(
                    part.view(groups, heads // groups, -1, size).permute(2, 0, 1, 3)
                )
        ctx.save_for_backward(query, key, value, *kept)
        ctx.lengths, ctx.shape = lengths, shape
        return output

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        query, key, value, *kept = ctx.saved_tensors
        shape: Shape = ctx.shape
        all_kept = iter(kept)
        query_gradient, key_gradient, value_gradient = (torch.empty_like(each) for each in (query, key, value))
        for start, end in _spans(ctx.lengths):
            q, k, v = _sequence(query, key, value, start, end)
            d = _grouped(gradient[start:end].transpose(0, 1), k)
            dk, dv = (torch.zeros_like(k, dtype=torch.float32) for _ in range(2))
            keeps = _keeps(end - start, q, shape)
            exact_q, exact_k = (q, k) if keeps else (q.float(), k.float())
            buffers = None if keeps else _buffers(q, end - start, shape.window)
            for block in _blocks(end - start, shape.window, query.device):
                keys = slice(block.seen, block.last)
                if keeps:
                    weights, slope = next(all_kept), None
                    exact = weights.float()
                else:
                    exact, slope = _weights(exact_q, exact_k, block, shape, buffers)
                    weights = _narrowed(exact, v.dtype, buffers)
                part = _rows(d, block)
                dv[:, keys].add_(torch.bmm(weights.transpose(1, 2), part))
                change = _change(part, v[:, keys].transpose(1, 2), exact, buffers)
                if slope is not None:
                    change.mul_(slope)
                change = _narrowed(change, k.dtype, buffers)
                dk[:, keys].add_(torch.bmm(change.transpose(1, 2), _rows(q, block)))
                into = query_gradient[:, start + block.first : start + block.last]
                torch.mul(torch.bmm(change, k[:, keys]).view(into.shape), shape.scale, out=into)
            key_gradient[:, start:end], value_gradient[:, start:end] = dk.mul_(shape.scale), dv
        return query_gradient, key_gradient, value_gradient, None, None


@dataclass(frozen=True)
class _Block:
    """The queries from `first` to before `last`, which see the keys from `seen` to before `last`."""

    first: int
    last: int
    seen: int


def _blocks(length: int, window: int | None, device: torch.device) -> Sequence[_Block]:
    size = QUERY_BLOCK if device.type == "cpu" else GPU_QUERY_BLOCK
    return [
        _Block(first, min(first + size, length), 0 if window is None else max(0, first - window + 1))
        for first in range(0, length, size)
    ]


def _spans(lengths: Sequence[int]) -> Sequence[tuple[int, int]]:
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    return list(itertools.pairwise(ends))


def _keeps(length: int, q: torch.Tensor, shape: Shape) -> bool:
    """Tell whether the weights of a sequence are kept. A softcap would want the scores as well."""
    return length <= KEPT_LENGTH and q.device.type == "cpu" and shape.softcap is None


class _Buffers:
    """Memory that the blocks of one sequence share on a processor. Each block sees more keys than the one before, and
    what was freed of one would fit no later one.

    `numbers` is how many the largest block has.
    """

    def __init__(self, numbers: int) -> None:
        self._numbers = numbers
        self._made: dict[tuple[str, torch.dtype], torch.Tensor] = {}

    def take(self, name: str, like: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """Return the buffer of a name in this shape; what stood in it is gone."""
        key = (name, dtype)
        if key not in self._made:
            self._made[key] = torch.empty(self._numbers, dtype=dtype)
        return self._made[key][: math.prod(like)].view(*like)


def _buffers(q: torch.Tensor, length: int, window: int | None) -> _Buffers | None:
    """Return what the blocks of a sequence share; None on a GPU, whose allocator has no such holes."""
    if q.device.type != "cpu":
        return None
    groups, heads, _, _ = q.shape
    seen = length if window is None else min(length, QUERY_BLOCK + window)
    return _Buffers(groups * heads * min(QUERY_BLOCK, length) * seen)


def _narrowed(exact: torch.Tensor, kind: torch.dtype, buffers: _Buffers | None) -> torch.Tensor:
    """Return numbers in the format that is multiplied in."""
    if buffers is None or exact.dtype == kind:
        return exact.to(kind)
    return buffers.take("narrowed", exact.shape, kind).copy_(exact)


def _change(part: torch.Tensor, values: torch.Tensor, exact: torch.Tensor, buffers: _Buffers | None) -> torch.Tensor:
    """Return the gradient of the scores of a block, from that of what it attends to and its exact weights."""
    if buffers is None:
        change = torch.bmm(part, values).float()
        return torch._softmax_backward_data(change, exact, -1, exact.dtype)
    made = torch.bmm(part, values, out=buffers.take("scores", exact.shape, part.dtype))
    if made.dtype != exact.dtype:
        made = buffers.take("scores", exact.shape, exact.dtype).copy_(made)
    into = buffers.take("change", exact.shape, exact.dtype)
    return torch.ops.aten._softmax_backward_data.out(made, exact, -1, exact.dtype, grad_input=into)


def _sequence(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, start: int, end: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cut out one sequence, contiguous and in bf16 or fp32: query (groups, heads of a group, length, size), the others
    (groups, length, size).
    """
    kind = torch.bfloat16 if query.dtype == torch.bfloat16 else torch.float32  # fp16 is too narrow for gradients
    k, v = (each[:, start:end].to(kind).contiguous() for each in (key, value))
    return _grouped(query[:, start:end], k), k, v


def _grouped(heads_first: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return heads_first.to(like.dtype).contiguous().unflatten(0, (like.shape[0], -1))


def _rows(grouped: torch.Tensor, block: _Block) -> torch.Tensor:
    """Cut out a block as (groups, heads of a group x queries, size)."""
    return grouped[:, :, block.first : block.last].flatten(1, 2)


def _weights(
    q: torch.Tensor, k: torch.Tensor, block: _Block, shape: Shape, buffers: _Buffers | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return how much each query of a block attends to each key, (groups, heads of a group x queries, keys).

    With a softcap, also the slope of the bounded score by the unbounded one.
    """
    keys = k[:, block.seen : block.last].transpose(1, 2)
    rows = _rows(q, block)
    into = None if buffers is None else buffers.take("scores", (len(rows), rows.shape[1], keys.shape[2]), q.dtype)
    scores = torch.baddbmm(q.new_empty(1), rows, keys, beta=0, alpha=shape.scale, out=into)
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
    if buffers is None:
        return torch.softmax(scores, dim=-1), slope
    into = buffers.take("exact", scores.shape, scores.dtype)
    return torch.ops.aten._softmax.out(scores, -1, False, out=into), slope


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

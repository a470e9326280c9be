"""The ways of attending that the studio has on a device, and what is right: scores in fp64."""

import itertools
from collections.abc import Iterator, Sequence

import torch

from studio.ml.speed import attention as ours

CASES = (
    *(((32, 8, 64), window, None) for window in (None, 512)),
    *(((32, 8, 128), window, None) for window in (None, 512)),
    *(((8, 4, 256), window, softcap) for window, softcap in ((None, None), (512, None), (None, 50.0), (512, 50.0))),
)
"""Heads, key heads and head size; the window; the soft cap."""

_WAYS = {
    "varlen": ("varlen_attention", (torch.bfloat16, torch.float16), ("cuda",)),
    "expanded varlen": ("expanded_varlen_attention", (torch.bfloat16,), ("cuda",)),
    "efficient": ("efficient_attention", (torch.float16, torch.float32), ("cuda",)),
    "separate": ("separate_attention", (torch.bfloat16, torch.float32), ("cuda", "cpu")),
    "blocked": ("blocked_attention", (torch.bfloat16, torch.float32), ("cuda", "cpu")),
}

NO_SOFTCAP = ("varlen", "expanded varlen", "efficient", "separate")


def ways(device: str) -> Iterator[tuple[str, torch.dtype]]:
    """Yield each way that there is on a device, with each number format that it takes."""
    for name, (function, dtypes, devices) in _WAYS.items():
        if device in devices and hasattr(ours, function):
            yield from ((name, dtype) for dtype in dtypes)


def attended(
    name: str,
    inputs: Sequence[torch.Tensor],
    down: torch.Tensor,
    *,
    lengths: tuple[int, ...],
    window: int | None = None,
    softcap: float | None = None,
) -> tuple[torch.Tensor, ...]:
    """Return what one way gives for queries, keys and values, and their gradients given that of the output."""
    leaves = [each.detach().requires_grad_() for each in inputs]
    shape = ours.Shape(scale=inputs[0].shape[-1] ** -0.5, window=window, softcap=softcap)
    output = getattr(ours, _WAYS[name][0])(*leaves, lengths=lengths, shape=shape)
    return (output.detach(), *torch.autograd.grad(output, leaves, down))


def expected(
    inputs: Sequence[torch.Tensor],
    down: torch.Tensor,
    *,
    lengths: tuple[int, ...],
    window: int | None,
    softcap: float | None,
) -> tuple[torch.Tensor, ...]:
    """Return the same by the definition, in fp64."""
    leaves = [each.double().detach().requires_grad_() for each in inputs]
    query, key, value = leaves
    groups = query.shape[0] // key.shape[0]
    parts = []
    for start, end in itertools.pairwise(itertools.accumulate(lengths, initial=0)):
        q = query[:, start:end]
        k, v = (each[:, start:end].repeat_interleave(groups, 0) for each in (key, value))
        scores = q @ k.transpose(1, 2) * query.shape[-1] ** -0.5
        if softcap is not None:
            scores = softcap * torch.tanh(scores / softcap)
        place = torch.arange(end - start, device=query.device)
        hidden = place[None] > place[:, None]
        if window is not None:
            hidden |= place[None] <= place[:, None] - window
        parts.append((scores.masked_fill(hidden, -torch.inf).softmax(-1) @ v).transpose(0, 1))
    output = torch.cat(parts)
    return (output.detach(), *torch.autograd.grad(output, leaves, down.double()))

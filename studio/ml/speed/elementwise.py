"""The small operations between the products in fewer passes over the memory: norms, rotary positions, gated layers.

A part of a model is replaced only where its replacement was tried out on it and gives the same. `replace_all` returns
what puts everything back. Knows the shape of such parts in transformers, and no single model.
"""

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

_TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


def replace_all(model: nn.Module, dtype: torch.dtype) -> Callable[[], None]:
    """Replace every norm, gated layer and rotary function that can be; return what undoes it.

    `dtype` is the number format that the model computes in.
    """
    with contextlib.ExitStack() as undo:
        checked: dict[tuple[type, str], bool] = {}
        for module in model.modules():
            for make in (_norm_of, _gated_of):
                replacement = make(module)
                if replacement is None:
                    continue
                key = (type(module), make.__name__)
                if key not in checked:
                    checked[key] = _is_same(module, replacement, dtype)
                if checked[key]:
                    module.forward = replacement
                    undo.callback(module.__dict__.pop, "forward", None)
        for source in _sources(model):
            original = source.apply_rotary_pos_emb
            if _rotates_the_same(original, dtype):
                source.apply_rotary_pos_emb = rotate_both
                undo.callback(setattr, source, "apply_rotary_pos_emb", original)
        return undo.pop_all().close


def rms_norm(x: torch.Tensor, gain: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Scale each row of x, (..., width), to a root mean square of one, times `gain` (Zhang & Sennrich 2019,
    arXiv 1910.07467). Computed in fp32, returned as x is. On a GPU one kernel does it, where both are in one format.
    """
    if x.is_cuda and x.dtype == gain.dtype and hasattr(torch, "_fused_rms_norm"):
        fused: torch.Tensor = torch._fused_rms_norm(x, [x.shape[-1]], gain, epsilon)[0]
        return fused
    scaled: torch.Tensor = _RmsNorm.apply(x, gain, epsilon)
    return scaled


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn the two halves of each head by their position's angles (Su et al. 2021, arXiv 2104.09864).

    x is (rows, heads, tokens, size), cos and sin can be broadcast to it. Where they are narrower, the rest of each head
    is left as it is.
    """
    if cos.shape[-1] < x.shape[-1]:
        return torch.cat((rotate(x[..., : cos.shape[-1]], cos, sin), x[..., cos.shape[-1] :]), dim=-1)
    turned: torch.Tensor = _Rotate.apply(x, cos, sin)
    return turned


def rotate_both(
    q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, unsqueeze_dim: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn queries and keys, with the arguments that transformers gives."""
    cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
    return rotate(q, cos, sin), rotate(k, cos, sin)


def gated(gate: torch.Tensor, up: torch.Tensor, activation: str) -> torch.Tensor:
    """Return activation(gate) * up, keeping only the two for the way back (Shazeer 2020, arXiv 2002.05202).

    `activation` is "silu", "gelu" or "gelu-tanh".
    """
    product: torch.Tensor = _Gated.apply(gate, up, activation)
    return product


class _RmsNorm(torch.autograd.Function):
    """y = x r g with r = 1 / sqrt(mean(x^2) + epsilon).

    With d = dy g: dx = r (d - x r^2 mean(d x)), dg = sum(dy x r).
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, gain: torch.Tensor, epsilon: float) -> torch.Tensor:
        wide = x.float()
        norm = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        root = norm.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, gain, root)
        return (wide * root).mul_(gain).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        x, gain, root = ctx.saved_tensors
        wide = x.float()
        scaled = gradient * gain.float()
        gain_gradient = None
        if ctx.needs_input_grad[1]:
            gain_gradient = (gradient * wide * root).flatten(0, -2).sum(0).to(gain.dtype)
        inner = torch.linalg.vecdot(scaled, wide).unsqueeze(-1)
        inner.mul_(root.square()).div_(-x.shape[-1])
        change = scaled.addcmul_(wide, inner).mul_(root)
        return change.to(x.dtype), gain_gradient, None


class _Rotate(torch.autograd.Function):
    """(x1, x2) to (x1 cos - x2 sin, x2 cos + x1 sin); back it is turned the other way."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(cos, sin)
        half = x.shape[-1] // 2
        turned = x * cos
        turned[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1)
        turned[..., half:].addcmul_(x[..., :half], sin[..., half:])
        return turned

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        cos, sin = ctx.saved_tensors
        half = gradient.shape[-1] // 2
        change = gradient * cos
        change[..., :half].addcmul_(gradient[..., half:], sin[..., half:])
        change[..., half:].addcmul_(gradient[..., :half], sin[..., :half], value=-1)
        return change, None, None


class _Gated(torch.autograd.Function):
    """p = a(g) u: du = dp a(g), dg = dp u a'(g)."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor, activation: str) -> torch.Tensor:
        ctx.save_for_backward(gate, up)
        ctx.activation = activation
        return _activated(gate, activation).mul_(up)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        gate, up = ctx.saved_tensors
        up_gradient = _activated(gate, ctx.activation).mul_(gradient)
        change = gradient * up
        if ctx.activation == "silu":
            return torch.ops.aten.silu_backward(change, gate), up_gradient, None
        approximate = "tanh" if ctx.activation == "gelu-tanh" else "none"
        return torch.ops.aten.gelu_backward(change, gate, approximate=approximate), up_gradient, None


def _activated(gate: torch.Tensor, activation: str) -> torch.Tensor:
    if activation == "silu":
        return functional.silu(gate)
    return functional.gelu(gate, approximate="tanh" if activation == "gelu-tanh" else "none")


def _norm_of(module: Any) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Make the replacement of a module that is named as an RMS norm, None for any other."""
    weight = getattr(module, "weight", None)
    epsilon = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    if not type(module).__name__.endswith("RMSNorm") or weight is None or weight.dim() != 1 or epsilon is None:
        return None
    # Gemma's weights are added to one; which it is shows in what a module makes of a row of ones.
    ones = torch.ones(2, len(weight), dtype=weight.dtype, device=weight.device)
    with torch.no_grad():
        from_one = torch.allclose(module(ones).float(), 1 + weight.float().expand(2, -1), rtol=2e-2, atol=1e-2)
    if from_one:
        return lambda x: rms_norm(x, 1 + module.weight.float(), epsilon)
    return lambda x: rms_norm(x, module.weight, epsilon)


def _gated_of(module: Any) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Make the replacement of a layer with gate, up and down projections, None for any other."""
    if not all(isinstance(getattr(module, name, None), nn.Module) for name in ("gate_proj", "up_proj", "down_proj")):
        return None
    activation = _activation_name(getattr(module, "act_fn", None))
    if activation is None:
        return None
    return lambda x: module.down_proj(gated(module.gate_proj(x), module.up_proj(x), activation))


def _activation_name(activation: Any) -> str | None:
    if activation is None or not callable(activation):
        return None
    line = torch.linspace(-4, 4, 33)
    with torch.no_grad():
        given = activation(line)
        for name in ("silu", "gelu", "gelu-tanh"):
            if torch.allclose(given, _activated(line, name), atol=1e-6, rtol=1e-6):
                return name
    return None


def _is_same(module: Any, replacement: Callable[[torch.Tensor], torch.Tensor], dtype: torch.dtype) -> bool:
    """Try out a replacement on random rows: values, and the gradient for its input."""
    inputs = _inputs(module)
    if inputs is None:
        return False
    weight = next(module.parameters())
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(3, inputs, generator=rng).to(weight.device, dtype)[None].requires_grad_()
    with torch.enable_grad():
        mine, theirs = (each(x) for each in (replacement, module))
        down = torch.randn(mine.shape, generator=rng).to(mine)
        gradients = [torch.autograd.grad(each, x, down)[0] for each in (mine, theirs)]
    tolerance = _TOLERANCE.get(x.dtype, 2e-2)
    return all(_close(one, other, tolerance) for one, other in ((mine, theirs), gradients))


def _inputs(module: Any) -> int | None:
    if hasattr(module, "gate_proj"):
        return getattr(module.gate_proj, "in_features", None)
    return len(module.weight)


def _close(one: torch.Tensor, other: torch.Tensor, tolerance: float) -> bool:
    return bool((one.float() - other.float()).norm() <= tolerance * other.float().norm() + 1e-9)


def _sources(model: nn.Module) -> Iterator[Any]:
    """List the modules of transformers' code that this model's layers come from and that rotate positions."""
    names = dict.fromkeys(type(module).__module__ for module in model.modules())
    for name in names:
        if hasattr(sys.modules.get(name), "apply_rotary_pos_emb"):
            yield sys.modules[name]


def _rotates_the_same(original: Callable[..., Any], dtype: torch.dtype) -> bool:
    if list(inspect.signature(original).parameters)[:5] != ["q", "k", "cos", "sin", "unsqueeze_dim"]:
        return False
    rng = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, heads, 3, 8, generator=rng).to(dtype) for heads in (4, 2))
    angles = torch.randn(1, 3, 4, generator=rng).repeat(1, 1, 2)
    cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
    pairs = zip(rotate_both(q, k, cos, sin), original(q, k, cos, sin), strict=True)
    return all(_close(one, other, _TOLERANCE.get(dtype, 2e-2)) for one, other in pairs)

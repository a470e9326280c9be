"""Linear layers with a LoRA adapter, computed with nothing to spare, and those with the same input in one product.

Plain peft computes x W^T, (x A^T) B^T, scales and adds, and autograd keeps what it needs of each. Here one function
knows that W is frozen: forward is the base's product with the adapter's added in place, backward writes each gradient
down once. Layers that read the same tensor (query, key and value; gate and up) lie in one matrix. Does not know of
models: which layers share an input is seen by watching them.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import nn
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

ADAPTER = "default"


def fusible(layer: nn.Module, *, over_packed: bool = False) -> bool:
    """Tell whether a layer is plain LoRA without dropout, with an adapter in the weight's number format or in fp32.

    The weight is not packed, or in 4 bits where `over_packed` allows that.
    """
    base: Any = getattr(layer, "base_layer", None)
    packed = _is_packed(base)
    if not (over_packed if packed else type(layer) is Linear and isinstance(base, nn.Linear | Conv1D)):
        return False
    adapted: Any = layer
    if ADAPTER not in adapted.lora_A or ADAPTER in adapted.lora_variant or adapted.active_adapters != [ADAPTER]:
        return False
    down, up = adapted.lora_A[ADAPTER], adapted.lora_B[ADAPTER]
    known = {down.weight.dtype, up.weight.dtype} in ({_kind(base.weight)}, {torch.float32})
    return isinstance(adapted.lora_dropout[ADAPTER], nn.Identity) and up.bias is None and known


def sharing(layers: Sequence[nn.Module], run: Callable[[], object]) -> list[list[nn.Module]]:
    """Group layers by the tensor that they read while `run` passes something through the model, in the order of use.

    A layer that is used more than once, or not at all, is in no group; nor is one over a packed weight.
    """
    layers = [layer for layer in layers if not _is_packed(layer.base_layer)]
    read: dict[nn.Module, list[torch.Tensor]] = {layer: [] for layer in layers}
    hooks = [layer.register_forward_pre_hook(lambda layer, inputs: read[layer].append(inputs[0])) for layer in layers]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    groups: dict[tuple[int, int], list[nn.Module]] = {}
    for layer in layers:
        if len(read[layer]) == 1:
            tensor = read[layer][0]
            groups.setdefault((id(tensor), tensor._version), []).append(layer)
    return list(groups.values())


class _Handed(threading.local):
    """What a joined product gave to the thread that computes, with what of it is not asked for yet."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.input: torch.Tensor | None = None
        self.version = 0
        self.waiting: list[torch.Tensor | None] = []


class Joined:
    """Layers with the same input, computed together when the first of them is asked and handed out one by one.

    Several threads can compute with it at once.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self._layers = list(layers)
        bases = [layer.base_layer for layer in layers]
        downs = [layer.lora_A[ADAPTER].weight for layer in layers]
        self._ups = [layer.lora_B[ADAPTER].weight for layer in layers]
        self._sizes = [len(up) for up in self._ups]
        self._scale = [float(layer.scaling[ADAPTER]) for layer in layers]
        self._packed = _is_packed(bases[0])
        if len(layers) == 1:
            self._weight = bases[0].weight if self._packed else _out_by_in(bases[0])
            self._bias = bases[0].bias
        else:
            self._weight = _stack([_out_by_in(base) for base in bases])
            self._bias = _stack_biases(bases, self._sizes)
            for base, part in zip(bases, self._weight.split(self._sizes), strict=True):
                base.weight.data = part.t() if isinstance(base, Conv1D) else part
        self._down = downs[0].data
        if len(layers) > 1:
            self._down = _stack([down.data for down in downs])
            for down, part in zip(downs, self._down.split([len(down) for down in downs]), strict=True):
                down.data = part
        self._parameters = [each for pair in zip(downs, self._ups, strict=True) for each in pair]
        self._handed = _Handed()
        for index, layer in enumerate(self._layers):
            layer.forward = _Member(self, index)

    def clear(self) -> None:
        """Drop what this thread computed and did not hand out, with the graph behind it: its pass broke off."""
        self._handed.clear()

    def undo(self) -> None:
        """Give the layers their own way of computing back."""
        self.clear()
        for layer in self._layers:
            layer.__dict__.pop("forward", None)

    def output(self, index: int, x: torch.Tensor) -> torch.Tensor:
        """Return what layer `index` makes of `x`, (..., inputs) to (..., outputs)."""
        if self._packed and not torch.is_grad_enabled():  # a word of an answer takes less than unpacking the weight
            layer = self._layers[index]
            plain: torch.Tensor = type(layer).forward(layer, x)
            return plain
        version = 0 if x.is_inference() else x._version  # those keep no count of changes
        handed = self._handed
        if handed.input is not x or handed.version != version or handed.waiting[index] is None:
            handed.waiting = list(self._compute(x))
            handed.input, handed.version = x, version
        output = handed.waiting[index]
        assert output is not None
        handed.waiting[index] = None
        if not any(each is not None for each in handed.waiting):
            handed.input = None
        return output

    def _compute(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        plan = (self._weight, self._bias, self._down, self._scale, self._sizes)
        outputs: tuple[torch.Tensor, ...] = _Adapted.apply(x, plan, *self._parameters)
        return outputs


class _Member:
    """The forward pass of one layer of a group."""

    def __init__(self, group: Joined, index: int) -> None:
        self.group, self.index = group, index

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.group.output(self.index, x)


class _Adapted(torch.autograd.Function):
    """y_i = x W_i^T + s_i (x A_i^T) B_i^T for all layers i of a group, W frozen (Hu et al. 2021, arXiv 2106.09685).

    With h_i = s_i x A_i^T and the gradient g_i of y_i: dB_i = g_i^T h_i, dA_i = s_i (g_i B_i)^T x, and
    dx = sum_i g_i W_i + s_i (g_i B_i) A_i.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, plan: Any, *parameters: torch.Tensor) -> Any:
        weight, bias, down, scales, sizes = plan
        ups = parameters[1::2]
        ranks = [len(down) // len(ups)] * len(ups)
        kind = _kind(weight)
        flat = x.reshape(-1, x.shape[-1]).to(kind)
        down, ups = down.to(kind), tuple(up.to(kind) for up in ups)
        narrow = functional.linear(flat, down)
        output = functional.linear(flat, _unpacked(weight), bias)
        parts = zip(output.split_with_sizes(sizes, 1), narrow.split_with_sizes(ranks, 1), ups, scales, strict=True)
        for part, each, up, scale in parts:
            part.addmm_(each, up.t(), alpha=scale)
        ctx.save_for_backward(flat, narrow, *ups)
        ctx.plan, ctx.shape, ctx.kinds = (weight, down, scales, sizes, ranks), x.shape, (x.dtype, parameters[0].dtype)
        return output.view(*x.shape[:-1], -1).split_with_sizes(sizes, -1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        flat, narrow, *ups = ctx.saved_tensors
        weight, down, scales, sizes, ranks = ctx.plan
        joined = gradients[0] if len(gradients) == 1 else torch.cat(gradients, dim=-1)
        joined = joined.reshape(-1, joined.shape[-1])
        x_kind, kind = ctx.kinds
        narrow_gradient = torch.empty_like(narrow)
        narrows = zip(narrow_gradient.split_with_sizes(ranks, 1), narrow.split_with_sizes(ranks, 1), strict=True)
        up_gradients = []
        for part, (into, each), up, scale in zip(joined.split_with_sizes(sizes, 1), narrows, ups, scales, strict=True):
            _scaled_product(part, up, scale, into=into)
            up_gradients.append(_scaled_product(part.t(), each, scale, into=torch.empty_like(up)))
        down_gradients = (narrow_gradient.t() @ flat).split_with_sizes(ranks)
        x_gradient = None
        if ctx.needs_input_grad[0]:
            x_gradient = (joined @ _unpacked(weight)).addmm_(narrow_gradient, down).view(ctx.shape).to(x_kind)
        pairs = [each.to(kind) for pair in zip(down_gradients, up_gradients, strict=True) for each in pair]
        return (x_gradient, None, *pairs)


def _scaled_product(left: torch.Tensor, right: torch.Tensor, scale: float, *, into: torch.Tensor) -> torch.Tensor:
    """Write scale * left @ right into a tensor in one operation."""
    return torch.addmm(into, left, right, beta=0, alpha=scale, out=into)


def _is_packed(base: Any) -> bool:
    """Tell whether a layer's weight is packed in 4 bits, with what unpacks it beside it."""
    state = getattr(getattr(base, "weight", None), "quant_state", None)
    return state is not None and type(base).__name__ == "Linear4bit"


def _kind(weight: Any) -> torch.dtype:
    """Return the number format that a weight is multiplied in."""
    state = getattr(weight, "quant_state", None)
    kind: torch.dtype = weight.dtype if state is None else state.dtype
    return kind


def _unpacked(weight: Any) -> torch.Tensor:
    """Return a weight as (outputs, inputs), unpacked for the moment where it is packed."""
    state = getattr(weight, "quant_state", None)
    if state is None:
        plain: torch.Tensor = weight
        return plain
    from bitsandbytes.functional import dequantize_4bit

    unpacked: torch.Tensor = dequantize_4bit(weight.data, state)
    return unpacked


def _out_by_in(base: Any) -> torch.Tensor:
    weight: torch.Tensor = base.weight.data
    return weight.t() if isinstance(base, Conv1D) else weight


def _stack(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat(list(parts)).contiguous()


def _stack_biases(bases: Sequence[Any], sizes: Sequence[int]) -> torch.Tensor | None:
    if all(base.bias is None for base in bases):
        return None
    kind = bases[0].weight
    return torch.cat(
        [kind.new_zeros(size) if base.bias is None else base.bias.data for base, size in zip(bases, sizes, strict=True)]
    )

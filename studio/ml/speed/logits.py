"""The cross-entropy at the learned positions alone, some hundred of them at a time, or as many as a GPU likes.

The whole matrix of logits is the largest thing in a step: 49,152 words times 2,000 tokens in fp32 are 400 MB, and as
much again for its gradient. Here a chunk's logits are turned into their own gradient at once and let go, as liger-
kernel does on GPUs (Hsu et al. 2024, arXiv 2410.10989). Does not know of models: it takes the head's weight.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from studio.models.forecast.plan import logit_positions


@dataclass(frozen=True)
class Head:
    """A head and what is done to its logits: softcap * tanh(scale * logits / softcap), or scale * logits without a
    softcap (Gemma 2, arXiv 2408.00118; Granite and Cohere scale). weight is (words, width), bias (words,) or None.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the logits of (positions, width) in fp32."""
        logits = functional.linear(hidden, self.weight, self.bias).float()
        if self.scale != 1:
            logits.mul_(self.scale)
        if self.softcap is not None:
            logits.div_(self.softcap).tanh_().mul_(self.softcap)
        return logits

    def slope_(self, logits: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
        """Turn the gradient of what `logits` returned into that of the head's own product, in the same memory."""
        if self.softcap is not None:
            change.addcmul_(change, (logits / self.softcap).square_(), value=-1)
        return change.mul_(self.scale) if self.scale != 1 else change

    def split(self, positions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Cut a tensor of positions into chunks of which all logits can be made at once."""
        return positions.split(logit_positions(self.weight.device.type, len(self.weight)))


def summed_cross_entropy(hidden: torch.Tensor, head: Head, targets: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of head(hidden) against `targets`, summed; a scalar in fp32.

    hidden is (positions, width), targets (positions,). Gradients go to hidden, and to the head's weight and bias where
    these are trained.
    """
    loss: torch.Tensor = _ChunkedLoss.apply(hidden, head.weight, head.bias, targets, head)
    return loss


def cross_entropies(hidden: torch.Tensor, head: Head, targets: torch.Tensor) -> torch.Tensor:
    """Return the same for each position by itself, (positions,) in fp32, without a gradient."""
    chunks = zip(head.split(hidden), head.split(targets), strict=True)
    return torch.cat([functional.cross_entropy(head.logits(part), wanted, reduction="none") for part, wanted in chunks])


class _ChunkedLoss(torch.autograd.Function):
    """The loss and, computed in the same pass, its gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        head: Head,
    ) -> torch.Tensor:
        wants_hidden, wants_weight, wants_bias, *_ = ctx.needs_input_grad
        hidden_gradient = torch.empty_like(hidden) if wants_hidden else None
        weight_gradient = torch.zeros_like(weight, dtype=torch.float32) if wants_weight else None
        bias_gradient = torch.zeros_like(bias, dtype=torch.float32) if bias is not None and wants_bias else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        start = 0
        for part, each in zip(head.split(hidden), head.split(targets), strict=True):
            logits, wanted, end = head.logits(part), each[:, None], start + len(part)
            change = torch.log_softmax(logits, dim=-1)
            total -= change.gather(1, wanted).sum()
            if hidden_gradient is None and weight_gradient is None and bias_gradient is None:
                continue
            change.exp_().scatter_add_(1, wanted, change.new_full(wanted.shape, -1))
            head.slope_(logits, change)
            if bias_gradient is not None:
                bias_gradient += change.sum(0)
            change = change.to(weight.dtype)
            if hidden_gradient is not None:
                if hidden.dtype == weight.dtype:
                    torch.mm(change, weight, out=hidden_gradient[start:end])
                else:
                    hidden_gradient[start:end] = change @ weight
            if weight_gradient is not None:
                weight_gradient += change.t() @ part
            start = end
        kept = (hidden_gradient, weight_gradient, bias_gradient)
        ctx.save_for_backward(*(each for each in kept if each is not None))
        ctx.kept = [each is not None for each in kept]
        ctx.types = (hidden.dtype, weight.dtype, None if bias is None else bias.dtype)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        saved = iter(ctx.saved_tensors)
        changes = [
            next(saved).mul_(gradient).to(kind) if kept else None
            for kept, kind in zip(ctx.kept, ctx.types, strict=True)
        ]
        return (*changes, None, None)

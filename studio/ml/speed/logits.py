"""The cross-entropy at the learned positions alone, some hundred of them at a time.

The whole matrix of logits is the largest thing in a step: 49,152 words times 2,000 tokens in fp32 are 400 MB, and as
much again for its gradient. Here a chunk's logits are turned into their own gradient at once and let go, as liger-
kernel does on GPUs (Hsu et al. 2024, arXiv 2410.10989). Does not know of models: it takes the head's weight.
"""

from typing import Any

import torch

from studio.models.forecast.plan import LOGIT_POSITIONS


def summed_cross_entropy(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
) -> torch.Tensor:
    """Return the cross-entropy of head(hidden) against `targets`, summed; a scalar in fp32.

    hidden is (positions, width), weight (words, width), bias (words,) or None, targets (positions,). Gradients go to
    hidden, and to weight and bias where these are trained.
    """
    loss: torch.Tensor = _ChunkedLoss.apply(hidden, weight, bias, targets)
    return loss


def cross_entropies(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
) -> torch.Tensor:
    """Return the same for each position by itself, (positions,) in fp32, without a gradient."""
    losses = []
    for part, wanted in zip(hidden.split(LOGIT_POSITIONS), targets.split(LOGIT_POSITIONS), strict=True):
        logits = torch.nn.functional.linear(part, weight, bias).float()
        losses.append(torch.nn.functional.cross_entropy(logits, wanted, reduction="none"))
    return torch.cat(losses)


class _ChunkedLoss(torch.autograd.Function):
    """The loss and, computed in the same pass, its gradient."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
    ) -> torch.Tensor:
        wants_hidden, wants_weight, wants_bias, _ = ctx.needs_input_grad
        hidden_gradient = torch.empty_like(hidden) if wants_hidden else None
        weight_gradient = torch.zeros_like(weight, dtype=torch.float32) if wants_weight else None
        bias_gradient = torch.zeros_like(bias, dtype=torch.float32) if bias is not None and wants_bias else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(hidden), LOGIT_POSITIONS):
            part, wanted = hidden[start : start + LOGIT_POSITIONS], targets[start : start + LOGIT_POSITIONS, None]
            logits = torch.nn.functional.linear(part, weight, bias).float()
            sums = torch.logsumexp(logits, dim=-1, keepdim=True)
            total += (sums - logits.gather(1, wanted)).sum()
            if hidden_gradient is None and weight_gradient is None and bias_gradient is None:
                continue
            change = logits.sub_(sums).exp_()
            change.scatter_add_(1, wanted, torch.full_like(sums, -1))
            if bias_gradient is not None:
                bias_gradient += change.sum(0)
            change = change.to(weight.dtype)
            if hidden_gradient is not None:
                torch.mm(change, weight, out=hidden_gradient[start : start + LOGIT_POSITIONS])
            if weight_gradient is not None:
                weight_gradient += change.t() @ part
        kept = (hidden_gradient, weight_gradient, bias_gradient)
        ctx.save_for_backward(*(each for each in kept if each is not None))
        ctx.kept = [each is not None for each in kept]
        ctx.types = (hidden.dtype, weight.dtype, None if bias is None else bias.dtype)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        saved = iter(ctx.saved_tensors)
        changes = [
            (next(saved) * gradient).to(kind) if kept else None for kept, kind in zip(ctx.kept, ctx.types, strict=True)
        ]
        return (*changes, None)

"""The optimiser, its fp32 masters of low-precision weights, and the learning-rate schedule."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from studio.config import ADAMW, PAGED_ADAMW_8BIT, RunConfig
from studio.errors import ConfigError

MAX_GRAD_NORM = 1.0

SMALLEST_8BIT = 4096
"""Weights in a tensor below which the 8-bit optimiser keeps 32 bits, as bitsandbytes does by default."""


FIRST_SCALE = 2.0**13
STEADY_STEPS = 100
LARGEST_SCALE = 2.0**24
SMALLEST_SCALE = 2.0**-8
"""The scale of the loss in fp16: how it begins, after how many good steps it doubles, and its bounds. It begins lower
and grows sooner than PyTorch's does, since runs are short and a skipped step is lost."""

_SCALE = "scale/loss"


@dataclass(frozen=True)
class Trained:
    """A parameter of the model and its master: the same where it is fp32, else an fp32 copy that is stepped."""

    name: str
    parameter: nn.Parameter
    master: nn.Parameter


class LossScale:
    """What a loss is multiplied with so that its gradients are neither too small nor too large for fp16
    (Micikevicius et al. 2018, arXiv 1710.03740, section 3.2). Always a power of two, so that it rounds nothing.
    """

    def __init__(self) -> None:
        self.value = FIRST_SCALE
        self.skipped = 0
        """How many steps were skipped."""
        self._steady = 0

    def update(self, *, is_finite: bool) -> None:
        """Halve after a step with infinities, double after enough steps without."""
        self._steady = self._steady + 1 if is_finite else 0
        self.skipped += not is_finite
        if not is_finite:
            self.value /= 2
        elif self._steady == STEADY_STEPS:
            self.value, self._steady = min(self.value * 2, LARGEST_SCALE), 0

    def state(self) -> torch.Tensor:
        """Return it as three numbers."""
        return torch.tensor([self.value, self.skipped, self._steady], dtype=torch.float64)

    def restore(self, state: torch.Tensor) -> None:
        """Take back what `state` returned."""
        self.value, self.skipped, self._steady = float(state[0]), int(state[1]), int(state[2])


class Optimizer:
    """AdamW over fp32 masters, with the gradient gathered in fp32 over all micro-batches of a step.

    With `fp16` the loss is scaled, and steps whose gradient is not finite are skipped.
    """

    def __init__(
        self, named: Iterable[tuple[str, nn.Parameter]], *, config: RunConfig, device: str, fp16: bool = False
    ) -> None:
        self.scale = LossScale() if fp16 else None
        self.trained = [_with_master(name, parameter) for name, parameter in named if parameter.requires_grad]
        self._hooks = [
            each.parameter.register_post_accumulate_grad_hook(_gather_into(each.master))
            for each in self.trained
            if each.master is not each.parameter
        ]
        self._config = config
        self._inner = _make(self._groups(), config=config, device=device)

    def step(self, learning_rate: float) -> float:
        """Clip the gradient, step, forget the gradient; return the gradient's norm before clipping.

        Nothing is stepped when the norm is not finite. In fp16 such a step is skipped, and its norm given as 0, unless
        the scale is so small that it is no matter of scale.
        """
        masters = [each.master for each in self.trained]
        if self.scale is not None:
            for each in masters:
                if each.grad is not None:
                    each.grad.div_(self.scale.value)
        norm = float(nn.utils.clip_grad_norm_(masters, MAX_GRAD_NORM))
        if math.isfinite(norm):
            for group in self._inner.param_groups:
                group["lr"] = learning_rate * group["times"]
            self._inner.step()
            self.write_back()
        for each in masters:
            each.grad = None
        if self.scale is not None:
            self.scale.update(is_finite=math.isfinite(norm))
            if not math.isfinite(norm) and self.scale.value >= SMALLEST_SCALE:
                return 0.0
        return norm

    @property
    def skipped(self) -> int:
        """How many steps of the run were skipped for a gradient that was too large for fp16."""
        return 0 if self.scale is None else self.scale.skipped

    def scaled(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the loss as its gradient is computed from it."""
        return loss if self.scale is None else loss * self.scale.value

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What the model computes with and a training changes."""
        return [each.parameter for each in self.trained]

    def gather(self, gradients: Sequence[torch.Tensor | None]) -> None:
        """Add the gradients of a micro-batch, one for each of `parameters`, to what was gathered."""
        for each, gradient in zip(self.trained, gradients, strict=True):
            if gradient is not None:
                _add(each.master, gradient)

    def write_back(self) -> None:
        """Copy the masters to the parameters that the model computes with."""
        with torch.no_grad():
            for each in self.trained:
                if each.master is not each.parameter:
                    each.parameter.copy_(each.master)

    def forget(self) -> None:
        """Drop the gradient that was gathered."""
        for each in self.trained:
            each.parameter.grad = each.master.grad = None

    def close(self) -> None:
        """Leave the model's parameters as fp32, equal to their masters, and free everything else."""
        self.rest()
        for hook in self._hooks:
            hook.remove()
        for each in self.trained:
            each.parameter.data = each.master.data

    @contextmanager
    def masters_in_place(self) -> Iterator[None]:
        """Let the model's parameters be their fp32 masters for a moment, to be saved."""
        lowered = [each.parameter.data for each in self.trained]
        for each in self.trained:
            each.parameter.data = each.master.data
        try:
            yield
        finally:
            for each, data in zip(self.trained, lowered, strict=True):
                each.parameter.data = data

    def gradients(self) -> Sequence[torch.Tensor]:
        """Return the gathered gradients in order, zeros where a parameter got none, for processes to sum up."""
        for each in self.trained:
            if each.master.grad is None:
                each.master.grad = torch.zeros_like(each.master)
        return [each.master.grad for each in self.trained if each.master.grad is not None]

    def state(self) -> dict[str, torch.Tensor]:
        """Return masters and moments as named tensors on the CPU; a step count is a tensor of its own."""
        tensors = {f"master/{each.name}": each.master.detach().cpu() for each in self.trained}
        for each in self.trained:
            for key, value in self._inner.state.get(each.master, {}).items():
                tensors[f"moment/{each.name}/{key}"] = torch.as_tensor(value).detach().cpu().contiguous()
        if self.scale is not None:
            tensors[_SCALE] = self.scale.state()
        return tensors

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take back what `state` returned. Raises KeyError when it is of other parameters."""
        self.restore_masters(tensors)
        if self.scale is not None and _SCALE in tensors:
            self.scale.restore(tensors[_SCALE])
        for each in self.trained:
            prefix = f"moment/{each.name}/"
            held = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            self._inner.state[each.master] = {
                key: _as_kept(key, value, each.master.device) for key, value in held.items()
            }

    def restore_masters(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take back the masters alone of what `state` returned. Raises KeyError when it is of other parameters."""
        with torch.no_grad():
            for each in self.trained:
                each.master.copy_(tensors[f"master/{each.name}"])
        self.write_back()

    def rest(self) -> None:
        """Free the moments and gradients after the last step: a checkpoint that is loaded back needs the room."""
        self.forget()
        self._inner.state.clear()

    def _groups(self) -> list[dict[str, Any]]:
        """Make a group of the B halves for LoRA+ (Hayou et al. 2024, arXiv 2402.12354) and one of all else."""
        fast = [each.master for each in self.trained if ".lora_B." in each.name]
        slow = [each.master for each in self.trained if ".lora_B." not in each.name]
        groups = [{"params": slow, "times": 1.0}, {"params": fast, "times": self._config.lora_plus_ratio}]
        return [group for group in groups if group["params"]]


def learning_rate_factor(step: int, total: int, config: RunConfig) -> float:
    """Return the share of the full learning rate at `step`, counted from 0: linear warm-up, then the schedule."""
    warmup = math.ceil(total * config.warmup_share)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    if config.schedule == "linear":
        return 1 - progress
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    return 1.0


def _make(groups: list[dict[str, Any]], *, config: RunConfig, device: str) -> torch.optim.Optimizer:
    options: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if config.optimizer == ADAMW:
        return torch.optim.AdamW(groups, fused="fused-optimizer" not in config.switched_off, **options)
    from bitsandbytes.optim.adamw import AdamW8bit, PagedAdamW8bit

    if config.optimizer == PAGED_ADAMW_8BIT:
        if device != "cuda":
            raise ConfigError(
                "The paged optimiser moves memory out of a GPU, and this machine has none.",
                "Choose AdamW, or its 8-bit form.",
            )
        return PagedAdamW8bit(groups, min_8bit_size=SMALLEST_8BIT, **options)
    return AdamW8bit(groups, min_8bit_size=SMALLEST_8BIT, **options)


def _with_master(name: str, parameter: nn.Parameter) -> Trained:
    if parameter.dtype == torch.float32:
        return Trained(name, parameter, parameter)
    return Trained(name, parameter, nn.Parameter(parameter.detach().float()))


def _gather_into(master: nn.Parameter) -> Any:
    def gather(parameter: torch.Tensor) -> None:
        if parameter.grad is not None:
            _add(master, parameter.grad)
            parameter.grad = None

    return gather


def _add(master: nn.Parameter, gradient: torch.Tensor) -> None:
    if master.grad is None:
        master.grad = gradient.float()
    else:
        master.grad.add_(gradient)


def _as_kept(key: str, value: torch.Tensor, device: torch.device) -> Any:
    """Give a part of an optimiser's state back as it keeps it: counts of steps are numbers or lie on the CPU."""
    if key == "step":
        return int(value) if value.dtype == torch.int64 else value.clone()
    return value.to(device, copy=True)

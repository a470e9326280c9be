"""The training loop, from the first batch to the last step.

Takes a model with an adapter, rows of tokens, and three plain callables: `emit` for events, `should_stop`, and `save`,
which writes the adapter somewhere. Does not know what a run folder or a page is.
"""

import inspect
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from accelerate import Accelerator
from torch.nn import functional

from studio.config import RunConfig
from studio.errors import StudioError
from studio.events import Evaluated, Event, Saved, Stepped, Stopping
from studio.ml.batches import IGNORED, Batch, TokenRow, epoch_steps, micro_batches
from studio.ml.loading import Placement, lora_parameters

EVALUATIONS = 6
"""How often the held-out rows are scored after step 0; the last time is always after the last step."""

MAX_GRAD_NORM = 1.0

TOKEN_BUDGETS = {"cpu": 384}
"""How many tokens a micro-batch may hold with its padding. Smaller ones need less padding: on the bundled voice sample,
3 % at 384 against 16 % at 1024. A few hundred tokens keep a processor busy; a GPU wants thousands."""


class Diverged(StudioError):
    """The loss or the gradient is no longer a finite number."""


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended. The losses are of the held-out rows; None where they were never scored."""

    steps: int
    stopped: bool
    first_validation_loss: float | None
    validation_loss: float | None
    seconds: float


def total_steps(rows: int, config: RunConfig) -> int:
    """Return the number of optimiser steps of a run."""
    return config.epochs * math.ceil(rows / config.batch_size)


def evaluation_steps(total: int) -> frozenset[int]:
    """Return after which steps the held-out rows are scored: evenly spread, always the last."""
    return frozenset(math.ceil(total * part / EVALUATIONS) for part in range(1, EVALUATIONS + 1))


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


def train(
    model: Any,
    *,
    train_rows: Sequence[TokenRow],
    validation_rows: Sequence[TokenRow],
    config: RunConfig,
    placement: Placement,
    pad_id: int,
    emit: Callable[[Event], None],
    should_stop: Callable[[], bool],
    save: Callable[[int], str],
) -> TrainingResult:
    """Train the adapter on `train_rows`, scoring `validation_rows` before the first step and then evenly.

    Each step averages over the learned tokens of all its rows, so a long answer counts for more than a short one and
    cutting the step into micro-batches changes nothing. `save(step)` writes the adapter and returns its relative path.

    Raises Diverged when a loss or a gradient is not finite; what was saved before stays.
    """
    accelerator = Accelerator(
        cpu=placement.device == "cpu", mixed_precision="bf16" if placement.precision == "bf16" else "no"
    )
    parameters = lora_parameters(model)
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    total = total_steps(len(train_rows), config)
    budget = TOKEN_BUDGETS.get(placement.device, 4096)

    def cut(rows: Sequence[TokenRow]) -> Iterator[Batch]:
        return micro_batches(rows, token_budget=budget, pad_id=pad_id, device=placement.device)

    def score(step: int) -> float | None:
        if not validation_rows:
            return None
        model.eval()
        summed, learned = 0.0, 0
        with torch.inference_mode(), accelerator.autocast():
            for batch in cut(validation_rows):
                if should_stop():
                    return None
                summed += float(summed_loss(model, batch))
                learned += batch.learned
        loss = _finite(summed / learned, "held-out loss", step)
        emit(Evaluated(step=step, loss=loss))
        return loss

    began = time.monotonic()
    step = 0
    scored_at = evaluation_steps(total)
    first_loss = last_loss = score(0)
    for epoch in range(config.epochs):
        for rows in epoch_steps(train_rows, batch_size=config.batch_size, seed=config.seed, epoch=epoch):
            step_began = time.monotonic()
            learning_rate = config.learning_rate * learning_rate_factor(step, total, config)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate

            model.train()
            learned = sum(row.learned for row in rows)
            summed = 0.0
            for batch in cut(rows):
                if should_stop():  # asked here, for a step of many rows can take minutes
                    emit(Stopping())
                    return TrainingResult(step, True, first_loss, last_loss, time.monotonic() - began)
                with accelerator.autocast():
                    loss = summed_loss(model, batch) / learned
                accelerator.backward(loss)
                summed += float(loss.detach())
            grad_norm = float(torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM))
            _finite(summed, "loss", step + 1)
            _finite(grad_norm, "gradient", step + 1)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

            step += 1
            tokens = sum(len(row.ids) for row in rows)
            emit(
                Stepped(
                    step=step,
                    epoch=round(step * config.epochs / total, 4),
                    loss=summed,
                    learning_rate=learning_rate,
                    grad_norm=grad_norm,
                    tokens_per_second=round(tokens / (time.monotonic() - step_began), 1),
                    memory_gib=round(memory_gib(placement.device), 3),
                )
            )
            if step in scored_at:
                emit(Saved(step=step, path=save(step)))
                if not should_stop():
                    last_loss = score(step) or last_loss
    return TrainingResult(step, False, first_loss, last_loss, time.monotonic() - began)


def summed_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Return the cross-entropy summed over the learned tokens of a batch; a scalar in fp32.

    Where the model can, logits are computed only at positions where some row has a label: (rows, positions, words).
    """
    targets = batch.labels[:, 1:]  # position t predicts token t + 1
    positions = (targets != IGNORED).any(dim=0).nonzero().squeeze(1)
    inputs = {"input_ids": batch.ids, "attention_mask": batch.mask, "use_cache": False}
    if takes_logits_to_keep(model):
        logits = model(**inputs, logits_to_keep=positions).logits
    else:
        logits = model(**inputs).logits[:, positions]
    return functional.cross_entropy(
        logits.flatten(0, 1).float(), targets[:, positions].flatten(), ignore_index=IGNORED, reduction="sum"
    )


def takes_logits_to_keep(model: Any) -> bool:
    """Tell whether the model's forward pass can skip the logits that nobody asks for."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(base.forward).parameters


def memory_gib(device: str) -> float:
    """Return the memory that this process holds now: the GPU's peak where there is one, else resident memory."""
    held = torch.cuda.max_memory_allocated() if device == "cuda" else psutil.Process().memory_info().rss
    return float(held) / 2**30


def _finite(value: float, what: str, step: int) -> float:
    if not math.isfinite(value):
        raise Diverged(
            f"The {what} is no longer a number at step {step}: the training diverged.",
            "Lower the learning rate to a third and start again. What was saved before this step can still be used.",
        )
    return value

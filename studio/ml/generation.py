"""Streamed answers from the base and its adapters, in one batch on one copy of the weights.

Each row of the batch names its adapter, or the base. Rows draw from random numbers of their own with the same seed, so
two rows whose models agree give the same answer. Does not know conversations or templates: it takes and gives ids.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

BASE = "__base__"
"""The name that peft reserves for a row without an adapter."""


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn. Temperature 0 always takes the likeliest token."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 200
    seed: int = 0


@dataclass(frozen=True)
class PaneInput:
    """One row: the adapter's name or BASE, and the token ids that it continues."""

    adapter: str
    ids: tuple[int, ...]


def generate(
    model: Any,
    panes: Sequence[PaneInput],
    *,
    sampling: Sampling,
    end_ids: Sequence[int],
    pad_id: int,
    on_tokens: Callable[[Sequence[int | None]], None] = lambda tokens: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[list[int]]:
    """Continue every pane at once and return the new token ids of each, the end token included where it came.

    `on_tokens` gets one token per pane after each step, None for a pane that has ended.
    """
    if not isinstance(model, PeftModel) and any(pane.adapter != BASE for pane in panes):
        raise ValueError("an adapter is asked for, and the model has none loaded")
    device = model.device
    longest = max(len(pane.ids) for pane in panes)
    ids = torch.full((len(panes), longest), pad_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, pane in enumerate(panes):  # padded on the left, so that all answers begin in the same column
        ids[row, longest - len(pane.ids) :] = torch.tensor(pane.ids)
        mask[row, longest - len(pane.ids) :] = 1
    collector = _Collector(panes=len(panes), end_ids=frozenset(end_ids), on_tokens=on_tokens)
    processors = LogitsProcessorList()
    if sampling.temperature > 0:
        processors.append(_RowwiseSampling(sampling, rows=len(panes)))
    options: dict[str, Any] = {
        "input_ids": ids.to(device),
        "attention_mask": mask.to(device),
        "generation_config": GenerationConfig(
            do_sample=False,
            num_beams=1,
            max_new_tokens=sampling.max_new_tokens,
            eos_token_id=list(end_ids) or None,
            pad_token_id=pad_id,
        ),
        "logits_processor": processors,
        "stopping_criteria": StoppingCriteriaList([_AskedToStop(should_stop)]),
        "streamer": collector,
    }
    if isinstance(model, PeftModel):
        options["adapter_names"] = [pane.adapter for pane in panes]
    model.eval()
    with torch.inference_mode():
        model.generate(**options)
    return collector.answers


class _Collector(BaseStreamer):
    """Receives each step's tokens from `generate` and passes them on, row by row, until the row has ended."""

    def __init__(
        self, *, panes: int, end_ids: frozenset[int], on_tokens: Callable[[Sequence[int | None]], None]
    ) -> None:
        self.answers: list[list[int]] = [[] for _ in range(panes)]
        self._ended = [False] * panes
        self._end_ids = end_ids
        self._on_tokens = on_tokens
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        step: list[int | None] = []
        for row, token in enumerate(value.flatten().tolist()):
            if self._ended[row]:
                step.append(None)
                continue
            self.answers[row].append(token)
            self._ended[row] = token in self._end_ids
            step.append(token)
        self._on_tokens(step)

    def end(self) -> None:
        """Nothing is held back, so nothing is left to pass on."""


class _RowwiseSampling(LogitsProcessor):
    """Samples by the Gumbel-max trick: the likeliest token after adding Gumbel noise is a draw from the softmax.

    Source: Maddison, Tarlow, Minka 2014, A* Sampling, section 2. Each row has a generator of its own, equally seeded.
    """

    def __init__(self, sampling: Sampling, *, rows: int) -> None:
        self._sampling = sampling
        self._generators = [torch.Generator().manual_seed(sampling.seed) for _ in range(rows)]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        logits = scores.float() / self._sampling.temperature  # (rows, words)
        if self._sampling.top_p < 1:
            ordered, places = logits.sort(dim=-1, descending=True)
            shares = ordered.softmax(dim=-1)
            likelier = shares.cumsum(dim=-1) - shares  # what the tokens before this one add up to
            cut = torch.empty_like(logits, dtype=torch.bool).scatter(-1, places, likelier > self._sampling.top_p)
            logits = logits.masked_fill(cut, -torch.inf)
        uniform = torch.stack([torch.rand(logits.shape[-1], generator=generator) for generator in self._generators])
        gumbel = -(-uniform.clamp(1e-10, 1 - 1e-7).log()).log()
        return logits + gumbel.to(logits.device)  # type: ignore[return-value]


class _AskedToStop(StoppingCriteria):
    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self._should_stop = should_stop

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: Any) -> torch.BoolTensor:
        return torch.full((input_ids.shape[0],), self._should_stop(), device=input_ids.device)  # type: ignore[return-value]

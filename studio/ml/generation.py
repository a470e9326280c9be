"""Streamed answers from the base and its adapters, on one copy of the weights, in one batch where peft can mix them.

Each row of the batch names its adapter, or the base. Each row has its own random numbers with the same seed, so two
rows whose models agree give the same answer.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from studio.ml.soundness import NotFinite, rows_not_finite
from studio.ml.threads import ThreadTrials, writing

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


def passes(model: Any, adapters: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Say which rows can be answered in one batch, each row being given by its adapter or BASE.

    Returns one tuple of all rows where peft can mix them, else one for each adapter, in the order of their first rows.
    """
    if len(set(adapters)) < 2 or can_mix(model, adapters):
        return (tuple(range(len(adapters))),)
    return tuple(
        tuple(row for row, adapter in enumerate(adapters) if adapter == name) for name in dict.fromkeys(adapters)
    )


def can_mix(model: Any, adapters: Sequence[str]) -> bool:
    """Ask peft's layers whether rows with these adapters can go in one batch.

    Not tried out: a batch that peft refuses halfway leaves hooks in the model, which break every later one. A LoRA
    layer refuses what it cannot mix, such as DoRA. A module that was trained as a whole does not refuse: without a copy
    for every adapter it fails, or takes the base's copy for the adapter's. Seen in
    peft 0.21, `LoraLayer._check_forward_args` and `AuxiliaryTrainingWrapper.forward`.
    """
    names = set(adapters) - {BASE}
    for module in model.modules():
        if isinstance(module, LoraLayer):
            try:
                module._check_forward_args(list(adapters), adapter_names=list(adapters))
            except ValueError:
                return False
        elif isinstance(module, AuxiliaryTrainingWrapper) and not names <= set(getattr(module, "modules_to_save", ())):
            return False
    return True


@contextlib.contextmanager
def switched_on(model: Any, adapters: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Have the rows' adapters answer, or one for all; yields what peft's `generate` must be told for that.

    Raises ValueError for an adapter of a model that has none.
    """
    if not isinstance(model, PeftModel):
        if set(adapters) != {BASE}:
            raise ValueError("an adapter is asked for, and the model has none loaded")
        yield {}
    elif set(adapters) == {BASE}:
        with model.disable_adapter():
            yield {}
    else:
        names = [name for name in adapters if name != BASE]
        if model.active_adapter not in names:  # in a mixed batch it still decides whether whole modules are looked at
            model.set_adapter(names[0], inference_mode=True)
        yield {} if len(set(adapters)) == 1 else {"adapter_names": list(adapters)}


def generate(
    model: Any,
    panes: Sequence[PaneInput],
    *,
    sampling: Sampling,
    end_ids: Sequence[int],
    pad_id: int,
    on_tokens: Callable[[Sequence[int | None]], None] = lambda tokens: None,
    should_stop: Callable[[], bool] = lambda: False,
    on_scores: Callable[[torch.Tensor], None] = lambda scores: None,
) -> list[list[int]]:
    """Continue every pane at once and return the new token ids of each, the end token included where it came.

    The panes must be of one pass, see `passes`. `on_tokens` gets one token per pane after each step, None for a pane
    that has ended; `on_scores` gets the logits, (panes, words), that they are chosen by. A pane that is answered with
    NaN or infinity ends at once, and once all others have ended NotFinite is raised, which names it.
    """
    device = model.device
    longest = max(len(pane.ids) for pane in panes)
    ids = torch.full((len(panes), longest), pad_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, pane in enumerate(panes):  # padded on the left, so that all answers begin in the same column
        ids[row, longest - len(pane.ids) :] = torch.tensor(pane.ids)
        mask[row, longest - len(pane.ids) :] = 1

    def is_over() -> bool:
        return collector.is_over or should_stop()

    collector = _Collector(len(panes), end_ids=frozenset(end_ids), on_tokens=on_tokens)
    processors = LogitsProcessorList([Looking(collector.look), Looking(on_scores)])
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
        "stopping_criteria": StoppingCriteriaList([_AskedToStop(is_over)]),
    }
    model.eval()
    with (
        torch.inference_mode(),
        switched_on(model, [pane.adapter for pane in panes]) as names,
        writing(device.type) as threads,
    ):
        collector.threads = threads
        model.generate(streamer=collector, **options, **names)
    if collector.broken:
        raise NotFinite(collector.broken)
    return collector.answers


class _Collector(BaseStreamer):
    """Receives each step's tokens from `generate` and passes them on, row by row, until the row has ended.

    `broken` are the rows whose scores are not finite. They are raised once `generate` has returned: a mixed batch that
    is left halfway leaves peft's hooks in the model.
    """

    def __init__(
        self, rows: int, *, end_ids: frozenset[int], on_tokens: Callable[[Sequence[int | None]], None]
    ) -> None:
        self.answers: list[list[int]] = [[] for _ in range(rows)]
        self.broken: list[int] = []
        self.threads: ThreadTrials | None = None
        self._ended = [False] * rows
        self._end_ids = end_ids
        self._on_tokens = on_tokens
        self._prompt_seen = False

    def look(self, scores: torch.Tensor) -> None:
        """End the rows whose scores, (rows, words), are not finite."""
        for row in rows_not_finite(scores):
            if not self._ended[row]:
                self._ended[row] = True
                self.broken.append(row)

    @property
    def is_over(self) -> bool:
        """Whether all rows have ended."""
        return all(self._ended)

    def put(self, value: torch.Tensor) -> None:
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        if self.is_over:
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
        if self.threads is not None:
            self.threads.step()

    def end(self) -> None:
        """Do nothing: no token is held back."""


class Looking(LogitsProcessor):
    """Shows the scores of each step, (rows, words), to a function, and changes nothing."""

    def __init__(self, look: Callable[[torch.Tensor], None]) -> None:
        self._look = look

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        self._look(scores)
        return scores


def noisy(logits: torch.Tensor, sampling: Sampling, generators: Sequence[torch.Generator]) -> torch.Tensor:
    """Return logits, (rows, words), of which the likeliest word of each row is a draw: the Gumbel-max trick.

    Source: Maddison, Tarlow, Minka 2014, A* Sampling, section 2. Each row has a generator of its own. The temperature
    is not 0.
    """
    logits = logits.float() / sampling.temperature  # (rows, words)
    if sampling.top_p < 1:
        ordered, places = logits.sort(dim=-1, descending=True)
        shares = ordered.softmax(dim=-1)
        likelier = shares.cumsum(dim=-1) - shares  # what the tokens before this one add up to
        cut = torch.empty_like(logits, dtype=torch.bool).scatter(-1, places, likelier > sampling.top_p)
        logits = logits.masked_fill(cut, -torch.inf)
    uniform = torch.stack([torch.rand(logits.shape[-1], generator=generator) for generator in generators])
    gumbel = -(-uniform.clamp(1e-10, 1 - 1e-7).log()).log()
    return logits + gumbel.to(logits.device)


class _RowwiseSampling(LogitsProcessor):
    """Draws each row with a generator of its own; all are equally seeded."""

    def __init__(self, sampling: Sampling, *, rows: int) -> None:
        self._sampling = sampling
        self._generators = [torch.Generator().manual_seed(sampling.seed) for _ in range(rows)]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        return noisy(scores, self._sampling, self._generators)  # type: ignore[return-value]


class _AskedToStop(StoppingCriteria):
    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self._should_stop = should_stop

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: Any) -> torch.BoolTensor:
        return torch.full((input_ids.shape[0],), self._should_stop(), device=input_ids.device)  # type: ignore[return-value]

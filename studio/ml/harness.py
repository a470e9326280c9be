"""Standard tasks by lm-evaluation-harness (Gao et al. 2024, https://github.com/EleutherAI/lm-evaluation-harness).

The tasks, their prompts and what counts as right are the harness's own, so that a figure means here what it means in
public tables: plain text, no chat template, the shots that the task itself names. Where only some questions are asked,
a fixed seed draws the same ones for every model.
"""

import hashlib
import importlib.metadata
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import torch
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from peft import PeftModel
from transformers import LogitsProcessorList

from studio.errors import DataError
from studio.ml.generation import Looking
from studio.ml.loading import first_line
from studio.ml.soundness import NotFinite, rows_not_finite
from studio.models.download import Unreachable
from studio.models.hub import DEFAULT_HUB
from studio.models.starter import Stopped

log = logging.getLogger(__name__)

VERSION = importlib.metadata.version("lm_eval")
METRICS = ("acc_norm", "acc", "exact_match")
"""Which score of a task counts where it has several: the first of these, else the first that is a share."""

BATCH = 8
_SEED = 1234  # the harness's own for the examples that go before a question
_Progress = Callable[[int, int], None]
Scores = tuple[str, tuple[float, ...]]


class Harness:
    """Asks one model after another the same questions."""

    def __init__(self, *, own: Path | None, own_names: Sequence[str], standard: bool = True) -> None:
        """`own` is a folder with a person's own tasks, `own_names` are those in it; it need not be there. A task can
        hold code, which the harness runs: only whoever runs the studio puts files there.

        Reading what standard tasks there are takes seconds; `standard` says whether they are wanted too.
        """
        for name in ("lm_eval", "datasets"):
            logging.getLogger(name).setLevel(logging.ERROR)
        datasets.disable_progress_bars()
        self._manager = TaskManager(
            include_path=str(own) if own is not None and own.is_dir() else None, include_defaults=standard
        )
        self._own = frozenset(own_names)
        self._loaded: dict[str, Any] = {}

    def load(self, name: str) -> None:
        """Fetch the questions of a task. Raises DataError where there is no such task, or they cannot be fetched."""
        if name in self._loaded:
            return
        if name not in self._manager.all_tasks:
            raise DataError(
                f"lm-evaluation-harness {VERSION} has no task '{name}'.",
                "`lm_eval ls tasks` lists those that it has; one of your own goes into the folder 'tasks' of the data.",
            )
        if name not in self._own and not huggingface_hub.constants.HF_HUB_OFFLINE:
            _go_offline_without_the_hub()
        try:
            self._loaded[name] = self._manager.load([name])
        except Exception as error:  # a task is code and data of others: whatever it raises is a matter of the task
            raise _unusable(name, error, own=name in self._own) from error

    def fingerprint(self, name: str) -> str:
        """Return a hash of the questions of a loaded task as they are on this machine."""
        docs = [(part, list(task.eval_docs)) for part, task in self._loaded[name]["tasks"].items()]
        return hashlib.sha256(repr(docs).encode()).hexdigest()

    def scores(
        self,
        model: Any,
        tokenizer: Any,
        name: str,
        *,
        questions: int,
        on_progress: _Progress,
        should_stop: Callable[[], bool],
    ) -> Scores:
        """Ask a model at most `questions` questions of a loaded task; a PeftModel with the adapter that is active.

        Returns how the harness calls the score that counts, and that score from 0 to 1 for each question.

        A task that is made of others, such as MMLU, asks every part its share. `on_progress` hears how many
        requests are done, and of how many. Raises DataError for a task whose score is no share, NotFinite, and Stopped.
        """
        loaded = self._loaded[name]
        tasks: Mapping[str, Any] = loaded["tasks"]
        each = -(-questions // len(tasks))
        asked = {}
        for part, task in tasks.items():
            task.set_fewshot_seed(seed=_SEED)
            count = len(task.eval_docs)
            asked[part] = sorted(random.Random(f"{part}/{count}").sample(range(count), min(each, count)))
        plain = model.get_base_model() if isinstance(model, PeftModel) else model
        asking = _HarnessModel(plain, tokenizer, on_progress, should_stop)
        with torch.inference_mode():
            found = evaluate(lm=asking, task_dict=loaded, samples=asked, bootstrap_iters=0, log_samples=True)
        return _task_scores(name, [found["samples"][part] for part in tasks])


class _HarnessModel(HFLM):
    """The harness's wrapper of a transformers model, which reports its progress and can be stopped at each batch."""

    def __init__(self, model: Any, tokenizer: Any, on_progress: _Progress, should_stop: Callable[[], bool]) -> None:
        # The harness ties word table and output head again, which would undo an adapter on either.
        model.tie_weights = lambda *_, **__: None
        try:
            super().__init__(pretrained=model, tokenizer=tokenizer, batch_size=BATCH)
        finally:
            del model.tie_weights
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._done = self._total = 0

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        self._begin(len(requests))
        return super().loglikelihood(requests, disable_tqdm=True)

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        self._begin(len(requests))
        return super().generate_until(requests, disable_tqdm=True)

    def _model_call(self, inps: torch.Tensor, *others: Any, **named: Any) -> torch.Tensor:
        self._go_on(len(inps))
        logits: torch.Tensor = super()._model_call(inps, *others, **named)
        _ensure_finite(logits.flatten(0, -2))
        return logits

    def _model_generate(self, context: torch.Tensor, *others: Any, **named: Any) -> torch.Tensor:
        self._go_on(len(context))
        looking = LogitsProcessorList([Looking(_ensure_finite)])
        return super()._model_generate(context, *others, **named, logits_processor=looking)

    def _begin(self, total: int) -> None:
        self._done, self._total = 0, total
        self._on_progress(0, total)

    def _go_on(self, count: int) -> None:
        if self._should_stop():
            raise Stopped
        self._done = min(self._done + count, self._total)
        self._on_progress(self._done, self._total)


def _ensure_finite(scores: torch.Tensor) -> None:
    if rows_not_finite(scores):
        raise NotFinite


def _go_offline_without_the_hub() -> None:
    """Use only what is on this machine if the Hub does not answer, instead of asking it again and again."""
    try:
        DEFAULT_HUB.require()
    except Unreachable:
        log.info("The Hub does not answer, so only what is on this machine is used", exc_info=True)
        huggingface_hub.constants.HF_HUB_OFFLINE = True
        datasets.config.HF_HUB_OFFLINE = True


def _unusable(name: str, error: Exception, *, own: bool) -> DataError:
    if own:
        return DataError(f"Your task '{name}' cannot be used: {first_line(error)}", "Correct its file.")
    return DataError(
        f"The questions of the task '{name}' cannot be fetched from the Hugging Face Hub: {first_line(error)}",
        "Check the network and try again, or evaluate without standard tasks.",
    )


def _task_scores(name: str, parts: Sequence[Sequence[Mapping[str, Any]]]) -> Scores:
    """Choose the score that counts, and collect it over all questions; of several filters the first."""
    rows = [row for part in parts for row in part if row["filter"] == part[0]["filter"]]
    if rows:
        known = [metric for metric in rows[0]["metrics"] if all(_is_share(row.get(metric)) for row in rows)]
        for metric in (*(each for each in METRICS if each in known), *known):
            return metric, tuple(float(row[metric]) for row in rows)
    raise DataError(
        f"The task '{name}' has no score between 0 and 1 for each question, so both models cannot be compared by it.",
        "Choose another task.",
    )


def _is_share(value: object) -> bool:
    return isinstance(value, bool | int | float) and 0 <= value <= 1

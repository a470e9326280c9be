"""Greedy answers to many prompts at once, token for token what one `generate` a row answers.

Reading a model's weights costs as much for one row as for dozens, so as many rows as fit are continued together. A row
that has ended makes room for the next, so one long answer does not hold up the others.
"""

import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

from studio.errors import is_out_of_memory
from studio.ml.accelerator import free_gpu_bytes
from studio.ml.generation import PaneInput, Sampling, generate, switched_on
from studio.ml.memory import release_memory
from studio.ml.reading import Reader, can_read, shared_prefix
from studio.ml.row_batch import Row, RowBatch
from studio.ml.soundness import NotFinite
from studio.ml.threads import ThreadTrials, writing

log = logging.getLogger(__name__)

CACHE_BYTES = {"cpu": 512 * 2**20, "mps": 2**30}
"""What the keys and values of the rows that are answered together may take; on a GPU it is a part of what is free."""

CACHE_SHARE = 0.4
"""Of a GPU's free memory. The cache is copied when rows join or leave, and what is between the layers needs room."""

FEWEST_TOKENS = 512
"""With room for fewer tokens than this, no memory is left to answer in."""

READ_TOKENS = {"cpu": 2048, "cuda": 16384, "mps": 4096}
"""How many tokens of new prompts are read at once: the memory of what is between the layers grows with them."""

LEAVING_SHARE = 0.125
"""Rows that have ended leave once they are this share of all: moving the others takes half as long as a token."""

JOINING_SHARE = 0.25
"""New rows are taken in once so much of the room is free."""

MOST_ROWS = 256
"""How many rows are answered at once at most, because each needs a line of logits."""

_HARMLESS = frozenset(
    "bos_token_id eos_token_id pad_token_id do_sample temperature top_k top_p min_p typical_p epsilon_cutoff "
    "eta_cutoff max_length max_new_tokens num_beams use_cache cache_implementation output_attentions "
    "output_hidden_states output_scores output_logits return_dict_in_generate transformers_version "
    "_from_model_config".split()
)
"""What a model's own settings for `generate` may say without a greedy answer becoming another one."""


@dataclass
class _Row:
    """A prompt and behind it what was answered so far; `left` more tokens may come."""

    asked: int
    ids: list[int]
    left: int

    def take(self, token: int, end_ids: frozenset[int]) -> None:
        self.ids.append(token)
        self.left = 0 if token in end_ids else self.left - 1


def answer_rows(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    adapter: str,
    limits: Sequence[int],
    end_ids: Sequence[int],
    pad_id: int,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int], None] = lambda done: None,
    token_budget: int = 0,
) -> list[list[int]]:
    """Continue every prompt greedily by at most its limit of new tokens; return those, the end token included.

    `adapter` is the name of one that is in the model, or BASE. `on_progress` is told how many rows are done. No more
    than `token_budget` tokens are held at once, prompts, answers and padding together; 0 leaves that to the device.
    What all prompts begin with is read once. A model that does not support rows of different lengths side by side, or
    whose own settings change what is likeliest, answers rows of the same length by `generate`. Once `should_stop`
    says so, the answers are left as they are. Raises ValueError for a prompt without a token, and NotFinite.
    """
    if not all(prompts):
        raise ValueError("a prompt has at least one token, after which the first of an answer can be predicted")
    rows = [_Row(len(ids), list(ids), limit) for ids, limit in zip(prompts, limits, strict=True)]
    open_rows = [row for row in rows if row.left > 0]
    device = model.device.type

    def report() -> None:
        on_progress(sum(row.left <= 0 for row in rows))

    model.eval()
    with torch.inference_mode(), switched_on(model, [adapter]):
        penalty, plain = own_settings(model)
        token_bytes = can_read(model, pad_id=pad_id) if plain and open_rows else 0
        if token_bytes:
            budget = token_budget or cache_bytes(device) // token_bytes

            def answer(budget: int) -> None:
                left = [row for row in open_rows if row.left > 0]
                reader = Reader(model, prefix=shared_prefix([row.ids for row in left]), pad_id=pad_id)
                read_tokens = min(budget, READ_TOKENS.get(device, READ_TOKENS["cpu"]))
                choose = _Likeliest(end_ids=frozenset(end_ids), penalty=penalty)
                batch = RowBatch(reader, choose=choose, read_tokens=read_tokens)
                with writing(device) as threads:
                    _answer_together(
                        batch, left, budget=budget, threads=threads, should_stop=should_stop, report=report
                    )

            _within_memory(answer, budget)
            return [row.ids[row.asked :] for row in rows]
    same_length = token_budget or READ_TOKENS.get(device, READ_TOKENS["cpu"])
    for group in _of_one_length(open_rows, same_length):
        if should_stop():
            break
        _answer_alike(model, group, adapter=adapter, end_ids=end_ids, pad_id=pad_id, should_stop=should_stop)
        report()
    return [row.ids[row.asked :] for row in rows]


def cache_bytes(device: str) -> int:
    """Return how much memory the keys and values of the rows that are answered together may take."""
    return int(CACHE_SHARE * free_gpu_bytes()) if device == "cuda" else CACHE_BYTES.get(device, CACHE_BYTES["cpu"])


def _within_memory(answer: Callable[[int], None], budget: int) -> None:
    """Answer with room for `budget` tokens; out of memory, go on with half of it behind what was answered."""
    while True:
        try:
            return answer(budget)
        except (MemoryError, RuntimeError) as error:
            budget //= 2
            if not is_out_of_memory(error) or budget < FEWEST_TOKENS:
                raise
            log.warning("The memory ran out while answering; going on with room for %d tokens.", budget)
        release_memory()


class _Likeliest:
    """Adds to each row the likeliest token, with the penalty that the model's own settings put on earlier ones."""

    def __init__(self, *, end_ids: frozenset[int], penalty: float) -> None:
        self._end_ids = end_ids
        self._penalty = penalty

    def __call__(self, rows: Sequence[_Row], logits: torch.Tensor) -> None:
        likeliest = penalised(rows, logits, self._penalty).argmax(dim=-1)
        if not torch.isfinite(logits.gather(-1, likeliest[:, None])).all():
            raise NotFinite
        for row, token in zip(rows, likeliest.tolist(), strict=True):
            if row.left > 0:
                row.take(token, self._end_ids)


def penalised(rows: Sequence[Row], logits: torch.Tensor, penalty: float) -> torch.Tensor:
    """Return logits, (rows, words), with a penalty on the tokens that each row holds; 1 is none."""
    if penalty == 1:
        return logits
    longest = max(len(row.ids) for row in rows)
    # Each is filled up with a token of its own, which changes nothing in a set of tokens.
    seen = torch.tensor([row.ids + row.ids[:1] * (longest - len(row.ids)) for row in rows])
    penalise: Any = RepetitionPenaltyLogitsProcessor(penalty)
    found: torch.Tensor = penalise(seen.to(logits.device), logits)
    return found


def _answer_together(
    batch: RowBatch[_Row],
    rows: Sequence[_Row],
    *,
    budget: int,
    threads: ThreadTrials,
    should_stop: Callable[[], bool],
    report: Callable[[], None],
) -> None:
    """Answer all rows, the longest first, so that the last ones to be alone are short."""
    waiting = deque(sorted(rows, key=lambda row: len(row.ids) + row.left, reverse=True))
    while (waiting or batch.going) and not should_stop():
        going = batch.going
        ended = len(batch.rows) - len(going)
        new: list[_Row] = []
        if not going or max(_needed(going) / budget, len(going) / MOST_ROWS) <= 1 - JOINING_SHARE:
            while waiting and (not (going or new) or _fits([*going, *new, waiting[0]], budget)):
                new.append(waiting.popleft())
        if new or ended > LEAVING_SHARE * len(batch.rows):
            threads.pause()
            batch.rearrange(new)
        else:
            threads.step()
            batch.step()
        if len(batch.going) < len(going) + len(new):
            report()


def _fits(rows: Sequence[_Row], budget: int) -> bool:
    return len(rows) <= MOST_ROWS and _needed(rows) <= budget


def _needed(rows: Sequence[_Row]) -> int:
    """Return how many tokens rows can come to when they lie side by side, padding included."""
    return len(rows) * (max(len(row.ids) for row in rows) + max(row.left for row in rows))


def _answer_alike(
    model: Any,
    rows: Sequence[_Row],
    *,
    adapter: str,
    end_ids: Sequence[int],
    pad_id: int,
    should_stop: Callable[[], bool],
) -> None:
    """Answer rows whose prompts are equally long by `generate`, as far as the longest of their limits goes."""
    panes = [PaneInput(adapter, tuple(row.ids)) for row in rows]
    sampling = Sampling(max_new_tokens=max(row.left for row in rows))
    answers = generate(model, panes, sampling=sampling, end_ids=end_ids, pad_id=pad_id, should_stop=should_stop)
    for row, answer in zip(rows, answers, strict=True):
        row.ids, row.left = row.ids + answer[: row.left], 0


def _of_one_length(rows: Sequence[_Row], token_budget: int) -> Iterator[list[_Row]]:
    """Yield groups of rows whose prompts are equally long."""
    for length, alike in itertools.groupby(sorted(rows, key=lambda row: len(row.ids)), lambda row: len(row.ids)):
        group = sorted(alike, key=lambda row: row.left)
        size = max(1, token_budget // (length + group[-1].left))
        for first in range(0, len(group), size):
            yield group[first : first + size]


def own_settings(model: Any) -> tuple[float, bool]:
    """Return the penalty that a model's own settings put on tokens which came before, 1 for none, and whether those
    settings say nothing else that changes a greedy answer. `generate` follows them, so they are followed here.
    """
    told = model.generation_config.to_diff_dict() if model.generation_config is not None else {}
    said = {name: value for name, value in told.items() if value is not None and name not in _HARMLESS}
    penalty = said.pop("repetition_penalty", 1.0)
    return float(penalty), not said

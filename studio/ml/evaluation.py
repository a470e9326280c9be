"""What a model makes of many rows: its answers, the loss of each row, and how likely given continuations are."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.nn import functional

from studio.config import RunConfig
from studio.ml.answering import READ_TOKENS, answer_rows
from studio.ml.batches import TokenRow
from studio.ml.engine import Engine, takes_logits_to_keep
from studio.ml.generation import switched_on
from studio.ml.loading import Placement
from studio.ml.reading import Reader, by_length, can_read, shared_prefix
from studio.ml.row_cache import gather
from studio.ml.streams import Streams
from studio.models.forecast.plan import LOGIT_POSITIONS

__all__ = ["answer_rows", "row_losses", "score_continuations"]

_KEPT_AS_LOADED = ("joined-projections", "fused-adapters", "low-precision-adapters")
"""The speed-ups that take hold of an adapter: one that is switched off for a while would still be computed."""


def row_losses(
    model: Any,
    rows: Sequence[TokenRow],
    *,
    adapter: str,
    placement: Placement,
    pad_id: int,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[tuple[float, int]]:
    """Return the summed loss, in nats, and the number of learned tokens of every row.

    Computed as a training scores its held-out rows. `adapter` is the name of one that is in the model, or BASE;
    `placement` says how the model was loaded. `on_progress` is told how many rows are done. Rows that were not reached
    when `should_stop` said so have (0.0, 0).
    """
    losses = [(0.0, 0)] * len(rows)
    order = sorted(range(len(rows)), key=lambda number: len(rows[number].ids))
    done = 0
    model.eval()
    with switched_on(model, [adapter]):
        engine = Engine(model, config=RunConfig(switched_off=_KEPT_AS_LOADED), placement=placement, pad_id=pad_id)
        streams = Streams(engine.side_by_side)

        def score(group: Sequence[TokenRow]) -> list[tuple[float, int]]:
            counts = [row.learned for row in group]
            with torch.inference_mode():
                parts = engine.token_losses(engine.batch(group)).double().split(counts)
                return [(float(part.sum()), count) for part, count in zip(parts, counts, strict=True)]

        try:
            groups = engine.cut(
                [rows[number] for number in order], parts=streams.count
            )  # sorted by length, and left so
            for found in streams.in_order(groups, score, is_over=should_stop):
                for number, loss in zip(order[done : done + len(found)], found, strict=True):
                    losses[number] = loss
                done += len(found)
                on_progress(done)
        finally:
            streams.close()
            engine.undo()
    return losses


def score_continuations(
    model: Any,
    prompts: Sequence[Sequence[int]],
    continuations: Sequence[Sequence[Sequence[int]]],
    *,
    adapter: str,
    pad_id: int,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int], None] = lambda done: None,
    token_budget: int = 0,
) -> list[list[float]]:
    """Return the log-likelihood, in nats and summed over its tokens, of each continuation of each prompt.

    A prompt has at least one token and is read once for all that follows it; what all prompts begin with is read once
    for all of them. `adapter` is the name of one that is in the model, or BASE. `on_progress` is told how many prompts
    are done. About `token_budget` tokens are read at once; 0 leaves that to the device. What was not reached when
    `should_stop` said so is nan.
    """
    if not all(prompts):
        raise ValueError("a prompt has at least one token, after which the first of a continuation can be predicted")
    scores = [[math.nan] * len(each) for each in continuations]
    budget = token_budget or READ_TOKENS.get(model.device.type, READ_TOKENS["cpu"])
    done = 0
    model.eval()
    with torch.inference_mode(), switched_on(model, [adapter]):
        reader = None
        if prompts and can_read(model, pad_id=pad_id):
            reader = Reader(model, prefix=shared_prefix(prompts), pad_id=pad_id)
        for group in _cut([len(prompt) for prompt in prompts], [1] * len(prompts), budget):
            if should_stop():
                break
            asked = [prompts[number] for number in group]
            follows = [continuations[number] for number in group]
            if reader is None:
                found = _score_whole(model, asked, follows, pad_id=pad_id, budget=budget)
            else:
                found = _score(reader, asked, follows, budget=budget)
            for number, values in zip(group, found, strict=True):
                scores[number] = values
            done += len(group)
            on_progress(done)
    return scores


def _score(
    reader: Reader, prompts: Sequence[Sequence[int]], follows: Sequence[Sequence[Sequence[int]]], *, budget: int
) -> list[list[float]]:
    """Read the prompts, take the first token of what follows from there, and read on for the others."""
    cache, logits = reader.read(prompts)
    first = logits.log_softmax(dim=-1)
    scores = [
        [float(line[each[0]]) if each else 0.0 for each in of_prompt]
        for line, of_prompt in zip(first, follows, strict=True)
    ]
    longer = [
        (row, place) for row, of_prompt in enumerate(follows) for place, each in enumerate(of_prompt) if len(each) > 1
    ]
    columns = cache.get_seq_length()
    counts = [len(follows[row][place]) - 1 for row, place in longer]
    for group in _cut([columns] * len(longer), counts, budget):
        pairs = [longer[number] for number in group]
        copies = gather([(cache, [row for row, _ in pairs])], columns=columns, use_up=False)
        texts = [follows[row][place] for row, place in pairs]
        logits = reader.go_on(copies, [len(prompts[row]) for row, _ in pairs], [text[:-1] for text in texts])
        for (row, place), value in zip(pairs, _likelihoods(logits, [text[1:] for text in texts]), strict=True):
            scores[row][place] += value
    return scores


def _score_whole(
    model: Any,
    prompts: Sequence[Sequence[int]],
    follows: Sequence[Sequence[Sequence[int]]],
    *,
    pad_id: int,
    budget: int,
) -> list[list[float]]:
    """Read each prompt again with each of its continuations, padded behind them, where nothing asked sees it."""
    scores = [[0.0] * len(each) for each in follows]
    asked = [(row, place) for row, of_prompt in enumerate(follows) for place, each in enumerate(of_prompt) if each]
    counts = [len(follows[row][place]) for row, place in asked]
    for group in _cut([len(prompts[row]) for row, _ in asked], counts, budget):
        pairs = [asked[number] for number in group]
        texts = [follows[row][place] for row, place in pairs]
        rows = [[*prompts[row], *text] for (row, _), text in zip(pairs, texts, strict=True)]
        width = max(map(len, rows))
        ids = torch.tensor([[*row, *[pad_id] * (width - len(row))] for row in rows], device=model.device)
        ends = torch.tensor([[len(row)] for row in rows], device=model.device)
        starts = ends - torch.tensor([[len(text)] for text in texts], device=model.device)
        columns = torch.arange(width, device=model.device)
        wanted = (columns >= starts - 1) & (columns < ends - 1)  # from where each token of the text is predicted
        chooses = takes_logits_to_keep(model)
        keep = {"logits_to_keep": wanted} if chooses else {}
        mask = (columns < ends).long()
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False, **keep).logits
        values = _likelihoods((logits if chooses else logits[wanted]).float(), texts)
        for (row, place), value in zip(pairs, values, strict=True):
            scores[row][place] = value
    return scores


def _cut(prompts: Sequence[int], texts: Sequence[int], budget: int) -> list[list[int]]:
    """Group pairs of a prompt and a text, given by their lengths, so that tokens and logits are both bounded."""
    sizes = [max(prompt + text, text * budget // LOGIT_POSITIONS) for prompt, text in zip(prompts, texts, strict=True)]
    return by_length(sizes, token_budget=budget)


def _likelihoods(logits: torch.Tensor, texts: Sequence[Sequence[int]]) -> Iterator[float]:
    """Yield the log-likelihood of each text; the logits, (tokens, words), are those before its tokens, text by text."""
    targets = torch.tensor([token for text in texts for token in text], device=logits.device)
    losses = functional.cross_entropy(logits, targets, reduction="none").double()
    for part in losses.split([len(text) for text in texts]):
        yield -float(part.sum())

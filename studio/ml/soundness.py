"""Checks that a model can be trained and asked: weights, answers and losses are finite, and a token's answer does not
depend on the tokens after it.

The base is checked once before a training, so that no setting is blamed for a broken base. Later answers are checked
token by token, because the argmax of NaN looks like any other token.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch

from studio.errors import ModelError, StudioError

_TOKENS = 8
_SAME = 1e-3
_ALMOST_SAME = 0.05
"""By this share of its size an answer may change with the words after it, in fp32 and in anything else: mixtures of
experts round otherwise then. Random encoders are at 0.006, those that learned something far above."""


class NotFinite(ModelError):
    """A model answers with NaN or infinity, in these rows of those that it was given.

    Whoever knows which model it is says whose fault that is, see `broken_model`.
    """

    def __init__(self, rows: Sequence[int] = (0,)) -> None:
        super().__init__(
            "The model is broken: it answers with what is no number.",
            "Fetch the model again. If a run made it, start that again with a third of the learning rate.",
        )
        self.rows = tuple(rows)


class Diverged(StudioError):
    """The loss or the gradient is no longer a finite number."""


def broken_model(*, is_base: bool, run: str = "") -> ModelError:
    """Return what to say of a model that answers with what is no number; the base of a tuned one was found sound.

    `run` is the name of the run that made it, where several can be meant.
    """
    if is_base:
        return _broken_base("asked, it answers with what is no number")
    named = f"the run '{run}'" if run else "the run"
    return ModelError(
        f"What {named} learned is broken: asked, it answers with what is no number, and its base model does not.",
        "The training diverged. Start it again with a third of the learning rate, or go back to an earlier checkpoint.",
    )


def ensure_finite(value: float, what: str, step: int, *, before_learning: bool = False) -> float:
    """Return a loss or a norm as it is. Raises what `no_longer_finite` returns when it is no number."""
    if math.isfinite(value):
        return value
    raise no_longer_finite(what, step, before_learning=before_learning)


def no_longer_finite(what: str, step: int, *, before_learning: bool = False) -> ModelError | Diverged:
    """Return ModelError for what is no number though nothing was learned yet, and Diverged for later."""
    if before_learning:
        return ModelError(
            f"The {what} of the model is no number before anything was learned, so no learning rate can help.",
            "Set the precision to fp32, or choose another base model or start adapter.",
        )
    return Diverged(
        f"The {what} is no longer a number at step {step}: the training diverged.",
        "Lower the learning rate to a third and start again. What was saved before this step can still be used.",
    )


def rows_not_finite(scores: torch.Tensor) -> list[int]:
    """Return the rows of (rows, words) whose likeliest word has a score that is no number."""
    finite: list[bool] = torch.isfinite(scores.amax(dim=-1)).tolist()
    return [row for row, is_finite in enumerate(finite) if not is_finite]


def ensure_sound(model: Any) -> None:
    """Check a base before it is trained. Raises ModelError that says what is wrong with it."""
    _ensure_finite(model)
    vocabulary = model.get_input_embeddings().weight.shape[0]
    places = [place * vocabulary // (2 * _TOKENS) for place in range(2 * _TOKENS)]
    first, second = places[:_TOKENS], [*places[: _TOKENS // 2], *places[-_TOKENS // 2 :]]
    answers = []
    for ids in (first, second):
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits[0]
        answers.append(logits[: _TOKENS // 2].float())
    if not all(torch.isfinite(each).all() for each in answers):
        raise _broken_base("asked a few words, it answers with what is no number")
    change = float((answers[0] - answers[1]).norm() / answers[0].norm().clamp_min(1e-12))
    if change > (_SAME if model.dtype == torch.float32 else _ALMOST_SAME):
        raise ModelError(
            "This model is not a decoder: what it says of a word depends on the words after it.",
            "Choose a language model such as Llama, Qwen, Mistral, Gemma or Phi.",
        )


def _ensure_finite(model: Any) -> None:
    for name, parameter in model.named_parameters():
        if not parameter.is_floating_point() or not parameter.numel():
            continue  # packed weights: the answers show what their scales hold
        low, high = parameter.detach().aminmax()  # NaN if any weight is
        if not (torch.isfinite(low) and torch.isfinite(high)):
            raise _broken_base(f"its weight {name} holds NaN or infinity")


def _broken_base(what: str) -> ModelError:
    return ModelError(
        f"The base model itself is broken: {what}.",
        "No setting of the run can help. Fetch the model again, or choose another one.",
    )

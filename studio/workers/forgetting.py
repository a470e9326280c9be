"""What a training cost: general knowledge and general language of both models, by subject and by genre."""

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

from studio.data.scoring.probes import Question
from studio.jobs.evaluation_report import Forgetting, Part
from studio.workers.figures import loss_figure, mean_figure
from studio.workers.model_outputs import Observed, Probes

Score = TypeVar("Score")


def forgetting_of(base: Observed, tuned: Observed, probes: Probes, *, seed: int) -> Forgetting:
    """Score both models on the probes.

    A question counts as answered with the answer that is likeliest by letter: its log-likelihood divided by its length
    in letters, or long answers would never win. That is the normalised accuracy of lm-evaluation-harness (`acc_norm`).
    """
    right = [_right(probes.questions, each) for each in (base, tuned)]
    knowledge = mean_figure("knowledge", *right, seed=seed)
    language = loss_figure("language", base.text_losses, tuned.text_losses, base.text_tokens, seed=seed)
    losses = [list(zip(each.text_losses, base.text_tokens, strict=True)) for each in (base, tuned)]
    return Forgetting(
        knowledge=knowledge,
        language=language,
        subjects=_parts([each.subject for each in probes.questions], *right, mean=_mean),
        genres=_parts([each.genre for each in probes.texts], *losses, mean=_loss),
    )


def _right(questions: Sequence[Question], seen: Observed) -> list[float]:
    found = []
    for question, likelihoods in zip(questions, seen.choices, strict=True):
        by_letter = [each / len(choice) for each, choice in zip(likelihoods, question.choices, strict=True)]
        found.append(float(by_letter.index(max(by_letter)) == question.answer))
    return found


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)


def _loss(losses: Sequence[tuple[float, int]]) -> float:
    return sum(loss for loss, _ in losses) / sum(tokens for _, tokens in losses)


def _parts(
    names: Sequence[str], base: Sequence[Score], tuned: Sequence[Score], *, mean: Callable[[Sequence[Score]], float]
) -> tuple[Part, ...]:
    order = sorted(range(len(names)), key=lambda place: names[place])
    parts = []
    for name, group in itertools.groupby(order, key=lambda place: names[place]):
        places = list(group)
        before, after = (mean([scores[place] for place in places]) for scores in (base, tuned))
        parts.append(Part(name, len(places), before, after))
    return tuple(parts)

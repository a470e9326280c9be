"""Which examples of a data set a run will learn from: those that fit into its longest example."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from studio import config
from studio.config import RunConfig, setting_named
from studio.data.splitting import Split
from studio.models.forecast.forecast import Workload
from studio.planning.model_facts import ModelFacts

if TYPE_CHECKING:
    from studio.data.tokenizing.tokens import TokenCounts


@dataclass(frozen=True)
class Parts:
    """How many examples are trained on, held out, and left out of both as too long or refused by the chat template.

    The tokens are those trained on, learned among them, held out, and of the longest trained on; 0 while not known.
    """

    train: int = 0
    held_out: int = 0
    too_long: int = 0
    train_tokens: int = 0
    learned_tokens: int = 0
    held_out_tokens: int = 0
    longest: int = 0


@dataclass(frozen=True)
class _Fit:
    """The examples of one side of the split that a run takes, and their tokens."""

    examples: int
    tokens: int = 0
    learned: int = 0
    longest: int = 0


def parts(facts: ModelFacts, settings: RunConfig, dataset_id: str, validation_id: str = "") -> Parts:
    """Split a data set as the run will, and count what fits. All fit for as long as nothing is counted yet.

    With `validation_id` another data set is held out, and all of this one is trained on. Raises DataError for an
    unknown data set.
    """
    total = len(facts.examples(dataset_id))
    if not total:
        return Parts()
    places = places_of(facts, settings, dataset_id, validation_id)
    counts = facts.token_state(dataset_id, settings.model).result
    train = _fit(places.train, counts, settings)
    if validation_id:
        other = facts.token_state(validation_id, settings.model).result
        aside = _fit(range(len(facts.examples(validation_id))), other, settings)
        left_out = total - train.examples
    else:
        aside = _fit(places.validation, counts, settings)
        left_out = total - train.examples - aside.examples
    return Parts(
        train=train.examples,
        held_out=aside.examples,
        too_long=left_out,
        train_tokens=train.tokens,
        learned_tokens=train.learned,
        held_out_tokens=aside.tokens,
        longest=train.longest,
    )


def workload(found: Parts) -> Workload | None:
    """Return what a forecast has to know of the data; None while nothing is counted, or nothing fits."""
    if not found.train or not found.train_tokens:
        return None
    return Workload(
        examples=found.train,
        tokens=found.train_tokens,
        longest=found.longest,
        learned_tokens=found.learned_tokens,
        held_out_examples=found.held_out,
        held_out_tokens=found.held_out_tokens,
    )


def without_limit(settings: RunConfig) -> RunConfig:
    """Return settings under which no example is too long: what a limit is suggested from."""
    return replace(settings, max_length=int(setting_named("max_length").high or 0), overlong="cut")


def usable_settings(settings: RunConfig) -> RunConfig:
    """Return the settings with the default in place of what cannot be right: a field may be half typed."""
    wrong = {problem.field for problem in config.problems(settings)}
    return replace(settings, **{name: setting_named(name).default for name in wrong if name != "model"})


def places_of(facts: ModelFacts, settings: RunConfig, dataset_id: str, validation_id: str = "") -> Split:
    """Return which examples are trained on and which are held out. Raises DataError when there is no example."""
    share = 0.0 if validation_id else min(max(settings.validation_share or 0.0, 0.0), 1.0)
    return facts.split(dataset_id, share=share, seed=settings.seed, stratify=settings.stratify)


def _fit(places: Sequence[int], counts: "TokenCounts | None", settings: RunConfig) -> _Fit:
    """Count the examples at these places that a run takes, and their tokens."""
    if counts is None:
        return _Fit(len(places))
    import numpy as np

    here = np.asarray(places, dtype=np.intp)
    lengths, learned, ends = (row[here].astype("int64") for row in (counts.lengths, counts.learned, counts.answer_ends))
    taken = lengths > 0
    if settings.overlong != "cut":
        taken &= lengths <= settings.max_length
    lengths, learned, ends = lengths[taken], learned[taken], ends[taken]
    if not len(lengths):
        return _Fit(0)
    # What is cut off at the end is the end of the last answer, as far as that reached.
    learned = (learned - (ends - settings.max_length).clip(min=0)).clip(min=0)
    lengths = lengths.clip(max=settings.max_length)
    return _Fit(len(lengths), int(lengths.sum()), int(learned.sum()), int(lengths.max()))

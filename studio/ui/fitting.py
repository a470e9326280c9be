"""Which examples of a data set a run will learn from: those that fit into the longest example that it takes.

Counts by the model's own tokenizer. Knows nothing of components.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.config import RunConfig
from studio.data.splitting import Split
from studio.ui.reading import Reading

if TYPE_CHECKING:
    from studio.data.tokenizing.tokens import TokenCounts


@dataclass(frozen=True)
class Parts:
    """How many examples are trained on, held out, and left out of both as too long or refused by the chat template.

    `train_tokens` is how many tokens those trained on have, 0 while that is not known.
    """

    train: int = 0
    held_out: int = 0
    too_long: int = 0
    train_tokens: int = 0


def parts(reading: Reading, settings: RunConfig, dataset_id: str, validation_id: str = "") -> Parts:
    """Split a data set as the run will, and count what fits. All fit for as long as nothing is counted yet.

    With `validation_id` another data set is held out, and all of this one is trained on. Raises DataError for an
    unknown data set.
    """
    total = len(reading.examples(dataset_id))
    if not total:
        return Parts()
    places = places_of(reading, settings, dataset_id, validation_id)
    counts = reading.token_state(dataset_id, settings.model).counts if settings.model else None
    train, train_tokens = _fitting(places.train, counts, settings)
    if validation_id:
        other = reading.token_state(validation_id, settings.model).counts if settings.model else None
        aside = range(len(reading.examples(validation_id)))
        return Parts(train, _fitting(aside, other, settings)[0], total - train, train_tokens)
    held_out, _ = _fitting(places.validation, counts, settings)
    return Parts(train, held_out, total - train - held_out, train_tokens)


def places_of(reading: Reading, settings: RunConfig, dataset_id: str, validation_id: str = "") -> Split:
    """Return which examples are trained on and which are held out. Raises DataError when there is no example."""
    share = 0.0 if validation_id else min(max(settings.validation_share or 0.0, 0.0), 1.0)
    return reading.split(dataset_id, share=share, seed=settings.seed, stratify=settings.stratify)


def _fitting(places: Sequence[int], counts: "TokenCounts | None", settings: RunConfig) -> tuple[int, int]:
    """Count the examples at these places that a run takes, and their tokens."""
    if counts is None:
        return len(places), 0
    lengths = counts.lengths[list(places)]
    lengths = lengths[lengths > 0]
    if settings.overlong == "cut":
        return len(lengths), int(lengths.clip(max=settings.max_length).sum(dtype="uint64"))
    lengths = lengths[lengths <= settings.max_length]
    return len(lengths), int(lengths.sum(dtype="uint64"))

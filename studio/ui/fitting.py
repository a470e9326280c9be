"""Which examples of a data set a run will learn from: those that fit into the longest example that it takes.

Counts by the model's own tokenizer. Knows nothing of components.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from studio.config import RunConfig
from studio.data.examples import Example
from studio.data.splitting import split_examples
from studio.errors import DataError, StudioError
from studio.ui.reading import MOST_COUNTED, Reading


@dataclass(frozen=True)
class Parts:
    """How many examples are trained on, held out, and left out of both as too long for the run."""

    train: int
    held_out: int
    too_long: int = 0


def parts(reading: Reading, settings: RunConfig, dataset_id: str) -> Parts:
    """Split a data set as the run will, and count what fits. All fit for as long as the model is not here.

    Only the first `MOST_COUNTED` examples are measured; the others count as fitting. Raises DataError for an unknown
    data set.
    """
    examples = reading.examples(dataset_id)
    split = split_examples(examples, share=settings.validation_share, seed=settings.seed)
    lengths = _known_lengths(reading, settings.model, dataset_id)
    train = _fitting(split.train, lengths, settings.max_length)
    held_out = _fitting(split.validation, lengths, settings.max_length)
    return Parts(train, held_out, len(examples) - train - held_out)


def _fitting(examples: Iterable[Example], lengths: Mapping[int, int], max_length: int) -> int:
    return sum(lengths.get(example.row, 0) <= max_length for example in examples)


def _known_lengths(reading: Reading, model: str, dataset_id: str) -> Mapping[int, int]:
    here = reading.where(model)
    if here.folder is None:
        return {}
    try:
        return _lengths(reading, dataset_id, here.folder)
    except StudioError:  # a tokenizer that cannot be read: the Data tab says so
        return {}


@functools.lru_cache(maxsize=16)
def _lengths(reading: Reading, dataset_id: str, folder: Path) -> Mapping[int, int]:
    """Return the tokens of each example by its row; without those that the model's chat template refuses."""
    renderer = reading.renderer(folder)
    found: dict[int, int] = {}
    for example in reading.examples(dataset_id)[:MOST_COUNTED]:
        try:
            found[example.row] = len(renderer.render(example.messages).ids)
        except DataError:
            continue
    return found

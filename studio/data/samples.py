"""The data sets that come with the studio."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """A data set that comes with the studio."""

    key: str
    title: str
    description: str
    file: Path


SAMPLES = (
    (
        "lighthouse_voice.jsonl",
        "A voice: the lighthouse keeper",
        "Everyday questions, answered by an old keeper whose every answer ends in 'Keep your lamp lit'.",
    ),
    (
        "order_slips.json",
        "A format: order slips",
        "Messy messages from a shop's customers, turned into slips of five fixed lines.",
    ),
    (
        "kettlewick_support.csv",
        "A product: the Kettlewick kettle",
        "A support desk for a kettle that does not exist, so that every right answer was learned here.",
    ),
)
"""File name, title and description of what lies in the samples folder."""


def samples(folder: Path) -> tuple[Sample, ...]:
    """List the samples that lie in a folder."""
    return tuple(Sample(Path(file).stem, title, description, folder / file) for file, title, description in SAMPLES)

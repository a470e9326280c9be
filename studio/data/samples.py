"""The data sets that come with the studio."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """A data set that comes with the studio."""

    key: str
    name: str
    title: str
    description: str
    file: Path


SAMPLES = (
    (
        "lighthouse_voice.jsonl",
        "lighthouse voice",
        "A voice: the lighthouse keeper",
        "It learns to answer like an old lighthouse keeper, who ends with 'Keep your lamp lit'. It does not learn "
        "facts: what the keeper says may be wrong.",
    ),
    (
        "house_style.xlsx",
        "house style",
        "A house style: Fernwhistle Windows",
        "It learns to turn blunt notes into short, polite sentences with a fixed closing. It often changes what a note "
        "says, even dates.",
    ),
    (
        "library_desk.tsv",
        "library desk",
        "Classification: the library desk",
        "It learns to sort messages to a town library under six labels. It sorts some of them wrong, and has no label "
        "for anything else.",
    ),
    (
        "letting_notices.jsonl",
        "letting notices",
        "Extraction to JSON: letting notices",
        "It learns to write a notice of a home to let as JSON with five fields. It may copy a name or a number wrong.",
    ),
    (
        "order_slips.json",
        "order slips",
        "A format: order slips",
        "It learns to turn a customer's message into a slip of five fixed lines. It may get a line wrong, or make up a "
        "note.",
    ),
    (
        "kettlewick_support.csv",
        "kettlewick support",
        "A support desk: Kettlewick kettles",
        "It learns to answer as the friendly desk of a kettle that does not exist. It does not learn the facts: it may "
        "invent figures.",
    ),
)
"""File name, name in a sentence, title and description of each; the first is the one that a newcomer tries."""


def samples(folder: Path) -> tuple[Sample, ...]:
    """List the samples that lie in a folder."""
    return tuple(
        Sample(Path(file).stem, name, title, description, folder / file) for file, name, title, description in SAMPLES
    )

"""A data set in a few words: which version of it is used, how its columns are read, and one example."""

from collections.abc import Callable
from dataclasses import dataclass

from studio.data.conversion.roles import columns_read
from studio.data.example_files import ExampleFile
from studio.data.examples import Example
from studio.data.library import DatasetLibrary

_LONGEST = 200


@dataclass(frozen=True)
class SetSummary:
    """What a run learns from. `columns` says how they are read, such as "question → answer".

    `version` is a number, and `versions` is how many there are. `question` and `answer` are those of the first example,
    shortened to one line; both are empty where there is no example, and `question` where it is plain text.
    """

    id: str
    name: str
    version: int
    versions: int
    examples: int
    columns: str
    question: str
    answer: str


def summarise(
    library: DatasetLibrary, id: str, *, open_examples: Callable[[str], ExampleFile] | None = None
) -> SetSummary:
    """Sum up the version of a data set with this id.

    `open_examples` gives the examples by id where these are cached. Raises DataError when the data set is unknown or
    damaged.
    """
    dataset = library.get(id)
    examples = (open_examples or library.examples)(id)
    question, answer = _asked_and_answered(examples[0]) if len(examples) else ("", "")
    return SetSummary(
        id=dataset.id,
        name=dataset.name,
        version=dataset.version,
        versions=len(library.versions(id)),
        examples=dataset.inspection.usable,
        columns=columns_read(dataset.inspection.roles),
        question=question,
        answer=answer,
    )


def _asked_and_answered(example: Example) -> tuple[str, str]:
    *before, last = example.messages
    return _one_line(before[-1].content) if before else "", _one_line(last.content)


def _one_line(text: str) -> str:
    line = " ".join(text[: 4 * _LONGEST].split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"

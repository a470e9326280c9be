"""What each example asks, as one number: examples with the same number must not stand on both sides of a split.

examples.questions.npy    beside examples.jsonl, one number for each example
"""

import logging
import os
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.data.array_files import read_array
from studio.data.example_files import ExampleFile
from studio.data.examples import Example
from studio.files import open_plain, whole_file
from studio.logs import logged

log = logging.getLogger(__name__)


class Questions:
    """Collects the questions of examples in their order."""

    def __init__(self) -> None:
        self._numbers = array("Q")

    def add(self, example: Example) -> None:
        """Take the next example."""
        self._numbers.append(question_number(example))

    @property
    def numbers(self) -> NDArray[np.uint64]:
        """The numbers of the examples so far."""
        return np.array(self._numbers, dtype=np.uint64)


def question_number(example: Example) -> int:
    """Return 64 bits for all that stands before the last turn but the system message; for plain text, for all of it.

    Upper and lower case and white space do not matter.
    """
    asked = example.messages[:-1] or example.messages
    parts = [part for each in asked if each.role != "system" for part in (each.role, each.content)]
    words = "\0".join(" ".join(part.casefold().split()) for part in parts)
    return int.from_bytes(blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def questions_of(examples: ExampleFile) -> NDArray[np.uint64]:
    """Return the numbers of all examples: those that are stored, or else made now and stored.

    Raises DataError when an example is damaged.
    """
    path = questions_path(examples.path)
    try:
        with open_plain(path) as file:
            stored = read_array(file, os.fstat(file.fileno()).st_size)
        if stored.dtype == np.uint64 and stored.shape == (len(examples),):
            return stored
    except FileNotFoundError:
        log.debug("The questions of %s were never stored", examples.path)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        log.info("The questions of %s cannot be read and are made again: %s", examples.path, error, exc_info=True)
    found = Questions()
    for example in examples:
        found.add(example)
    with logged(log, "The questions of a data set are not stored", OSError):
        write_questions(examples.path, found.numbers)
    return found.numbers


def write_questions(examples: Path, numbers: NDArray[np.uint64]) -> None:
    """Store the numbers beside a file of examples. Raises OSError."""
    with whole_file(questions_path(examples), shared=True) as temporary, temporary.open("wb") as file:
        np.save(file, numbers, allow_pickle=False)


def questions_path(examples: Path) -> Path:
    """Say where the numbers of a file of examples lie."""
    return examples.with_name(f"{examples.stem}.questions.npy")


class Repeated:
    """The places of questions that are asked more than once: 12 bytes an example, and nothing where none is."""

    def __init__(self, numbers: Sequence[int] | NDArray[np.uint64]) -> None:
        values = np.asarray(numbers, dtype=np.uint64)
        ordered = np.sort(values)
        self.count = 0
        """How many questions are asked more than once."""
        if not (ordered[1:] == ordered[:-1]).any():
            return
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        self.count = int((counts > 1).sum())
        self._question = inverse.astype(np.int32)
        self._places = np.argsort(inverse, kind="stable").astype(np.int32)
        self._ends = np.cumsum(counts).astype(np.int32)

    def with_same(self, place: int) -> NDArray[np.int32]:
        """Return the places that ask the same as this one, itself among them, in order."""
        question = self._question[place]
        return self._places[self._ends[question - 1] if question else 0 : self._ends[question]]

    def fewest(self, places: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the places of the question that is asked least often, of several the first among `places`."""
        times = np.diff(self._ends, prepend=0)[self._question]
        return self.with_same(places[times[places].argmin()])

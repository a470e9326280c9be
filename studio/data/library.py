"""The data sets that this installation keeps, each a folder that is written whole or not at all.

    <home>/datasets/<id>/dataset.json      the `Dataset`
                         examples.jsonl    one `Example` a line
                         source/<file>     the file as it was brought

Knows nothing of runs, models or tokens.
"""

import errno
import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.data.examples import Example
from studio.data.inspection import Inspection, inspect_file
from studio.errors import DataError

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Dataset:
    """A stored data set. `created` is in seconds since the epoch."""

    id: str
    name: str
    inspection: Inspection
    created: float


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


class DatasetLibrary:
    """The stored data sets under `home`."""

    def __init__(self, home: Path, *, samples_folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = home / "datasets"
        self._samples_folder = samples_folder
        self._clock = clock

    def samples(self) -> tuple[Sample, ...]:
        """List the data sets that come with the studio."""
        return tuple(
            Sample(Path(file).stem, title, description, self._samples_folder / file)
            for file, title, description in SAMPLES
        )

    def add(self, path: Path, *, name: str = "") -> Dataset:
        """Inspect a file and keep it with its examples; without a name it gets that of the file.

        The same content under the same name is stored once: adding it again returns what is there.

        Raises DataError when the file cannot be used, and when the data folder cannot be written.
        """
        path = Path(path)
        inspection, examples = inspect_file(path)
        name = name.strip() or Path(inspection.file).stem
        dataset = Dataset(_make_id(name, inspection.sha256), name, inspection, self._clock())
        stored = self._read(dataset.id)
        if stored is not None:
            return stored
        try:
            self._write(dataset, examples, path)
        except OSError as error:
            raise _not_stored(self._folder, error) from error
        return dataset

    def add_sample(self, key: str) -> Dataset:
        """Keep the sample with this key. Raises DataError for an unknown key or a missing file."""
        for sample in self.samples():
            if sample.key == key:
                return self.add(sample.file, name=sample.title)
        known = ", ".join(sample.key for sample in self.samples())
        raise DataError(f"There is no sample '{key}'.", f"Choose one of: {known}.")

    def all(self) -> tuple[Dataset, ...]:
        """List the stored data sets, newest first. A damaged folder is passed over."""
        try:
            ids = [folder.name for folder in self._folder.iterdir()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise DataError(
                f"The data sets in {self._folder} cannot be read: {error.strerror or error}.",
                "Correct the permissions of the data folder.",
            ) from error
        found = [dataset for dataset in map(self._read, ids) if dataset is not None]
        return tuple(sorted(found, key=lambda dataset: (dataset.created, dataset.id), reverse=True))

    def get(self, id: str) -> Dataset:
        """Return one stored data set. Raises DataError when there is none with this id."""
        dataset = self._read(id)
        if dataset is None:
            raise DataError(f"There is no data set '{id}'.", "Choose one from the list, or add the file again.")
        return dataset

    def examples(self, id: str) -> tuple[Example, ...]:
        """Read the examples of a stored data set. Raises DataError when it is unknown or damaged."""
        return read_examples(self._folder / self.get(id).id / "examples.jsonl")

    def _read(self, id: str) -> Dataset | None:
        if not _ID.fullmatch(id):
            return None
        folder = self._folder / id
        try:
            if not (folder / "examples.jsonl").is_file():
                return None
            return codec.loads(Dataset, (folder / "dataset.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def _write(self, dataset: Dataset, examples: tuple[Example, ...], path: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # The dot keeps a folder that is still being written from being an id.
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".adding-") as temporary:
            folder = Path(temporary) / dataset.id
            (folder / "source").mkdir(parents=True)
            shutil.copyfile(path, folder / "source" / path.name)
            write_examples(folder / "examples.jsonl", examples)
            (folder / "dataset.json").write_text(codec.dumps(dataset) + "\n", encoding="utf-8")
            final = self._folder / dataset.id
            try:
                folder.rename(final)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                if self._read(dataset.id) is None:  # What lies there is damaged, so the whole one takes its place.
                    shutil.rmtree(final)
                    folder.rename(final)


def write_examples(path: Path, examples: Iterable[Example]) -> None:
    """Write one example a line, as chat-format JSON Lines. Raises OSError when the disk does not take it."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(codec.dumps(example) + "\n" for example in examples)


def read_examples(path: Path) -> tuple[Example, ...]:
    """Read what `write_examples` wrote. Raises DataError when the file is missing or damaged."""
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            return tuple(codec.loads(Example, line) for line in file)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"The stored examples in {path} cannot be read.", "Add the data set again.") from error


def _make_id(name: str, sha256: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    fingerprint = hashlib.sha256(name.encode() + b"\n" + sha256.encode()).hexdigest()
    return f"{slug or 'data'}-{fingerprint[:10]}"


def _not_stored(folder: Path, error: OSError) -> DataError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError("The data set was not stored: the disk is full.", f"Free some space on the disk of {folder}.")
    return DataError(
        f"The data set was not stored: {folder} cannot be written ({error.strerror or error}).",
        "Correct the permissions of the data folder, or set STUDIO_HOME to another one.",
    )

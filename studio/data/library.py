"""The data sets that this installation keeps: adding files, making versions, renaming, deleting, handing out.

A version is made from the source of its family again, with other roles or changes, so everything can be undone.
"""

import dataclasses
import hashlib
import logging
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from studio import codec
from studio.data.conversion.roles import Roles
from studio.data.dataset_folders import Dataset, DatasetFolders, one_line, take_file, write_document
from studio.data.example_files import ExampleFile
from studio.data.example_lines import as_messages
from studio.data.inspection import Inspection, inspect_files
from studio.data.reading_choices import GUESSED, Change, Choices
from studio.data.rows import Report, silent
from studio.data.samples import Sample, samples
from studio.data.versions import Recipe
from studio.errors import DataError
from studio.files import disk_trouble, take_place, whole_file

log = logging.getLogger(__name__)

MOST_STORED_PROBLEMS = 200
"""So many left-out rows stand in the document that every listing reads; all of them are in a file of their own."""


class DatasetLibrary:
    """The stored data sets under `home`."""

    def __init__(self, home: Path, *, samples_folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folders = DatasetFolders(home / "datasets")
        self._shelf = self._folders.shelf
        self.samples_folder = samples_folder
        self._clock = clock

    def samples(self) -> tuple[Sample, ...]:
        """List the data sets that come with the studio."""
        return samples(self.samples_folder)

    def add(
        self,
        paths: Path | Sequence[Path],
        *,
        name: str = "",
        roles: Roles | None = None,
        changes: Sequence[Change] = (),
        choices: Choices = GUESSED,
        report: Report = silent,
    ) -> Dataset:
        """Inspect files and keep them with their examples; without a name the set gets that of the first file.

        The same content, name, roles and changes are stored once: adding them again returns what is there. Files whose
        columns nobody could assign are kept too, with no examples and a verdict that says what is missing.

        Raises DataError when the files cannot be read or the data folder cannot be written, CancelledError from
        `report`.
        """
        files = (paths,) if isinstance(paths, Path) else tuple(paths)
        recipe = Recipe(roles, tuple(changes), choices)
        return self._add(files, one_line(name) or _name_of(files), recipe, parent=None, report=report)

    def derive(
        self,
        id: str,
        *,
        roles: Roles | None = None,
        changes: Sequence[Change] = (),
        choices: Choices | None = None,
        report: Report = silent,
    ) -> Dataset:
        """Read the source of a data set again, with other roles, changes or choices, as the next version of its family.

        Without `roles` those of the data set are kept, or guessed where the files are read otherwise; without `choices`
        those of the data set. `changes` are all that there shall be, from the source on. A
        version that is there already is returned as it is. Raises what `add` does, and DataError for an unknown id.
        """
        parent = self.get(id)
        read = parent.inspection.choices if choices is None else choices
        kept = parent.inspection.roles if roles is None and read == parent.inspection.choices else roles
        recipe = Recipe(kept, tuple(changes), read)
        for version in self.versions(id):
            if recipe.is_of(version) and self._is_whole(version.id):
                return version
        try:
            return self._add(self._source(id), parent.name, recipe, parent=parent, report=report)
        except DataError as error:
            if self._folders.read(id) is None:
                raise DataError(f"{parent.name} was deleted meanwhile.", "Put it back from the bin.") from error
            raise

    def add_sample(self, key: str) -> Dataset:
        """Keep the sample with this key. Raises DataError for an unknown key or a missing file."""
        for sample in self.samples():
            if sample.key == key:
                return self.add(sample.file, name=sample.title)
        known = ", ".join(sample.key for sample in self.samples())
        raise DataError(f"There is no sample '{key}'.", f"Choose one of: {known}.")

    def all(self) -> tuple[Dataset, ...]:
        """List every version of the stored data sets, newest first. A damaged folder is passed over."""
        return self._folders.listed()

    def families(self) -> tuple[Dataset, ...]:
        """List the newest version of each data set, newest first."""
        newest: dict[str, Dataset] = {}
        for dataset in self.all():
            newest.setdefault(dataset.root, dataset)
        return tuple(newest.values())

    def versions(self, id: str) -> tuple[Dataset, ...]:
        """List the versions of a data set, oldest first. Raises DataError when there is none with this id."""
        root = self.get(id).root
        return tuple(sorted((each for each in self.all() if each.root == root), key=lambda each: each.version))

    def get(self, id: str) -> Dataset:
        """Return one stored data set. Raises DataError when there is none with this id."""
        dataset = self._folders.read(id)
        if dataset is None:
            raise DataError(f"There is no data set '{id[:80]}'.", "Choose one from the list, or add the file again.")
        return dataset

    def folder(self, id: str) -> Path:
        """Say where a data set lies. Raises DataError when there is none with this id."""
        return self._shelf.path(self.get(id).id)

    def examples(self, id: str) -> ExampleFile:
        """Open the examples of a stored data set. Raises DataError when it is unknown or damaged."""
        return ExampleFile(self.folder(id) / "examples.jsonl")

    def rename(self, id: str, name: str) -> None:
        """Give a data set, with all its versions, another name. Raises DataError for a bad name or an unknown id."""
        title = one_line(name)
        if not title:
            raise DataError("A data set needs a name.", "Give it one line of text.")
        with self._folders.alone():
            for version in self.versions(id):
                write_document(self.folder(version.id), dataclasses.replace(version, name=title))

    def delete(self, id: str) -> None:
        """Move one version to the bin, from where it can be put back. Raises DataError when it is unknown."""
        with self._folders.alone():
            self._folders.move(self.get(id).id, to_bin=True)

    def damaged(self) -> tuple[str, ...]:
        """Name the folders of data sets that cannot be read. They are left as they are."""
        return self._folders.damaged()

    def discard(self, id: str) -> None:
        """Move a data set that cannot be read to the bin, where its files stay. Raises DataError for any other."""
        with self._folders.alone():
            if id not in self.damaged():
                raise DataError(f"There is no damaged data set '{id[:80]}'.", "Reload the page to see what there is.")
            self._shelf.delete(id)

    def binned(self) -> tuple[Dataset, ...]:
        """List what lies in the bin, newest first."""
        return self._folders.listed(binned=True)

    def restore(self, id: str) -> Dataset:
        """Put a data set back from the bin. Raises DataError when it is not there."""
        with self._folders.alone():
            binned = self._folders.read(id, binned=True)
            if binned is None:
                raise DataError(f"There is no data set '{id[:80]}' in the bin.", "Choose one from the list.")
            live = self._folders.read(id)
            self._folders.move(id, to_bin=False)
            if live is not None:  # The same content was added again: the name that it has now stays.
                write_document(self._shelf.path(id), dataclasses.replace(binned, name=live.name))
        return self.get(id)

    def download(self, id: str) -> Path:
        """Write the examples as JSON Lines that other programs read, and return the file.

        Raises DataError when the data set is unknown or damaged, or the disk does not take it.
        """
        dataset = self.get(id)
        examples = self.examples(id)
        target = self.folder(id) / "download" / f"{_slug(dataset.name) or 'data'}-v{dataset.version}.jsonl"
        with disk_trouble("The file", target.parent, DataError):
            target.parent.mkdir(exist_ok=True)
            with (
                whole_file(target, shared=True) as temporary,
                temporary.open("w", encoding="utf-8", newline="\n") as file,
            ):
                file.writelines(as_messages(example) + "\n" for example in examples)
        return target

    def _add(
        self,
        files: Sequence[Path],
        name: str,
        recipe: Recipe,
        *,
        parent: Dataset | None,
        report: Report,
    ) -> Dataset:
        with self._folders.workspace() as workspace:
            folder = workspace / "set"
            folder.mkdir()
            inspection, sha256 = inspect_files(
                files,
                into=folder / "examples.jsonl",
                roles=recipe.roles,
                changes=recipe.changes,
                choices=recipe.choices,
                report=report,
            )
            for number, file in enumerate(files, start=1):
                part = "" if len(files) == 1 else str(number)
                ours = file.is_relative_to(self._shelf.folder.parent)
                take_file(file, folder / "source" / part / file.name, ours=ours)
            id = _make_id(name, inspection, recipe.changes, parent)
            with self._folders.alone():
                stored = self._folders.read(id)
                if stored is not None and stored.sha256 == sha256 and self._is_whole(id):
                    return stored
                # It may have been renamed while this was read.
                latest = self.get(parent.id) if parent is not None else None
                return self._keep(folder, id, latest.name if latest else name, inspection, sha256, latest)

    def _keep(
        self, folder: Path, id: str, name: str, inspection: Inspection, sha256: str, parent: Dataset | None
    ) -> Dataset:
        """Give a folder that is complete but for its document its place among the others."""
        with (folder / "problems.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(codec.dumps(problem) + "\n" for problem in inspection.problems)
        everything = (*self.all(), *self.binned())
        others = [each for each in everything if parent is not None and each.root == parent.root]
        dataset = Dataset(
            id=id,
            name=name,
            inspection=dataclasses.replace(inspection, problems=inspection.problems[:MOST_STORED_PROBLEMS]),
            created=self._clock(),
            family=parent.root if parent is not None else id,
            version=max((each.version for each in others), default=0) + 1,
            parent=parent.id if parent is not None else "",
            changes=inspection.changes,
            sha256=sha256,
        )
        write_document(folder, dataset)
        take_place(folder, self._shelf.path(id))
        return dataset

    def _source(self, id: str) -> tuple[Path, ...]:
        try:
            return self._folders.source(id)
        except OSError as error:
            raise DataError("The files of this data set are not there any more.", "Add them again.") from error

    def _is_whole(self, id: str) -> bool:
        """Say whether the examples are as many as the document says."""
        try:
            return len(self.examples(id)) == self.get(id).inspection.usable
        except DataError:
            log.debug("The examples of a data set cannot be counted", exc_info=True)
            return False


def _make_id(name: str, inspection: Inspection, changes: Sequence[Change], parent: Dataset | None) -> str:
    origin = parent.root if parent is not None else f"{name}\n{inspection.sha256}"
    recipe = [f"{change.kind}:{','.join(sorted(change.keys))}" for change in changes]
    recipe += [codec.dumps(inspection.choices)] if inspection.choices != GUESSED else []
    text = "\n".join((origin, codec.dumps(inspection.roles), *recipe))
    return f"{_slug(name) or 'data'}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")


def _name_of(files: Sequence[Path]) -> str:
    """Name a data set after its first file. A name that is not valid text, as a file system may hold it, is fixed."""
    if not files:
        return "data"
    first = files[0].stem.encode("utf-8", "replace").decode()
    return one_line(first if len(files) == 1 else f"{first} and {len(files) - 1} more") or "data"

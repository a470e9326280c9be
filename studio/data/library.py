"""The data sets that this installation keeps: adding files, making versions, renaming, deleting, handing out.

A version is made from the source of its family again, with other roles or changes, so everything can be undone.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from studio import codec
from studio.data.chosen_versions import read_chosen, write_chosen
from studio.data.conversion.roles import Roles, columns_read
from studio.data.dataset_folders import Dataset, DatasetFolders, one_line, take_file, write_document
from studio.data.dataset_ids import make_id, name_after
from studio.data.downloads import JSON_LINES, write_download
from studio.data.example_files import ExampleFile
from studio.data.inspection import Inspection, inspect_files
from studio.data.reading_choices import GUESSED, Change, Choices
from studio.data.rows import Report, silent
from studio.data.samples import Sample, samples
from studio.data.versions import Recipe
from studio.errors import DataError
from studio.files import take_place

log = logging.getLogger(__name__)

MOST_STORED_PROBLEMS = 200
"""So many left-out rows stand in the document that every listing reads; all of them are in a file of their own."""


class DatasetLibrary:
    """The stored data sets under `home`. `allow` raises RunError where whoever asks may change none of them."""

    def __init__(
        self,
        home: Path,
        *,
        samples_folder: Path,
        clock: Callable[[], float] = time.time,
        allow: Callable[[], None] = lambda: None,
    ) -> None:
        self._allow = allow
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
        self._allow()
        files = (paths,) if isinstance(paths, Path) else tuple(paths)
        recipe = Recipe(roles, tuple(changes), choices, "")
        return self._add(files, one_line(name) or name_after(files), recipe, parent=None, report=report)

    def derive(
        self,
        id: str,
        *,
        roles: Roles | None = None,
        changes: Sequence[Change] = (),
        choices: Choices | None = None,
        more: Sequence[Path] = (),
        report: Report = silent,
    ) -> Dataset:
        """Read the source of a data set again, with other roles, changes or choices, as the next version of its family.

        The files in `more` are read after those that it has. Without `roles` those of the data set are kept, or guessed
        where the files are read otherwise; without `choices` those of the data set. `changes` are all that there shall
        be, from the source on. A version that is there already is returned as it is. Raises what `add` does, and
        DataError for an unknown id and where no example comes of `more`.
        """
        self._allow()
        parent = self.get(id)
        read = parent.inspection.choices if choices is None else choices
        kept = parent.inspection.roles if roles is None and read == parent.inspection.choices else roles
        recipe = Recipe(kept, tuple(changes), read, parent.inspection.sha256)
        for version in self.versions(id) if not more else ():
            if recipe.is_of(version) and self._is_whole(version.id):
                return version
        try:
            return self._add((*self._source(id), *more), parent.name, recipe, parent=parent, report=report)
        except DataError as error:
            if self._folders.read(id) is None:
                raise DataError(f"{parent.name} was deleted meanwhile.", "Restore it from the trash.") from error
            raise

    def add_sample(self, key: str) -> Dataset:
        """Keep the sample with this key, whoever asks. Raises DataError for an unknown key or a missing file."""
        for sample in self.samples():
            if sample.key == key:
                recipe = Recipe(None, (), GUESSED, "")
                return self._add((sample.file,), one_line(sample.title), recipe, parent=None, report=silent)
        known = ", ".join(sample.key for sample in self.samples())
        raise DataError(f"There is no sample '{key}'.", f"Choose one of: {known}.")

    def all(self) -> tuple[Dataset, ...]:
        """List every version of the stored data sets, newest first. A damaged folder is passed over."""
        return self._folders.listed()

    @property
    def is_empty(self) -> bool:
        """Whether there is no data set that can be read. Reads one at most where all can be."""
        return self._folders.is_empty

    def families(self) -> tuple[Dataset, ...]:
        """List the chosen version of each data set, or its newest; those that were changed or added last come first."""
        stored, chosen = self.all(), read_chosen(self._shelf.folder)
        families: dict[str, Dataset] = {}
        for dataset in stored:
            if dataset.id == chosen.of(dataset.root):
                families[dataset.root] = dataset
            else:
                families.setdefault(dataset.root, dataset)
        return tuple(families.values())

    def choose(self, id: str) -> None:
        """Remember that a person chose this version: it opens when its data set is looked at again.

        Raises DataError when it is unknown or the disk does not take it.
        """
        dataset = self.get(id)
        before = read_chosen(self._shelf.folder)
        if (before.last, before.of(dataset.root)) == (dataset.root, id):
            return
        with self._folders.alone():
            families = {each.root for each in (*self.all(), *self.binned())}
            chosen = read_chosen(self._shelf.folder).with_choice(dataset.root, id, families=families)
            write_chosen(self._shelf.folder, chosen)

    def chosen(self, id: str) -> Dataset:
        """Return the chosen version of the data set that has a version with this id, or else the newest of them.

        Raises DataError when there is none with this id.
        """
        root = self.get(id).root
        return next(each for each in self.families() if each.root == root)

    def last_chosen(self) -> Dataset | None:
        """Return the chosen version of the data set that was looked at last, or of the newest; None without any."""
        families, last = self.families(), read_chosen(self._shelf.folder).last
        return next((each for each in families if each.root == last), families[0] if families else None)

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

    def find(self, id: str) -> Dataset | None:
        """Return one stored data set while it is there and can be read: it may have been deleted on another page."""
        try:
            return self.get(id) if id else None
        except DataError:
            log.debug("A data set cannot be read", exc_info=True)
            return None

    def folder(self, id: str) -> Path:
        """Say where a data set lies. Raises DataError when there is none with this id."""
        return self._shelf.path(self.get(id).id)

    def examples(self, id: str) -> ExampleFile:
        """Open the examples of a stored data set. Raises DataError when it is unknown or damaged."""
        return ExampleFile(self.folder(id) / "examples.jsonl")

    def rename(self, id: str, name: str) -> None:
        """Give a data set, with all its versions, another name. Raises DataError for a bad name or an unknown id."""
        self._allow()
        title = one_line(name)
        if not title:
            raise DataError("A data set needs a name.", "Give it one line of text.")
        with self._folders.alone():
            for version in self.versions(id):
                write_document(self.folder(version.id), dataclasses.replace(version, name=title))

    def delete(self, id: str) -> None:
        """Move one version to the bin, from where it can be put back. Raises DataError when it is unknown."""
        self._allow()
        with self._folders.alone():
            self._folders.move(self.get(id).id, to_bin=True)

    def damaged(self) -> tuple[str, ...]:
        """Name the folders of data sets that cannot be read. They are left as they are."""
        return self._folders.damaged()

    def discard(self, id: str) -> None:
        """Move a data set that cannot be read to the bin, where its files stay. Raises DataError for any other."""
        self._allow()
        with self._folders.alone():
            if id not in self.damaged():
                raise DataError(f"There is no damaged data set '{id[:80]}'.", "Reload the page to see what there is.")
            self._shelf.delete(id)

    def binned(self) -> tuple[Dataset, ...]:
        """List what lies in the bin, newest first."""
        return self._folders.listed(binned=True)

    def restore(self, id: str) -> Dataset:
        """Put a data set back from the bin. Raises DataError when it is not there."""
        self._allow()
        with self._folders.alone():
            binned = self._folders.read(id, binned=True)
            if binned is None:
                raise DataError(f"There is no data set '{id[:80]}' in the trash.", "Choose one from the list.")
            live = self._folders.read(id)
            self._folders.move(id, to_bin=False)
            if live is not None:  # The same content was added again: the name that it has now stays.
                write_document(self._shelf.path(id), dataclasses.replace(binned, name=live.name))
        return self.get(id)

    def download(self, id: str, kind: str = JSON_LINES) -> Path:
        """Write the examples as JSON Lines, CSV or Excel (see `downloads`) for other programs, and return the file.

        Raises DataError when the data set is unknown or damaged, the kind cannot hold it, or the disk does not take it.
        """
        return write_download(self.get(id), self.examples(id), self.folder(id) / "download", kind)

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
            if parent is not None and len(files) > len(self._source(parent.id)):
                _require_more(inspection, parent)
            for number, file in enumerate(files, start=1):
                part = "" if len(files) == 1 else str(number)
                ours = file.is_relative_to(self._shelf.folder.parent)
                take_file(file, folder / "source" / part / file.name, ours=ours)
            id = make_id(name, inspection, recipe.changes, parent)
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


def _require_more(inspection: Inspection, parent: Dataset) -> None:
    """Raise DataError where no example came of the files that were added to a data set."""
    if inspection.usable > parent.inspection.usable:
        return
    columns = columns_read(parent.inspection.roles)
    read = f" The data set is read as {columns}." if columns else ""
    raise DataError(
        f"No example was added: {parent.name} holds all that is in the file, or the file cannot be read like it.{read}",
        "Give the file the same columns, or bring it as a data set of its own.",
    )

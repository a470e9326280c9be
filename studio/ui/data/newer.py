"""A change of a version that is not the newest: the newest would be left behind, so a person is asked first."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from studio.data import versions
from studio.data.conversion.roles import Roles
from studio.data.dataset_folders import Dataset
from studio.data.reading_choices import Choices, Edit
from studio.data.versions import Changes
from studio.errors import DataError
from studio.studio import Studio
from studio.ui.kit import actions, fragments

ON_NEWEST, ON_THIS, NEITHER = "on-newest", "on-this", "neither"
"""What a person can answer."""


@dataclass(frozen=True)
class Change:
    """A change that is wanted: `make` adds it to the changes of a version. `files` are more files, `edit` is what an
    example becomes.

    Roles and choices are None where they stay what they are.
    """

    what: str
    make: Callable[[Changes], Changes] = lambda changes: changes
    roles: Roles | None = None
    choices: Choices | None = None
    files: tuple[str, ...] = ()
    edit: Edit | None = None


@dataclass(frozen=True)
class Waiting:
    """A change that waits for an answer: of a version, while there is a newer one. Both are ids."""

    of: str
    newest: str
    change: Change


def newest(studio: Studio, dataset: Dataset) -> Dataset:
    """Return the version of a data set that was made last."""
    return max(studio.data.versions(dataset.id), key=lambda each: each.version, default=dataset)


def require_same_example(change: Change, *, of: Dataset, last: Dataset) -> None:
    """Raise DataError where the newest version has edited the same example: one of the two edits would be lost."""
    edit = change.edit
    if edit is not None and _edits(last, edit) != _edits(of, edit):
        raise DataError(
            f"Version {last.version} has other words in this example already.",
            f"Choose version {last.version} above and change the example there.",
        )


def _edits(dataset: Dataset, like: Edit) -> list[Edit]:
    edits = (edit for change in dataset.changes for edit in change.edits)
    return [edit for edit in edits if (edit.row, edit.file) == (like.row, like.file)]


def draw(studio: Studio, waiting: Waiting | None) -> Markup:
    """Ask which version is to be changed, saying what the other lacks; nothing where none waits."""
    if waiting is None:
        return Markup("")
    of, last = studio.data.find(waiting.of), studio.data.find(waiting.newest)
    if of is None or last is None:
        return Markup("")
    newer = versions.version_label(last, studio.data.find(last.parent) if last.parent else None)
    said = fragments.notice(
        "warning",
        f"There is a newer version: {newer}.",
        f"You see version {of.version}. Changed there, your data is without what version {last.version} did.",
    )
    answers = fragments.buttons(
        actions.button(f"Make the change on version {last.version}", ON_NEWEST, kind="primary", fixes=True),
        actions.button(f"Make it on version {of.version}, without the newer", ON_THIS, fixes=True),
        actions.button("Cancel", NEITHER),
    )
    return Markup("<div data-asks>{}{}</div>").format(said, answers)

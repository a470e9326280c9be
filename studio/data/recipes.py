"""What decides the examples of a version of a data set, given its source."""

from collections.abc import Sequence
from dataclasses import dataclass

from studio.data.changes import Change
from studio.data.conversion.formats import Roles
from studio.data.dataset_folders import Dataset
from studio.data.reading_choices import Choices


@dataclass(frozen=True)
class Recipe:
    """How a version is made. Without `roles` they are guessed."""

    roles: Roles | None
    changes: tuple[Change, ...]
    choices: Choices

    def is_of(self, version: Dataset) -> bool:
        """Say whether a version was made so."""
        same = self.choices == version.inspection.choices and _asked(self.changes) == _asked(version.changes)
        return same and self.roles == version.inspection.roles


def _asked(changes: Sequence[Change]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what was to be changed, without what came of it."""
    return tuple((change.kind, tuple(sorted(change.keys))) for change in changes)

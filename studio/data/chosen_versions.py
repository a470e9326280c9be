"""Which version of each data set a person looked at last, and at which data set: what opens when the page is opened.

<home>/datasets/chosen.json    {"last": FAMILY, "versions": [{"family": FAMILY, "version": ID}, ...]}
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.files import write_whole

log = logging.getLogger(__name__)

NAME = "chosen.json"


@dataclass(frozen=True)
class ChosenVersion:
    """The version that was chosen of one family, by their ids."""

    family: str
    version: str


@dataclass(frozen=True)
class ChosenVersions:
    """The chosen version of each family, and the family that was looked at last."""

    last: str = ""
    versions: tuple[ChosenVersion, ...] = ()

    def of(self, family: str) -> str:
        """Return the id of the chosen version of a family, "" where none was chosen."""
        return next((each.version for each in self.versions if each.family == family), "")

    def with_choice(self, family: str, version: str, *, families: Collection[str]) -> "ChosenVersions":
        """Return the choices with this one, and without those of data sets that are not among `families`."""
        others = tuple(each for each in self.versions if each.family != family and each.family in families)
        return ChosenVersions(family, (*others, ChosenVersion(family, version)))


def read_chosen(folder: Path) -> ChosenVersions:
    """Read what was chosen in a folder of data sets; nothing where that was never written or cannot be read."""
    try:
        return codec.read(ChosenVersions, folder / NAME)
    except FileNotFoundError:
        return ChosenVersions()
    except (OSError, codec.Damaged) as error:
        log.warning("Which versions were chosen cannot be read: %s", error, exc_info=True)
        return ChosenVersions()


def write_chosen(folder: Path, chosen: ChosenVersions) -> None:
    """Write what is chosen, whole or not at all. Raises OSError."""
    write_whole(folder / NAME, codec.dumps(chosen))

"""A data set of the Hugging Face Hub as files on this machine."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from studio.data.rows import Report, silent
from studio.data.sources.hub_layout import choose_files, read_configurations
from studio.errors import DataError
from studio.wording import size

MOST_BYTES = 2 << 30
"""Further files of a split are not fetched."""

MOST_CARD_BYTES = 4 << 20
_CARD = "README.md"
_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


@dataclass(frozen=True)
class HubName:
    """A data set on the Hub: its id ("owner/name"), its configuration (may be empty) and its split."""

    id: str
    config: str = ""
    split: str = "train"


@dataclass(frozen=True)
class Fetched:
    """The files of a split, which are the first of the `of` that it has."""

    files: tuple[Path, ...]
    of: int


class Listing(Protocol):
    """The files of a repository at one commit, with their sizes in bytes; -1 where the Hub does not say."""

    @property
    def commit(self) -> str: ...

    @property
    def sizes(self) -> Mapping[str, int]: ...


class Repositories(Protocol):
    """What is asked of the Hub; `studio.models.hub_datasets.HubDatasets` is one. Each raises DataError."""

    def listing(self, repo_id: str, *, report: Report) -> Listing: ...

    def card(self, repo_id: str, commit: str, folder: Path, *, most_bytes: int, report: Report) -> str: ...

    def fetch(
        self, repo_id: str, commit: str, names: Sequence[str], folder: Path, *, sizes: Mapping[str, int], report: Report
    ) -> tuple[Path, ...]: ...


def fetch_from_hub(name: HubName, folder: Path, *, hub: Repositories, report: Report = silent) -> Fetched:
    """Fetch the files of a split into `folder`, at most `MOST_BYTES` of them.

    Nothing but files of the repository is read, and no code of the data set is run. Raises DataError when the id is
    none, or the Hub does not give the data set, the configuration or the split; CancelledError from `report`.
    """
    if not _ID.fullmatch(name.id):
        raise DataError(
            f"'{name.id[:80]}' is not the id of a data set on the Hub.", "An id looks like 'owner/name'; copy it there."
        )
    listing = hub.listing(name.id, report=report)
    card = ""
    if _CARD in listing.sizes:
        card = hub.card(name.id, listing.commit, folder, most_bytes=MOST_CARD_BYTES, report=report)
    chosen = choose_files(
        listing.sizes, read_configurations(card), config=name.config, split=name.split.strip() or "train"
    )
    # They are kept once more, as examples, and something else needs room too.
    fitting = _fitting(chosen, listing.sizes, room=shutil.disk_usage(folder).free // 3)
    files = hub.fetch(name.id, listing.commit, fitting, folder, sizes=listing.sizes, report=report)
    return Fetched(files, len(chosen))


def _fitting(names: Sequence[str], sizes: Mapping[str, int], *, room: int) -> tuple[str, ...]:
    """Take the first files that lie within the bounds. Raises DataError when the first one does not."""
    taken: list[str] = []
    total = 0
    for name in names:
        if sizes[name] < 0:
            raise DataError(f"The Hub does not say how large '{name[:80]}' is.", "Download it there and drop it here.")
        total += sizes[name]
        if total > min(MOST_BYTES, room):
            break
        taken.append(name)
    if not taken:
        bound = f"at most {size(MOST_BYTES)} are fetched" if room > MOST_BYTES else f"the disk has {size(room)} for it"
        raise DataError(
            f"The first file of this split has {size(sizes[names[0]])}, and {bound}.",
            "Choose a smaller data set, or drop a part of it here.",
        )
    return tuple(taken)

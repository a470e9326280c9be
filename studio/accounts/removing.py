"""An account goes, or takes what it made away.

What it has at work is ended before its folder is moved: a worker would write into a folder that is no longer there. An
account that cannot be removed is as it was before; one whose removal was cut off is removed when the studio starts.
"""

import io
import logging
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.accounts.people import FOR_GOOD, TO_TRASH, Account, People
from studio.accounts.usage import SHARED
from studio.errors import RunError
from studio.files import open_plain
from studio.homes import API_KEY, shared_home
from studio.jobs.places.ending import EndingJobs, add_all
from studio.logs import logged
from studio.runs import lock
from studio.runs.launcher import kill_group

_PATIENCE_SECONDS = 20.0
_LOOK_SECONDS = 0.05
_PIECE_BYTES = 2**20
_LEFT_OUT = (".lock", ".tmp")

log = logging.getLogger(__name__)


def remove_account(
    people: People,
    account: Account,
    *,
    how: str = TO_TRASH,
    drop: Callable[[str], None] = lambda id: None,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> int:
    """Shut an account out, end what it has at work, and put it into the bin with all that it made, or delete it for
    good. Returns how many workers were ended.

    `drop` closes what a server has open of it. Raises RunError for the first owner, and when something stays at work or
    the disk does not take it: then the account is as it was.
    """
    people.begin_removal(account.id, how=how)
    try:
        drop(account.id)
        ended = _put_away(people, account, patience_seconds=patience_seconds)
    except BaseException as error:
        if people.find(account.id) is not None:
            people.call_off_removal(account.id)
        if isinstance(error, RunError):
            raise RunError(f"'{account.name}' was not removed. {error.message}", error.hint) from error
        raise
    return ended + _end_rest(people, account, how=how, patience_seconds=patience_seconds)


def _put_away(people: People, account: Account, *, patience_seconds: float) -> int:
    """End what an account has at work and put it into the bin."""
    home = people.home_of(account)
    ended = end_work(home, patience_seconds=patience_seconds)
    add_all(home, EndingJobs(shared_home(home)))
    people.remove(account.id)
    return ended


def _end_rest(people: People, account: Account, *, how: str, patience_seconds: float) -> int:
    """End what was just about to start when nobody could ask any more: its lock is in the folder that was moved."""
    home = people.bin / account.id
    ended = end_work(home, patience_seconds=patience_seconds)
    add_all(home, EndingJobs(shared_home(people.home_of(account))))
    if how == FOR_GOOD:
        people.delete(account.id)
    return ended


def finish_removals(people: People, *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
    """Remove the accounts whose removal was cut off with the server; call it at the start.

    One that cannot be removed is let in by no way until the next start, which tries again.
    """
    for account in people.all():
        if account.leaving:
            with logged(log, "An account is still not removed", RunError, level=logging.WARNING):
                _put_away(people, account, patience_seconds=patience_seconds)
                _end_rest(people, account, how=account.leaving, patience_seconds=patience_seconds)
    for account in people.removed():
        if account.leaving == FOR_GOOD:
            with logged(log, "An account is still not deleted", RunError, level=logging.WARNING):
                people.delete(account.id)


def end_work(home: Path, *, patience_seconds: float = _PATIENCE_SECONDS) -> int:
    """End all workers in a data folder at once, and return how many there were. Raises RunError when one stays."""
    ended: set[int] = set()
    deadline = time.monotonic() + patience_seconds
    while held := [path for path in _locks(home) if lock.is_held(path)]:
        if time.monotonic() > deadline:
            raise RunError("Something of this account is still at work.", "Try again in a moment.")
        for process_id in filter(None, map(lock.holder, held)):
            kill_group(process_id)
            ended.add(process_id)
        time.sleep(_LOOK_SECONDS)
    return len(ended)


def archive(home: Path) -> Iterator[bytes]:
    """Yield a zip file of all that an account made, piece by piece: it takes no room on the disk.

    Left out are the key for programs and what belongs to the whole studio. A file that cannot be read is left out too.
    """
    buffer = _Pieces()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        for path in _made(home):
            info = zipfile.ZipInfo(str(path.relative_to(home)), time.localtime()[:6])
            try:
                with open_plain(path) as file, packed.open(info, "w", force_zip64=True) as entry:
                    while piece := file.read(_PIECE_BYTES):
                        entry.write(piece)
                        yield buffer.taken()
            except OSError as error:
                log.warning("A file is not in the archive: %s", error, exc_info=True)
            yield buffer.taken()
    yield buffer.taken()


class _Pieces(io.RawIOBase):
    """Takes what a zip file is written of, to be handed on."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._count = 0

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        before = len(self._held)
        self._held += piece  # type: ignore[arg-type]
        self._count += len(self._held) - before
        return len(self._held) - before

    def tell(self) -> int:
        return self._count

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        held, self._held = bytes(self._held), bytearray()
        return held


def _made(home: Path) -> Iterator[Path]:
    """Find the files that an account made; links lead elsewhere and are none."""
    for folder, names, files in os.walk(home):
        here = Path(folder)
        names[:] = sorted(name for name in names if not (here == home and name in SHARED))
        for file in sorted(files):
            path = here / file
            if not (file.endswith(_LEFT_OUT) or file in (API_KEY, "lock") or path.is_symlink()):
                yield path


def _locks(home: Path) -> list[Path]:
    """List the locks in a data folder, without those of the folders of other accounts."""
    found = []
    for folder, names, files in os.walk(home):
        if Path(folder) == home:
            names[:] = [name for name in names if name not in SHARED]
        found += [Path(folder) / file for file in files if file == "lock" or file.endswith(".lock")]
    return found

"""Bringing data in: every file, paste and download is read by a worker of its own, and the page sees how far it is.

    <home>/imports/<id>/request.json    the `ImportRequest`
                        files/          what was brought, until it is kept as a data set
                        task.json, events.jsonl, log, lock

A worker of its own keeps the page quick on large files, and alive when a broken file upsets a native reader. Knows
nothing of how a file is read.
"""

import logging
import re
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from studio import codec
from studio.data.conversion.roles import Roles
from studio.data.dataset_folders import one_line
from studio.data.reading_choices import Change, Choices
from studio.errors import DataError, RunError, TooMany
from studio.jobs.jobs import Jobs, JobState
from studio.jobs.tasks import Import
from studio.limits import LAPTOP, Limits, raised_by

log = logging.getLogger(__name__)

KEPT_SECONDS = 7 * 24 * 3600.0
"""An import that failed keeps its files for so long."""

_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class ImportRequest:
    """What shall become a data set: one of files, pasted text, typed rows, a Hub id, or `of`, a data set to read again.

    With `of`, `files` are added to those that it has. `typed` are pairs of a question and an answer. Without `roles`
    they are guessed, or kept for `of`, and so are `choices`. `changes` are all that the version shall have.
    """

    files: tuple[str, ...] = ()
    pasted: str = ""
    typed: tuple[tuple[str, str], ...] = ()
    hub: str = ""
    hub_config: str = ""
    hub_split: str = "train"
    name: str = ""
    of: str = ""
    roles: Roles | None = None
    changes: tuple[Change, ...] = ()
    choices: Choices | None = None


ImportState = JobState[str]
"""How far an import is; the result is the id of its data set."""


class Imports:
    """The imports of one data folder."""

    def __init__(
        self,
        home: Path,
        *,
        jobs: Jobs,
        clock: Callable[[], float] = time.time,
        limits: Limits = LAPTOP,
        check: Callable[[ImportRequest], object] = lambda request: None,
    ) -> None:
        """`check` raises where a request is refused."""
        self._check = check
        self._folder = home / "imports"
        self._jobs = jobs
        self._clock = clock
        self._limits = limits

    def start(self, request: ImportRequest) -> str:
        """Keep what was brought, start its worker and return the import's id.

        Raises DataError when there is nothing to import or it cannot be kept, RunError when the worker cannot start.
        """
        self._check(request)
        self._sweep()
        request = replace(request, name=one_line(request.name), hub=one_line(request.hub))
        if not (request.files or request.pasted.strip() or request.typed or request.hub or request.of):
            raise DataError("There is nothing to add.", "Choose a file, paste some text, or type a few rows.")
        _require_bounds(request, self._limits)
        id = secrets.token_hex(8)
        folder = self._folder / id
        try:
            kept = self._keep(request, folder)
            (folder / "request.json").write_text(codec.dumps(kept), encoding="utf-8")
        except FileNotFoundError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise DataError("The file is not there any more.", "Choose it again.") from error
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise DataError(
                f"The file was not taken: {self._folder} cannot be written ({error.strerror or error}).",
                "Free some space on its disk, or correct the permissions of the data folder.",
            ) from error
        try:
            self._jobs.start(Import(folder))
        except RunError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return id

    def recover(self) -> None:
        """Let the imports wait again that waited when the studio before this one ended; call it when one starts."""
        found = [each for each in self._folder.glob("*") if _ID.fullmatch(each.name) and _never_began(each)]
        for folder in sorted(found, key=lambda each: ((each / "request.json").stat().st_mtime_ns, each.name)):
            try:
                self._jobs.start(Import(folder))
            except RunError as error:
                log.warning("The import %s waits no more: %s", folder.name, error, exc_info=True)

    def state(self, id: str) -> ImportState:
        """Say how far an import is. Raises DataError when there is none with this id."""
        state = self._jobs.state(self._task(id))
        if state.working:
            return replace(state, sentence="Cancelling") if state.cancelled else state
        if state.ready:
            return replace(state, sentence="Added.", result=(state.result or "").removeprefix("datasets/"))
        return state if state.failed is not None else JobState("stopped", "Cancelled; nothing was added.")

    def request(self, id: str) -> ImportRequest:
        """Return what an import was asked for. Raises DataError when there is none with this id, or it is damaged."""
        folder = self._known_folder(id)
        try:
            return codec.read(ImportRequest, folder / "request.json")
        except (OSError, codec.Damaged) as error:
            raise _unknown() from error

    def cancel(self, id: str) -> None:
        """Ask an import to end. Does nothing when it has ended. Raises DataError when there is none with this id."""
        self._jobs.cancel(self._task(id))

    def wait(self, id: str) -> str:
        """Wait for an import to end and return the id of its data set. Raises DataError with what went wrong."""
        self._jobs.wait(self._task(id))
        state = self.state(id)
        if state.failed is not None:
            raise DataError(state.failed.message, state.failed.hint)
        if not state.result:
            raise DataError("The import was cancelled.", "Add the file again.")
        return state.result

    def working(self) -> tuple[str, ...]:
        """List the imports that are at work."""
        found = sorted(each.name for each in self._folder.glob("*") if _ID.fullmatch(each.name))
        return tuple(id for id in found if self._jobs.state(self._task(id)).working)

    def _task(self, id: str) -> Import:
        return Import(self._known_folder(id))

    def _known_folder(self, id: str) -> Path:
        folder = self._folder / id
        if not _ID.fullmatch(id) or not folder.is_dir():
            raise _unknown()
        return folder

    def _keep(self, request: ImportRequest, folder: Path) -> ImportRequest:
        """Copy what was brought into the import's folder, and return the request that names the copies."""
        files = folder / "files"
        files.mkdir(parents=True)
        kept = []
        for number, name in enumerate(request.files, start=1):
            target = files / str(number) / Path(name).name
            target.parent.mkdir()
            shutil.copyfile(name, target)
            kept.append(str(target))
        if request.pasted.strip():
            target = files / "Pasted text.txt"
            target.write_text(request.pasted, encoding="utf-8", errors="replace", newline="")
            kept.append(str(target))
        if request.typed:
            # Lines of JSON, so that the number of a row is the one that the person sees beside it.
            target = files / "Typed rows.jsonl"
            lines = (codec.dumps({"question": question, "answer": answer}) for question, answer in request.typed)
            target.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
            kept.append(str(target))
        return ImportRequest(
            files=tuple(kept),
            hub=request.hub.strip(),
            hub_config=request.hub_config.strip(),
            hub_split=request.hub_split.strip() or "train",
            name=request.name,
            of=request.of,
            roles=request.roles,
            changes=request.changes,
            choices=request.choices,
        )

    def _sweep(self) -> None:
        """Remove the imports that ended long ago."""
        for folder in self._folder.glob("*"):
            try:
                old = self._clock() - folder.stat().st_mtime > KEPT_SECONDS
            except OSError:
                continue
            if old and _ID.fullmatch(folder.name) and not self._jobs.is_held(Import(folder)):
                shutil.rmtree(folder, ignore_errors=True)


def _never_began(folder: Path) -> bool:
    """Tell whether an import waits for its worker: what was brought is there, and no worker ever was."""
    paths = Import(folder).paths
    return (folder / "request.json").is_file() and not paths.lock.exists() and not paths.events.exists()


def _require_bounds(request: ImportRequest, limits: Limits) -> None:
    """Raise TooMany for more text or rows than are taken at once."""
    for found, name, noun in (
        (len(request.pasted), "pasted_characters", "characters were pasted"),
        (len(request.typed), "typed_rows", "rows were typed"),
    ):
        most = getattr(limits, name)
        if found > most:
            raise TooMany(f"{found:,} {noun}; {most:,} are taken at once.", f"Bring them as a file. {raised_by(name)}")


def _unknown() -> DataError:
    return DataError("This import is not known any more.", "Add the file again.")
